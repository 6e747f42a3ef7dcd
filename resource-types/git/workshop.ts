import { chmod, lstat, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ResourceFailure, type CheckContext } from '../../src/resources/contract.js';
import { renderGitConfig, type GitSetting } from './git-config.js';
import type { GitSource } from './schema.js';
import { setUpSsh, shellQuote, type SecretFile } from './ssh.js';
import { localPath, parseRepositoryUri } from './uri.js';

/** A private folder (0700) with everything git commands for one source need: configuration, credentials, keys. */
export interface Workshop {
  readonly dir: string;
  /** A shell script that runs git; see {@link GIT_SCRIPT}. */
  readonly gitScript: string;
  /** The whole environment of git: nothing else is inherited from the server. */
  readonly env: Readonly<Record<string, string>>;
  /** Puts a private file into the folder. */
  readonly secretFile: SecretFile;
  redact(text: string): string;
}

const FOLDER_PREFIX = 'weir-git-';

/**
 * Aborting a git command must end all of it, but git leaves its helpers (ssh, git-remote-https, the commands of a
 * submodule update) behind when it is killed. So git runs in a process group of its own, which dies as a whole. An agent, if
 * one is wanted, lives as long as the command.
 */
const GIT_SCRIPT = `trap 'kill -KILL "-$!" "$!" $agent 2>/dev/null; exit 130' INT TERM
if [ -n "$WEIR_AGENT_KEY" ]; then
  command -v ssh-agent >/dev/null 2>&1 || { echo "forward_agent needs ssh-agent, which is not installed" >&2; exit 1; }
  rm -f "$SSH_AUTH_SOCK"
  ssh-agent -D -a "$SSH_AUTH_SOCK" </dev/null >/dev/null 2>&1 &
  agent=$!
  for _ in 1 2 3 4 5 6 7 8 9; do [ -S "$SSH_AUTH_SOCK" ] && break; sleep 0.1; done
  ssh-add -q "$WEIR_AGENT_KEY" </dev/null || { kill "$agent"; exit 1; }
fi
if command -v setsid >/dev/null 2>&1; then
  setsid git "$@" </dev/null &
else
  set -m
  git "$@" </dev/null &
fi
wait "$!"
code=$?
[ -z "$agent" ] || kill "$agent"
exit "$code"
`;

/** Exit status of a {@link TOOLS tool} that is not installed. */
export const NOT_INSTALLED = 93;

/** Other programs, as aliases of git: so they run in its process group and environment. */
const TOOLS = ['gpg', 'gpgconf', 'git-crypt'] as const;

const REMOTE_PROTOCOLS = ['http', 'https', 'ssh', 'git'];

const HANDED_ON = [
  'PATH',
  'TMPDIR',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
];

let sweeping: Promise<void> | undefined;

/**
 * Runs `work` with a workshop for the source, and removes the workshop whatever happens.
 * @throws ResourceFailure when the repository is a folder of this machine that is closed to pipelines.
 */
export async function withWorkshop<T>(
  source: GitSource,
  context: Pick<CheckContext, 'server'>,
  work: (workshop: Workshop) => Promise<T>,
): Promise<T> {
  await refuseClosedFolder(source, context);
  await (sweeping ??= sweepAbandoned());
  const dir = await mkdtemp(join(tmpdir(), `${FOLDER_PREFIX}${process.pid}-`));
  try {
    return await work(await furnish(dir, source, context.server?.opensEveryFolder ?? true));
  } finally {
    await rm(dir, { recursive: true, force: true, maxRetries: 3 });
  }
}

/**
 * Without a server to ask, in a container, every folder is the container's own.
 * @throws ResourceFailure when the repository is a folder of this machine that is closed to pipelines.
 */
export async function refuseClosedFolder(source: GitSource, { server }: Pick<CheckContext, 'server'>): Promise<void> {
  if (parseRepositoryUri(source.uri)?.isLocal !== true || server === undefined || server.opensEveryFolder) return;
  const refusal = await server.refusalOfFolder(localPath(source.uri));
  if (refusal !== undefined) throw new ResourceFailure(refusal);
  if (source.git_config?.some(({ name }) => /^url\./i.test(name)))
    throw new ResourceFailure(
      'git_config: url.… could lead to other folders of the server: name the repository itself',
    );
}

