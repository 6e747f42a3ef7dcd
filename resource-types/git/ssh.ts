import { ResourceFailure } from '../../src/resources/contract.js';
import type { GitSource } from './schema.js';

/** Writes a private file into the workshop. @returns its path. */
export type SecretFile = (name: string, content: string | Buffer, mode?: number) => Promise<string>;

/** How git commands of one source reach hosts by SSH. */
export interface SshSetup {
  /** The command for git's `core.sshCommand`. */
  readonly command: string;
  readonly env: Readonly<Record<string, string>>;
  /** Addresses of submodules with keys of their own, and what git is to use instead. */
  readonly insteadOf: readonly { readonly url: string; readonly alias: string }[];
  /** The key that an agent is to hold and forward; undefined: no agent. */
  readonly agentKey?: string;
  readonly secrets: readonly string[];
}

type KeyCredential = Extract<NonNullable<GitSource['submodule_credentials']>[number], { url: string }>;

/** Lays out keys, passphrases and options. Keys and agents of the server are not used. */
export async function setUpSsh(source: GitSource, dir: string, secretFile: SecretFile): Promise<SshSetup> {
  const submodules = (source.submodule_credentials ?? []).filter((each): each is KeyCredential => 'url' in each);
  const key = source.private_key === undefined ? 'none' : await secretFile('key', `${source.private_key.trim()}\n`);
  const isForwarding = source.forward_agent === true;
  if (isForwarding && source.private_key === undefined)
    throw new ResourceFailure("forward_agent needs private_key: the server's own agent is not lent");
  const socket = `${dir}/agent`;
  const options = [
    'LogLevel=ERROR',
    'IdentitiesOnly=yes',
    `IdentityAgent=${isForwarding ? socket : 'none'}`,
    ...(isForwarding ? ['ForwardAgent=yes'] : []),
    // A host whose key the operator has in /etc/ssh/ssh_known_hosts is verified; others are accepted, as in Concourse.
    'StrictHostKeyChecking=accept-new',
    'UserKnownHostsFile=/dev/null',
    'ServerAliveInterval=30',
    'PasswordAuthentication=no',
    'KbdInteractiveAuthentication=no',
    ...(await tunnelOptions(source, secretFile)),
  ];
  const passphrases = await passphraseFiles(source, submodules, secretFile);
  if (passphrases.length === 0) options.push('BatchMode=yes');
  let config = '/dev/null';
  const insteadOf: SshSetup['insteadOf'][number][] = [];
  const identity = [`IdentityFile=${key}`, ...(source.private_key_user ? [`User=${source.private_key_user}`] : [])];
  if (submodules.length === 0) options.push(...identity);
  else {
    const blocks: string[] = [];
    for (const [index, { url, private_key: text }] of submodules.entries()) {
      const file = await secretFile(`key-${index}`, `${text.trim()}\n`);
      const alias = `weir-key-${index}`;
      const { user, host, port, prefix } = takeApart(url, alias);
      insteadOf.push({ url, alias: prefix });
      blocks.push(`Host ${alias}\n  HostName ${host}\n  User ${user}\n${port}  IdentityFile "${file}"\n`);
    }
    blocks.push(`Host * !weir-key-*\n${identity.map((line) => `  ${line.replace('=', ' ')}\n`).join('')}`);
    config = await secretFile('ssh_config', blocks.join(''));
  }
  const env: Record<string, string> = {};
  if (passphrases.length > 0) {
    const cases = passphrases.map(
      ({ key: name, file }) => `*/${name}\\'*|*/${name}:*) exec cat ${shellQuote(file)};;\n`,
    );
    env['SSH_ASKPASS'] = await secretFile('askpass', `#!/bin/sh\ncase "$1" in\n${cases.join('')}esac\nexit 1\n`, 0o700);
    env['SSH_ASKPASS_REQUIRE'] = 'force';
  }
  if (isForwarding) env['SSH_AUTH_SOCK'] = socket;
  return {
    command: ['ssh', '-F', config, ...options.flatMap((option) => ['-o', option])].map(shellQuote).join(' '),
    env,
    insteadOf,
    ...(isForwarding ? { agentKey: key } : {}),
    secrets: secretsOf(source, submodules),
  };
}

