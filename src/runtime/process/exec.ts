import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { NotFoundError, UserError } from '../../platform/index.js';
import { hasCode, isThere } from '../files.js';
import { ExecutableNotFound, type ExecSession, type ExecSpec, type WindowSize } from '../port.js';
import { signalTree } from './processes.js';

/** What a command needs to feel at home in a step. */
export interface StepPlace {
  /** The step's whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Its working folder, absolute. */
  readonly dir: string;
  /** Puts a command into the step's namespaces, where it has some. Descriptors 0 to 3 must reach it. */
  readonly enter?: (argv: readonly string[]) => readonly string[];
}

/** The file in a step's folder that says where a command would find itself. As secret as `launch`. */
export const PLACE_FILE = 'place.json';

/** @throws NotFoundError when the step is gone, or was begun by an older server. */
export async function readPlace(folder: string): Promise<StepPlace> {
  try {
    return JSON.parse(await readFile(path.join(folder, PLACE_FILE), 'utf8')) as StepPlace;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) throw new NotFoundError('the container of the step is gone');
    throw error;
  }
}

/**
 * Says on descriptor 3 whether the command is there, and becomes the command: what is read and written belongs to the
 * person. Takes how many variables follow, these, and the command. A sandbox that is made once more has the variables of the
 * step only, so those of the person come in this way. In a terminal the command gets a process group that it can see: a
 * shell that cannot see the one around its sandbox fails when it ends, and so does ours here, which is why it tells the exit.
 */
const BECOME = `
weir_left=$1
shift
while [ "$weir_left" -gt 0 ]; do export "$1"; shift; weir_left=$((weir_left - 1)); done
command -v -- "$1" >/dev/null 2>&1 || { echo missing >&3; exit 127; }
echo found >&3
if [ -t 0 ]; then
  set -m
  "$@" 3>&-
  echo "exit $?" >&3
  exec >/dev/null 2>&1
else
  exec 3>&-
  exec "$@"
fi
`;

/** `script` of util-linux makes a terminal without a native module of ours. */
const SCRIPT = '/usr/bin/script';
const canMakeTerminals = process.platform === 'linux' && existsSync(SCRIPT);

/**
 * Runs a command in the step's place. Where a terminal is wanted and cannot be made there are plain pipes, and that is said.
 * @param marker of the step: everything that is run here can be found by it
 */
export async function execInPlace(place: StepPlace, marker: string, spec: ExecSpec): Promise<ExecSession> {
  const [command = ''] = spec.argv;
  const dir = path.resolve(place.dir, spec.dir ?? '.');
  if (!(await isThere(dir)))
    throw new UserError('no-working-folder', `there is no folder ${spec.dir ?? 'to work in'} any more`);
  const own = `WEIR_EXEC=${randomUUID()}`;
  const hasTerminal = spec.tty !== undefined && canMakeTerminals;
  const env = { ...spec.env, ...variable(own), ...variable(markerOf(marker)) };
  const exported = Object.entries(env).filter(([name]) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name));
  const inner = [
    ...['/bin/sh', '-c', BECOME, 'sh', String(exported.length)],
    ...exported.map(([name, value]) => `${name}=${value}`),
    ...spec.argv,
  ];
  const argv = place.enter?.(inner) ?? inner;
  const [file = '', ...args] = hasTerminal ? inTerminal(argv, spec.tty) : argv;
  const child = spawn(file, args, {
    cwd: dir,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    env: { ...place.env, ...env, ...(hasTerminal ? { SHELL: '/bin/sh' } : {}) },
  });
  let status = '';
  const told = (child.stdio[3] as Readable).setEncoding('utf8').on('data', (text: string) => (status += text));
  const exit = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      const [, own] = /^exit (\d+)$/m.exec(status) ?? [];
      resolve(own === undefined ? (code ?? (signal === 'SIGKILL' ? 137 : 143)) : Number(own));
    });
  });
  exit.catch(() => undefined); // whoever waits hears it
  child.stdin?.on('error', () => undefined); // a command need not read its input
  const isTold = (): boolean => /^(found|missing)$/m.test(status);
  while (!isTold() && (await Promise.race([once(told, 'data'), exit.then(() => 'over')])) !== 'over');
  if (/^missing$/m.test(status)) throw new ExecutableNotFound(command);
  const terminal = /^\/dev\/.+$/m.exec(status)?.[0];
  const close = (): Promise<void> => signalTree({ main: undefined, marker: own }, 'KILL');
  if (child.stdin === null || child.stdout === null || child.stderr === null)
    throw new Error('the command has no pipes');
  const stdout = new PassThrough();
  if (spec.tty && !hasTerminal)
    stdout.write('weir: this server cannot make a terminal (it has no `script`): plain input\r\n');
  child.stdout.pipe(stdout);
  const resize = async ({ rows, columns }: WindowSize): Promise<void> => {
    if (terminal !== undefined) await setSize(terminal, rows, columns);
  };
  return { stdin: child.stdin, stdout, stderr: child.stderr, exit, resize, close };
}

/** Ends everything that people run in the place of the step. */
export function endExecs(marker: string): Promise<void> {
  return signalTree({ main: undefined, marker: markerOf(marker) }, 'KILL');
}

/** Unlike the step's own marker, by which its supervisor ends what it leaves behind: people may stay longer. */
function markerOf(marker: string): string {
  return `WEIR_EXEC_IN=${marker.slice(marker.indexOf('=') + 1)}`;
}

function variable(marker: string): Record<string, string> {
  const [name = '', value = ''] = marker.split('=');
  return { [name]: value };
}

/** The terminal tells its name before a sandbox hides it. */
function inTerminal(argv: readonly string[], { rows, columns }: WindowSize): string[] {
  const prepare = `tty >&3; stty echo rows ${rows} cols ${columns}`;
  return [SCRIPT, '-qefc', `${prepare}; exec ${argv.map(quote).join(' ')}`, '/dev/null'];
}

/** Whoever runs in the terminal is told of its new size by the system. */
async function setSize(terminal: string, rows: number, columns: number): Promise<void> {
  const stty = spawn('stty', ['-F', terminal, 'rows', String(rows), 'cols', String(columns)], { stdio: 'ignore' });
  await new Promise((resolve) => stty.once('close', resolve).once('error', resolve)); // it may be over
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
