import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { link, open, statfs, writeFile } from 'node:fs/promises';
import os from 'node:os';
import { messageOf } from '../../platform/index.js';
import { hasCode } from '../files.js';
import type { Handle, StepState } from '../port.js';
import { ranOutOfMemory } from './limits.js';
import { bootId, signalTree, startTimeOf, type ProcessTree } from './processes.js';
import { DEFAULT_PATH, SUPERVISE } from './scripts.js';
import type { StepFolder, StepRecord } from './step-folder.js';

/** Largest answer of a step with `stdoutTo: 'result'`, in bytes. */
export const MAX_RESULT_BYTES = 4 * 1024 * 1024;

/** Why such a result is refused. */
export const RESULT_TOO_LARGE = 'the result of the step is larger than 4 MiB';

const OUT_OF_MEMORY = 'out of memory: it needed more than its limit';

/**
 * Starts the watcher of a step and returns when the step is claimed, for this watcher or another. Should the server die before,
 * the watcher goes without having done anything.
 */
export async function supervise(folder: StepFolder, record: StepRecord): Promise<void> {
  const words = await open(folder.file('supervise.log'), 'a', 0o600);
  try {
    const child = spawn(
      '/bin/sh',
      ['-c', SUPERVISE, 'weir-supervise', folder.dir, record.marker, record.sandbox?.kind ?? ''],
      { cwd: folder.dir, detached: true, env: { PATH: DEFAULT_PATH }, stdio: ['pipe', 'ignore', words.fd] },
    );
    try {
      await once(child, 'spawn');
      child.unref();
      await claim(folder, child.pid);
    } finally {
      child.stdin?.destroy();
    }
  } catch (error) {
    throw new Error(`cannot start step ${record.handle}: ${messageOf(error)}`, { cause: error });
  } finally {
    await words.close();
  }
}

/** A link is made whole or not at all: of two supervisors one gets the step, and a claim always says whose it is. */
async function claim(folder: StepFolder, pid: number | undefined): Promise<void> {
  const start = pid === undefined ? undefined : await startTimeOf(pid);
  if (start === undefined) throw new Error('its supervisor ended at once');
  const own = folder.file(`pid.${pid}`);
  await writeFile(own, `${pid}\n${start}\n${await bootId()}\n`, { mode: 0o600 });
  await link(own, folder.file('pid')).catch((error: unknown) => {
    if (!hasCode(error, 'EEXIST')) throw error;
  });
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
