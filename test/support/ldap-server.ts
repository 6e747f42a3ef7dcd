import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './eventually.js';
import { freePort } from './server-process.js';

const SLAPD = '/usr/sbin/slapd';
const MODULES = '/usr/lib/ldap';
const SCHEMA = '/etc/ldap/schema';

/** Whether this machine has Debian's `slapd`. Says so loudly when not. */
export function hasLdap(): boolean {
  const isThere = [SLAPD, MODULES, SCHEMA].every((path) => existsSync(path));
  if (!isThere) console.warn('SKIPPED: tests of logins by LDAP need slapd');
  return isThere;
}

/** Files of a certificate and its key. */
export interface Certificate {
  readonly file: string;
  readonly key: string;
}

/** A real directory on 127.0.0.1 with its own data, gone after {@link stop}. Passwords of entries are plain. */
export class LdapServer {
  private constructor(
    readonly host: string,
    /** `localhost:port` of ldaps://; its certificate is for that name only. Empty without certificates. */
    readonly tlsHost: string,
    private readonly server: ChildProcess,
    private readonly dir: string,
  ) {}

  static readonly base = 'dc=example,dc=org';
  static readonly bindDn = `cn=searcher,${LdapServer.base}`;
  static readonly bindPassword = 'search-secret';

  /**
   * @param ldif the entries, without that of the base.
   * @param certificate with its key: the server then also speaks TLS.
   */
  static async start(ldif: string, certificate?: Certificate): Promise<LdapServer> {
    const dir = mkdtempSync(join(tmpdir(), 'weir-test-ldap-'));
    const [config, data, entries] = [join(dir, 'slapd.conf'), join(dir, 'data'), join(dir, 'entries.ldif')];
    mkdirSync(data);
    const schemas = ['core', 'cosine', 'inetorgperson'].map((name) => `include ${SCHEMA}/${name}.schema`);
    writeFileSync(
      config,
      [
        ...schemas,
        `modulepath ${MODULES}`,
        'moduleload back_mdb',
        `pidfile ${join(dir, 'pid')}`,
        ...(certificate ? [`TLSCertificateFile ${certificate.file}`, `TLSCertificateKeyFile ${certificate.key}`] : []),
        'database mdb',
        'maxsize 10485760',
        `suffix "${LdapServer.base}"`,
        `rootdn "${LdapServer.bindDn}"`,
        `rootpw ${LdapServer.bindPassword}`,
        `directory ${data}`,
        '',
      ].join('\n'),
    );
    const top = `dn: ${LdapServer.base}\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n`;
    writeFileSync(entries, `${top}\n${ldif}`);
    execFileSync(SLAPD, ['-T', 'add', '-f', config, '-l', entries], { stdio: 'pipe' });
    const host = `127.0.0.1:${await freePort()}`;
    const tlsHost = certificate ? `localhost:${await freePort()}` : '';
    const urls = [`ldap://${host}`, ...(certificate ? [`ldaps://${tlsHost.replace('localhost', '127.0.0.1')}`] : [])];
    // The end of its input ends it: then nothing stays behind, even when the tests are killed.
    const script = `"$@" & cat; kill -9 $!; wait`;
    const command = [SLAPD, '-f', config, '-h', urls.join(' '), '-d', '0'];
    const server = spawn('sh', ['-c', script, 'sh', ...command], { stdio: ['pipe', 'ignore', 'ignore'] });
    const ldap = new LdapServer(host, tlsHost, server, dir);
    await eventually(`slapd at ${host} answers`, () => accepts(host), 20_000);
    return ldap;
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.server.once('exit', resolve));
    this.server.stdin?.end();
    if (this.server.exitCode === null && this.server.signalCode === null) await ended;
    rmSync(this.dir, { recursive: true, force: true });
  }
}

function accepts(host: string): Promise<boolean> {
  const [address = '', port = ''] = host.split(':');
  return new Promise((resolve) => {
    const socket = connect(Number(port), address);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