async function furnish(dir: string, source: GitSource, opensEveryFolder: boolean): Promise<Workshop> {
  const secretFile: SecretFile = async (name, content, mode = 0o600) => {
    await writeFile(join(dir, name), content, { mode });
    await chmod(join(dir, name), mode);
    return join(dir, name);
  };
  await mkdir(join(dir, 'gnupg'), { mode: 0o700 });
  const { credentials, secrets } = credentialsOf(source);
  const settings = baseSettings(source);
  const isLocal = parseRepositoryUri(source.uri)?.isLocal === true;
  if (isLocal && !opensEveryFolder) {
    settings.push({ name: 'protocol.allow', value: 'never' });
    settings.push(...REMOTE_PROTOCOLS.map((name) => ({ name: `protocol.${name}.allow`, value: 'always' })));
    // The repository that was asked for, but none that its submodules name.
    settings.push({ name: 'protocol.file.allow', value: 'user' });
  }
  if (credentials.length > 0) {
    const file = await secretFile('credentials', credentials.map((line) => `${line}\n`).join(''));
    settings.push({ name: 'credential.helper', value: `store --file=${shellQuote(file)}` });
  }
  const ssh = await setUpSsh(source, dir, secretFile);
  secrets.push(...ssh.secrets, ...[source.git_crypt_key, source.git_crypt_gpg_key].filter((key) => key !== undefined));
  settings.push({ name: 'core.sshCommand', value: ssh.command });
  for (const { url, alias } of ssh.insteadOf) settings.push({ name: `url.${alias}.insteadOf`, value: url });
  const env: Record<string, string> = { ...ssh.env };
  if (ssh.agentKey !== undefined) env['WEIR_AGENT_KEY'] = ssh.agentKey;
  for (const name of HANDED_ON) if (process.env[name] !== undefined) env[name] = process.env[name];
  return {
    dir,
    secretFile,
    gitScript: await secretFile('git.sh', GIT_SCRIPT),
    env: {
      ...env,
      HOME: dir,
      GNUPGHOME: join(dir, 'gnupg'),
      LC_ALL: 'C',
      GIT_TERMINAL_PROMPT: '0',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: await secretFile('gitconfig', renderGitConfig(settings)),
      GIT_NO_LAZY_FETCH: '1',
      // Submodules name addresses of their own: a remote must not lead git to folders or programs of the server.
      ...(isLocal && !opensEveryFolder
        ? {}
        : { GIT_ALLOW_PROTOCOL: `${REMOTE_PROTOCOLS.join(':')}${isLocal ? ':file' : ''}` }),
    },
    redact: (text) =>
      secrets.reduce((clean, secret) => (secret === '' ? clean : clean.replaceAll(secret, '***')), text),
  };
}

function baseSettings(source: GitSource): GitSetting[] {
  const settings: GitSetting[] = [
    { name: 'safe.directory', value: '*' }, // repositories of other owners: the server often runs as root
    { name: 'user.name', value: 'git' },
    { name: 'user.email', value: 'git@localhost' },
    { name: 'init.defaultBranch', value: 'main' },
    { name: 'advice.detachedHead', value: 'false' },
    ...(source.git_config ?? []),
    // What follows is not for the pipeline to change: nothing may run in the background or ask for anything.
    { name: 'core.editor', value: 'true' },
    { name: 'core.fsmonitor', value: 'false' },
    { name: 'gc.autoDetach', value: 'false' },
    { name: 'maintenance.autoDetach', value: 'false' },
    { name: 'submodule.recurse', value: 'false' },
    ...TOOLS.map((tool) => ({ name: `alias.weir-${tool}`, value: aliasOf(tool) })),
  ];
  if (source.skip_ssl_verification === true) settings.push({ name: 'http.sslVerify', value: 'false' });
  return settings;
}

const aliasOf = (tool: string): string =>
  `!f() { command -v ${tool} >/dev/null 2>&1 || exit ${NOT_INSTALLED}; exec ${tool} "$@"; }; f`;

/** Lines of git's credential store, which gives a password only to the host it belongs to. */
function credentialsOf(source: GitSource): { credentials: string[]; secrets: string[] } {
  const uri = parseRepositoryUri(source.uri);
  const credentials: string[] = [];
  const secrets: string[] = [];
  const add = (scheme: string, host: string, username: string, password: string) => {
    credentials.push(`${scheme}://${encodeURIComponent(username)}:${encodeURIComponent(password)}@${host}`);
    // A token is often given as the user, with an empty password.
    secrets.push(...(password === '' ? [username] : [password, encodeURIComponent(password)]));
  };
  const username = source.username ?? uri?.username;
  const password = source.password ?? uri?.password;
  if (uri?.host !== undefined && /^https?:/i.test(uri.clean) && (username !== undefined || password !== undefined)) {
    add(new URL(uri.clean).protocol.slice(0, -1), uri.host, username ?? '', password ?? '');
  }
  for (const given of source.submodule_credentials ?? []) {
    if (!('host' in given)) continue;
    const { host, username, password } = given;
    add('https', host, username, password);
    // Never in clear, unless the pipeline itself does without encryption.
    if (uri?.clean.startsWith('http:') === true) add('http', host, username, password);
  }
  return { credentials, secrets };
}

/** Removes workshops of servers that were killed: they may hold keys. */
export async function sweepAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = Number(new RegExp(`^${FOLDER_PREFIX}(\\d+)-`).exec(name)?.[1]);
    if (!Number.isInteger(pid) || isAlive(pid)) continue;
    const path = join(tmpdir(), name);
    const owner = await lstat(path).then(
      (stat) => stat.uid,
      () => undefined,
    );
    if (owner === process.getuid?.()) await rm(path, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
