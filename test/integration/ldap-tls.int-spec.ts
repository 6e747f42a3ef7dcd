import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LdapConnector } from '../../src/auth/connectors/ldap.connector.js';
import { parseSettings, Settings } from '../../src/platform/index.js';
import { makeAuthority, makeCertificate } from '../support/certificates.js';
import { hasLdap, LdapServer } from '../support/ldap-server.js';

const PEOPLE = `dn: uid=lena,${LdapServer.base}
objectClass: inetOrgPerson
uid: lena
cn: Lena
sn: L
userPassword: lena-secret
`;

(hasLdap() ? describe : describe.skip)('LDAP over TLS (needs slapd)', () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'weir-test-ldap-tls-'));
  let ldap: LdapServer;
  let own: string;
  let other: string;
  beforeAll(async () => {
    [own, other] = [makeAuthority(dir, 'own'), makeAuthority(dir, 'other')];
    ldap = await LdapServer.start(PEOPLE, makeCertificate(dir, 'own', 'localhost'));
  });
  afterAll(async () => {
    await ldap.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const hostOf = (how: string, name = 'localhost'): string =>
    (how === 'tls' ? ldap.tlsHost : ldap.host).replace(/^[^:]+/, name);
  function login(how: 'tls' | 'start-tls', authority: string | undefined, host = hostOf(how)): Promise<unknown> {
    const connector = new LdapConnector(
      new Settings({
        ldapHost: host,
        ldapTls: how,
        ldapCaCert: authority === undefined ? '' : readFileSync(authority, 'utf8'),
        ldapBindDn: LdapServer.bindDn,
        ldapBindPassword: LdapServer.bindPassword,
        ldapUserSearchBaseDn: LdapServer.base,
      }),
    );
    return connector.password.check('lena', 'lena-secret');
  }

  describe.each(['tls', 'start-tls'] as const)('by %s', (how) => {
    it('lets somebody in where the authority is the right one', async () => {
      expect(await login(how, own)).toMatchObject({ connector: 'ldap', subject: 'lena' });
    });

    it.each([
      ['another authority', () => other],
      ['no authority', () => undefined],
    ])('sends nothing to a directory that %s vouches for, and says so', async (_who, authority) => {
      await expect(login(how, authority())).rejects.toMatchObject({
        code: 'provider-untrusted',
        message: expect.stringMatching(/does not trust: .*certificate.*--ldap-ca-cert/),
      });
    });

    it('sends nothing to a directory whose certificate is for another name', async () => {
      await expect(login(how, own, hostOf(how, '127.0.0.1'))).rejects.toMatchObject({
        code: 'provider-untrusted',
        message: expect.stringContaining('127.0.0.1'),
      });
    });
  });

  it('takes the authority from a file, and none that is no certificate', () => {
    const read = (file: string) => parseSettings(['--ldap-ca-cert', file], {});
    expect(read(own)).toMatchObject({ settings: { ldapCaCert: readFileSync(own, 'utf8').trimEnd() } });
    expect(() => read(path.join(dir, 'own.key'))).toThrow('--ldap-ca-cert');
    expect(() => read(path.join(dir, 'none.pem'))).toThrow('--ldap-ca-cert');
  });
});
