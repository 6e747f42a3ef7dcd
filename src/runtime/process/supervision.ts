import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, statfs, writeFile } from 'node:fs/promises';
import os from 'node:os';
import { isThere } from '../files.js';
import type { Handle, StepState } from '../port.js';
import { ranOutOfMemory } from './limits.js';
import { signalTree, type ProcessTree } from './processes.js';
import { DEFAULT_PATH } from './scripts.js';
import type { StepFolder, StepRecord } from './step-folder.js';

/** Largest answer of a step with `stdoutTo: 'result'`, in bytes. */
export const MAX_RESULT_BYTES = 4 * 1024 * 1024;

/** Why such a result is refused. */
export const RESULT_TOO_LARGE = 'the result of the step is larger than 4 MiB';

const OUT_OF_MEMORY = 'out of memory: it needed more than its limit';

/** Starts the watcher of a step and returns when it, or another one, has claimed it. */
export async function supervise(folder: StepFolder, record: StepRecord): Promise<void> {
  const words = await open(folder.file('supervise.log'), 'a', 0o600);
  try {
    const child = spawn('/bin/sh', [folder.file('supervise'), folder.dir, record.marker, record.sandbox?.kind ?? ''], {
      cwd: folder.dir,
      detached: true,
      env: { PATH: DEFAULT_PATH },
      stdio: ['ignore', 'pipe', words.fd],
    });
    await once(child, 'spawn');
    child.unref();
    if (child.stdout !== null) await once(child.stdout.resume(), 'close');
  } finally {
    await words.close();
  }
  if (await isThere(folder.file('pid'))) return;
  throw new Error(
    `cannot start step ${record.handle}: ${(await folder.text('supervise.log'))?.trim() || 'its supervisor ended at once'}`,
  );
}

export async function treeOf(folder: StepFolder, record: StepRecord): Promise<ProcessTree> {
  return { main: await folder.main(), marker: record.marker, isSandboxed: record.sandbox !== undefined };
}

/** Ends a step whose answer is already larger than any answer may be, before it fills the disk. */
export async function endFlood(folder: StepFolder, record: StepRecord): Promise<void> {
  if ((await folder.size('result')) <= MAX_RESULT_BYTES) return;
  await writeFile(folder.file('reason'), `${RESULT_TOO_LARGE}\n`);
  await signalTree(await treeOf(folder, record), 'KILL');
}

export async function exitState(
  handle: Handle,
  folder: StepFolder,
  { groups = [] }: StepRecord,
): Promise<StepState | undefined> {
  const exit = await folder.exit();
  if (exit === undefined) return undefined;
  const { code } = exit;
  const isKilled = code === 128 + os.constants.signals.SIGKILL;
  const reason = exit.reason ?? (isKilled && (await ranOutOfMemory(groups)) ? OUT_OF_MEMORY : undefined);
  const signal = signalOf(code);
  return { handle, phase: 'exited', exit: { code, ...(signal ? { signal } : {}) }, ...(reason ? { reason } : {}) };
}

export async function lossOf(folder: StepFolder, isThisBoot: boolean): Promise<string> {
  if (!isThisBoot) return 'the machine was restarted while the step ran';
  const { bavail } = await statfs(folder.dir);
  const disk = bavail === 0 ? '; no space is left on the device of the data folder' : '';
  return `the process that watched over the step died before it could record the exit${disk}`;
}

/** A shell reports death by signal n as 128 + n, and so do we; a program that exits with such a code by itself looks the same. */
function signalOf(code: number): string | undefined {
  return Object.entries(os.constants.signals)
    .find(([, number]) => number === code - 128)?.[0]
    .slice('SIG'.length);
}
