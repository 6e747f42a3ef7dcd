import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Certificate } from './ldap-server.js';

const openssl = (dir: string, ...args: string[]): void => {
  execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' });
};
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** A new authority in the folder. @returns the file of its certificate. */
export function makeAuthority(dir: string, name: string): string {
  const files = ['-keyout', `${name}.key`, '-out', `${name}.pem`];
  openssl(dir, 'req', '-x509', ...NEW_KEY, ...files, '-days', '2', '-subj', `/CN=${name}`);
  return join(dir, `${name}.pem`);
}

/** A certificate for one host name, signed by the authority of {@link makeAuthority}. */
export function makeCertificate(dir: string, authority: string, host: string): Certificate {
  openssl(dir, 'req', ...NEW_KEY, '-keyout', `${host}.key`, '-out', `${host}.csr`, '-subj', `/CN=${host}`);
  writeFileSync(join(dir, `${host}.ext`), `subjectAltName=DNS:${host}\n`);
  const ca = ['-CA', `${authority}.pem`, '-CAkey', `${authority}.key`, '-CAcreateserial'];
  openssl(
    dir,
    'x509',
    '-req',
    '-in',
    `${host}.csr`,
    ...ca,
    '-days',
    '2',
    '-extfile',
    `${host}.ext`,
    '-out',
    `${host}.pem`,
  );
  return { file: join(dir, `${host}.pem`), key: join(dir, `${host}.key`) };
}