/** A word for the shell. */
export function shellQuote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

async function passphraseFiles(
  source: GitSource,
  submodules: readonly KeyCredential[],
  secretFile: SecretFile,
): Promise<{ readonly key: string; readonly file: string }[]> {
  const all = [
    { key: 'key', phrase: source.private_key_passphrase },
    ...submodules.map((each, index) => ({ key: `key-${index}`, phrase: each.private_key_passphrase })),
  ];
  const files = [];
  for (const { key, phrase } of all) {
    if (phrase !== undefined) files.push({ key, file: await secretFile(`${key}.passphrase`, `${phrase}\n`) });
  }
  return files;
}

function secretsOf(source: GitSource, submodules: readonly KeyCredential[]): string[] {
  const all = [
    source.private_key,
    source.private_key_passphrase,
    source.https_tunnel?.proxy_password,
    ...submodules.flatMap((each) => [each.private_key, each.private_key_passphrase]),
  ];
  return all.filter((secret): secret is string => secret !== undefined && secret !== '');
}

/** An address by SSH as options for its host, and the same address under the alias. The schema has checked the form. */
function takeApart(url: string, alias: string): { user: string; host: string; port: string; prefix: string } {
  if (url.startsWith('ssh://')) {
    const { username, hostname, port, pathname } = new URL(url);
    const prefix = `ssh://${alias}${pathname}`;
    return { user: username || 'git', host: hostname, port: port === '' ? '' : `  Port ${port}\n`, prefix };
  }
  const [, user = 'git', host = '', path = ''] = /^(?:([^@]+)@)?([^:]+):(.*)$/s.exec(url) ?? [];
  return { user, host, port: '', prefix: `${alias}:${path}` };
}

/** Speaks to the proxy for ssh. What it needs to know stands in a file, as arguments can be seen by everybody. */
const TUNNEL_SCRIPT = `const { host, port, authorization } = JSON.parse(require('node:fs').readFileSync(process.argv[2], 'utf8'));
const path = process.argv[3] + ':' + process.argv[4];
const fail = (why) => { console.error('https_tunnel: ' + why); process.exit(1); };
const headers = { Host: path, ...(authorization && { 'Proxy-Authorization': authorization }) };
require('node:http').request({ host, port, method: 'CONNECT', path, headers })
  .on('connect', (response, socket, head) => {
    if (response.statusCode !== 200) fail('the proxy answered ' + response.statusCode + ' ' + response.statusMessage);
    process.stdout.write(head);
    socket.on('error', (error) => fail(error.message)).on('close', () => process.exit());
    socket.pipe(process.stdout);
    process.stdin.pipe(socket);
  })
  .on('response', (response) => fail('the proxy answered ' + response.statusCode + ' ' + response.statusMessage))
  .on('error', (error) => fail('the proxy cannot be reached: ' + error.message))
  .end();
`;

async function tunnelOptions({ https_tunnel: tunnel }: GitSource, secretFile: SecretFile): Promise<string[]> {
  if (tunnel === undefined) return [];
  const { proxy_host: host, proxy_port: port, proxy_user: user, proxy_password: password } = tunnel;
  const basic = Buffer.from(`${user ?? ''}:${password ?? ''}`).toString('base64');
  const authorization = user === undefined ? undefined : `Basic ${basic}`;
  const script = await secretFile('tunnel.cjs', TUNNEL_SCRIPT);
  const config = await secretFile('tunnel.json', JSON.stringify({ host, port: Number(port), authorization }));
  return [`ProxyCommand=${[process.execPath, script, config].map(shellQuote).join(' ')} %h %p`];
}
