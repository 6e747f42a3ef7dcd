import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

const MODULE = 'github.com/concourse/concourse';
const COMMIT = '95872ce1a3af';
/** What the server says it is, so that `fly` speaks to it; see the setting `concourse-version`. */
const VERSION = '8.3.0';

export interface Run {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs a program to its end, closing its standard input. */
export async function run(
  program: string,
  args: readonly string[],
  options: {
    readonly cwd: string;
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly input?: string;
  },
): Promise<Run> {
  const child = spawn(program, args, { cwd: options.cwd, env: { ...options.env } });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  child.stdin.on('error', () => undefined).end(options.input ?? '');
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ code: null, out, err: err + error.message }));
    child.once('close', (code) => resolve({ code, out, err }));
  });
}

/**
 * The real `fly`: that of `WEIR_FLY`, or one installed with Go into a folder for caches, which takes minutes once.
 * @returns its path, or why there is none.
 */
export async function findFly(): Promise<{ readonly path: string } | { readonly missing: string }> {
  const given = process.env.WEIR_FLY;
  if (given !== undefined && given !== '')
    return existsSync(given) ? { path: given } : { missing: `WEIR_FLY names ${given}, which is not there` };
  const caches = process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache');
  const folder = path.join(caches, 'weir', `fly-${COMMIT}`);
  const fly = path.join(folder, process.platform === 'win32' ? 'fly.exe' : 'fly');
  if (existsSync(fly)) return { path: fly };
  await mkdir(folder, { recursive: true });
  const args = ['install', '-ldflags', `-X ${MODULE}.Version=${VERSION}`, `${MODULE}/fly@${COMMIT}`];
  const env = { ...process.env, GOBIN: folder, GOFLAGS: '-mod=mod' };
  const installed = await run('go', args, { cwd: await mkdtemp(path.join(os.tmpdir(), 'weir-go-')), env });
  if (installed.code === 0 && existsSync(fly)) return { path: fly };
  const reason = installed.err.trim().split('\n').slice(-3).join(' ');
  return { missing: installed.code === null ? 'there is no Go here' : `go install says: ${reason}` };
}
