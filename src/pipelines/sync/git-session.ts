import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { simpleGit } from 'simple-git';
import type { SourceCredentials } from './types.js';

/** More than this of one command is no pipeline. */
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** git said no, or did not answer in time. The message is git's own reason, without secrets. */
export class GitError extends Error {
  override readonly name = 'GitError';
}

/** Runs one git command. @returns what it printed. @throws GitError; the signal's reason after an abort. */
export type Git = (
  args: readonly string[],
  options: { readonly cwd: string; readonly timeoutMs: number },
) => Promise<string>;

interface SessionRequest {
  readonly credentials: SourceCredentials;
  readonly uri: string;
  /** Where the session's private folder is made. */
  readonly dir: string;
  /** File that remembers the keys of SSH hosts seen before; a host whose key changed is refused. */
  readonly knownHosts: string;
  readonly signal: AbortSignal;
}

/**
 * Runs `work` with git commands that may read the repository. Secrets stand only in files of a private folder, which is
 * removed afterwards: never in arguments, in the environment or in the clone's own configuration.
 */
export async function withGit<Result>(request: SessionRequest, work: (git: Git) => Promise<Result>): Promise<Result> {
  await mkdir(request.dir, { recursive: true, mode: 0o700 });
  const dir = await mkdtemp(join(request.dir, SESSION));
  try {
    const env = await prepare(dir, request);
    const script = await write(dir, 'git.sh', GIT_SCRIPT);
    return await work((args, options) => run({ ...options, args, env, script, request }));
  } finally {
    await rm(dir, { recursive: true, force: true, maxRetries: 3 });
  }
}

const SESSION = 'session-';

/** Removes what sessions of a server that was killed left behind. Only for whoever has the folder to itself. */
export async function sweepSessions(dir: string): Promise<void> {
  const entries = await readdir(dir).catch(() => []); // no folder, no sessions
  const left = entries.filter((entry) => entry.startsWith(SESSION));
  await Promise.all(left.map((entry) => rm(join(dir, entry), { recursive: true, force: true })));
}

/**
 * Ending a git command must end its helpers (ssh, git-remote-https) too, which git leaves behind when it is killed. So
 * it runs in a process group of its own, which dies as a whole.
 */
const GIT_SCRIPT = `trap 'kill -KILL "-$!" "$!" 2>/dev/null; exit 130' INT TERM
if command -v setsid >/dev/null 2>&1; then
  setsid git "$@" </dev/null &
else
  set -m
  git "$@" </dev/null &
fi
wait "$!"
`;

const INHERITED = /^(?:PATH|TMPDIR|https?_proxy|no_proxy|SSL_CERT_(?:FILE|DIR))$/i;

async function prepare(dir: string, { credentials, uri, knownHosts }: SessionRequest): Promise<Record<string, string>> {
  const config: [string, string][] = [
    ['safe.directory', '*'], // local repositories may belong to other users
    ['core.hooksPath', '/dev/null'],
    ['gc.autoDetach', 'false'], // nothing may go on in the background
    ['maintenance.autoDetach', 'false'],
    ['core.sshCommand', (await sshCommand(dir, credentials, knownHosts)).map(quoted).join(' ')],
  ];
  if (credentials.password !== undefined && URL.canParse(uri)) {
    const url = new URL(uri);
    url.username = encodeURIComponent(credentials.username ?? '');
    url.password = encodeURIComponent(credentials.password);
    url.pathname = '';
    // The store gives a password only to the host it belongs to.
    const store = await write(dir, 'credentials', `${url.href}\n`);
    config.push(['credential.helper', `store --file=${quoted(store)}`]);
  }
  const inherited = Object.entries(process.env).filter(([name]) => INHERITED.test(name));
  return {
    ...(Object.fromEntries(inherited) as Record<string, string>),
    HOME: dir,
    LC_ALL: 'C',
    GIT_TERMINAL_PROMPT: '0',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: await write(dir, 'gitconfig', config.map(toConfigLines).join('')),
    GIT_ALLOW_PROTOCOL: 'http:https:ssh:git:file',
  };
}

