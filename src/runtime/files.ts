import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmod, lstat, mkdir, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { isAlive, startTimeOf } from './process/processes.js';

const run = promisify(execFile);

/** True when `error` is a system error with one of the codes, such as `ENOENT`. */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return codes.includes((error as { code?: string }).code ?? '');
}

/** True when something stands at `file`, be it a symbolic link that leads nowhere. */
export async function isThere(file: string): Promise<boolean> {
  try {
    await lstat(file);
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}

/** Flags of `cp` from best to plainest; the first that this machine's `cp` knows is kept. */
const copyFlags = process.platform === 'darwin' ? [['-a', '-c'], ['-a']] : [['-a', '--reflink=auto'], ['-a']];

/** Copies the folder `from` to `to`: modes, times, links and empty folders included, sharing blocks where the file system can. */
export async function copyTree(from: string, to: string): Promise<void> {
  const [flags = ['-a']] = copyFlags;
  try {
    await mkdir(to, { recursive: true });
    await run('cp', [...flags, `${from}/.`, to], { env: { PATH: process.env.PATH, LC_ALL: 'C' } });
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string };
    if (copyFlags.length > 1 && /unrecognized|illegal|invalid option/i.test(stderr)) {
      copyFlags.shift();
      return copyTree(from, to);
    }
    const [reason] = stderr.trim().split('\n');
    throw reason ? new Error(`cannot copy a folder: ${reason}`, { cause: error }) : error;
  }
}

/** Removes a folder whatever the modes of the folders in it, following no link. No error when it is gone. */
export async function removeTree(dir: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await rm(dir, { recursive: true, force: true });
    } catch (error) {
      if (tries === 5 || !hasCode(error, 'EACCES', 'EPERM', 'ENOTEMPTY')) throw error;
      await openFolders(dir);
    }
  }
}

/** Makes every folder writable. Some may vanish meanwhile: a failed `rm` still removes what it has begun with. */
async function openFolders(dir: string): Promise<void> {
  try {
    const { mode } = await lstat(dir);
    await chmod(dir, mode | 0o700);
    for (const entry of await readdir(dir, { withFileTypes: true })) {
      if (entry.isDirectory()) await openFolders(path.join(dir, entry.name));
    }
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}

/** Makes a folder vanish at once under its name, then removes it. A crash in between leaves only what {@link sweep} takes. */
export async function discard(root: string, name: string): Promise<void> {
  const gone = path.join(root, `.gone-${randomUUID()}`);
  try {
    await rename(path.join(root, name), gone);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return;
    throw error;
  }
  await removeTree(gone);
}

/**
 * A new folder in `root` to build something in before it gets its name by a rename. It is named after this process, so
 * that {@link sweep} of any later server knows whether somebody still works in it.
 */
export async function makeScratch(root: string): Promise<string> {
  const dir = path.join(root, `.new-${process.pid}-${await ownStartTime()}-${randomUUID()}`);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  return dir;
}

/** Removes what a server that died in the middle of its work left in `root`. */
export async function sweep(root: string): Promise<void> {
  for (const name of await namesIn(root)) {
    const [, pid, start] = /^\.new-(\d+)-(\w+)-/.exec(name) ?? [];
    const abandoned = pid !== undefined && start !== undefined && !(await isAlive({ pid: Number(pid), start }));
    if (abandoned || name.startsWith('.gone-')) await removeTree(path.join(root, name));
  }
}

/** The names in a folder, sorted; none when the folder is not there. */
export async function namesIn(dir: string): Promise<string[]> {
  try {
    return (await readdir(dir)).sort();
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}

let known: Promise<string | undefined> | undefined;
const ownStartTime = async (): Promise<string> => (await (known ??= startTimeOf(process.pid))) ?? 'unknown';
