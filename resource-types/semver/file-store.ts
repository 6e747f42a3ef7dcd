import { constants } from 'node:fs';
import { mkdir, open, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ResourceFailure, type CheckContext } from '../../src/resources/contract.js';
import type { NumberStore } from './number-store.js';
import type { SemverSource } from './schema.js';

/** Names the folder of the file driver. Without it the driver is off: pipelines must not choose files of the server. */
export const FOLDER_VARIABLE = 'WEIR_SEMVER_FOLDER';

/** A change takes milliseconds: a lock as old as this was left by a server that died. */
const STALE_LOCK_MS = 30_000;
const LOCK_RETRY_MS = 50;
/** More than this is no version number. */
const MAX_BYTES = 4096;

/**
 * A number in a file below the operator's folder. The file is replaced as a whole, under a lock file that servers
 * sharing the folder respect.
 */
export async function openFile<T>(
  context: CheckContext,
  source: SemverSource,
  work: (store: NumberStore) => Promise<T>,
): Promise<T> {
  context.signal.throwIfAborted();
  const file = await locate(source.file ?? '');
  return work({
    read: () => read(file),
    change: ({ next, stepId }) =>
      locked(context, file, async () => {
        const current = await read(file);
        const lastStep = await read(`${file}.step`);
        if (stepId !== undefined && current !== undefined && lastStep === `${stepId} ${current}`) return current;
        const number = next(current);
        // Written first: a crash in between leaves a note about a number that is not there, which says nothing.
        if (stepId !== undefined) await replace(`${file}.step`, `${stepId} ${number}`);
        await replace(file, `${number}\n`);
        return number;
      }),
  });
}

async function locate(path: string): Promise<string> {
  const folder = process.env[FOLDER_VARIABLE];
  if (folder === undefined || folder === '') {
    throw new ResourceFailure(
      `driver file is off on this server: its operator can name a folder for it in ${FOLDER_VARIABLE}`,
    );
  }
  const root = await realpath(folder).catch((error: unknown) => {
    throw new Error(`${FOLDER_VARIABLE} names a folder that cannot be used`, { cause: error });
  });
  const file = join(root, path);
  await mkdir(dirname(file), { recursive: true });
  const parent = await realpath(dirname(file));
  if (parent !== root && !parent.startsWith(root + sep))
    throw new ResourceFailure(`file: '${path}' leads out of the folder`);
  return file;
}

async function read(file: string): Promise<string | undefined> {
  // A link could lead anywhere on the machine.
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    if (error.code === 'ELOOP') throw new ResourceFailure('file: is a link, which is not followed');
    throw error;
  });
  try {
    const { bytesRead, buffer } = (await handle?.read(Buffer.alloc(MAX_BYTES), 0, MAX_BYTES, 0)) ?? {};
    return buffer?.toString('utf8', 0, bytesRead).trim() || undefined;
  } finally {
    await handle?.close();
  }
}

async function replace(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text, { flush: true });
  await rename(`${file}.new`, file);
}

async function locked<T>(context: CheckContext, file: string, work: () => Promise<T>): Promise<T> {
  const lock = `${file}.lock`;
  while (!(await isTaken(lock))) {
    const age = await stat(lock).then(
      ({ mtimeMs }) => context.now().getTime() - mtimeMs,
      () => 0,
    );
    if (age > STALE_LOCK_MS) {
      context.log('removing the lock of a server that died\n');
      await rm(lock, { force: true });
    }
    await delay(LOCK_RETRY_MS, undefined, { signal: context.signal });
  }
  try {
    return await work();
  } finally {
    await rm(lock, { force: true });
  }
}

/** True when the lock is ours now. */
async function isTaken(lock: string): Promise<boolean> {
  return open(lock, 'wx').then(
    async (handle) => {
      await handle.close();
      return true;
    },
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return false;
      throw error;
    },
  );
}