async function sshCommand(dir: string, { private_key: key }: SourceCredentials, knownHosts: string): Promise<string[]> {
  const identity = key === undefined ? 'none' : await write(dir, 'key', `${key.trim()}\n`);
  const options = {
    IdentityFile: identity,
    IdentitiesOnly: 'yes',
    IdentityAgent: 'none',
    BatchMode: 'yes',
    StrictHostKeyChecking: 'accept-new',
    UserKnownHostsFile: quotedForSsh(knownHosts),
    ConnectTimeout: '20',
    ServerAliveInterval: '15',
    LogLevel: 'ERROR',
  };
  return ['ssh', '-F', '/dev/null', ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`])];
}

interface Run {
  readonly args: readonly string[];
  readonly cwd: string;
  readonly timeoutMs: number;
  readonly env: Readonly<Record<string, string>>;
  readonly script: string;
  readonly request: SessionRequest;
}

async function run({ args, cwd, timeoutMs, env, script, request: { signal, credentials } }: Run): Promise<string> {
  signal.throwIfAborted();
  const stop = new AbortController();
  let reason: string | undefined;
  const end = (why?: string): void => {
    reason ??= why;
    stop.abort();
  };
  const onAbort = (): void => end();
  signal.addEventListener('abort', onAbort);
  const timer = setTimeout(() => end(`no answer within ${timeoutMs / 1000} s`), timeoutMs);
  try {
    return await start({ args, cwd, env, script, stop, tooMuch: () => end('git printed too much') });
  } catch (error) {
    signal.throwIfAborted();
    throw new GitError(withoutSecrets(reason ?? reasonOf(error), credentials));
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

interface Start extends Pick<Run, 'args' | 'cwd' | 'env' | 'script'> {
  readonly stop: AbortController;
  readonly tooMuch: () => void;
}

async function start({ args, cwd, env, script, stop, tooMuch }: Start): Promise<string> {
  const git = simpleGit({
    baseDir: cwd,
    abort: stop.signal,
    binary: ['/bin/sh', script],
    // By default output that is not read 50 ms after git's end is lost.
    completion: { onClose: true, onExit: false },
    allowEnvironment: Object.keys(env),
    // Both are files that we wrote.
    unsafe: { allowUnsafeCustomBinary: true, allowUnsafeConfigPaths: true },
    errors: (error, { exitCode, stdErr }) =>
      error ??
      (exitCode === 0 ? undefined : new Error(Buffer.concat(stdErr).toString() || `git ended with ${exitCode}`)),
  })
    .env({ ...env })
    .outputHandler((_command, stdout, stderr) => {
      let seenBytes = 0;
      const count = (chunk: Buffer): void => {
        seenBytes += chunk.length;
        if (seenBytes > MAX_OUTPUT_BYTES) tooMuch();
      };
      stdout.on('data', count);
      stderr.on('data', count);
    });
  return git.raw([...args]);
}

/** The lines with which git gives its reasons, without its warnings and hints. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const reasons = lines.filter(
    (line) => /^(?:fatal|error|remote|ssh|ERROR):/i.test(line) || /denied|verification failed/i.test(line),
  );
  return (reasons.length > 0 ? reasons : lines)
    .slice(0, 5)
    .map((line) => line.replace(/^fatal: /, ''))
    .join('; ')
    .slice(0, 1_000);
}

function withoutSecrets(text: string, credentials: SourceCredentials): string {
  const secrets = [credentials.private_key, credentials.password].filter(
    (secret) => secret !== undefined && secret !== '',
  );
  return secrets.reduce<string>((clean, secret) => clean.replaceAll(secret ?? '', '((redacted))'), text);
}

async function write(dir: string, name: string, text: string): Promise<string> {
  const file = join(dir, name);
  await writeFile(file, text, { mode: 0o600 });
  await chmod(file, 0o600);
  return file;
}

function toConfigLines([name, value]: readonly [string, string]): string {
  const dot = name.indexOf('.');
  const escaped = value.replace(/[\\"]/g, '\\$&');
  return `[${name.slice(0, dot)}]\n\t${name.slice(dot + 1)} = "${escaped}"\n`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function quotedForSsh(path: string): string {
  return `"${path.replaceAll('%', '%%')}"`;
}
