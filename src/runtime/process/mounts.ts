import { createHash } from 'node:crypto';
import { chmod, lstat, mkdir, realpath, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../../platform/index.js';
import type { DirectoryArtifactStore } from '../artifacts/directory-artifact-store.js';
import { discard, hasCode, isThere, namesIn, removeTree } from '../files.js';
import type { ArtifactRef, Mount } from '../port.js';

/** A cache as the step uses it. */
export interface MountedCache {
  readonly key: string;
  /** Relative to the working folder. */
  readonly path: string;
}

/**
 * A path of a pipeline as one below the working folder: `..` cannot lead out of it, and the folder itself is the empty
 * text. @throws UserError for an absolute path, which this runtime cannot give.
 */
export function relativePath(text: string, what: string): string {
  if (path.posix.isAbsolute(text)) {
    throw new UserError(
      'absolute-path',
      `${what} "${text}" is absolute: steps on the host runtime share the machine's own files, so give a path relative to the working folder, or use a runtime with containers`,
    );
  }
  return path.posix.normalize(`/${text}`).replace(/^\/+|\/+$/g, '');
}

/**
 * Mounts by path, so that one inside another comes after it, and an input comes before an output of the same path.
 * @param placed where an absolute path stands, relative to the working folder; without it such a path is refused
 */
export function sortedMounts(mounts: readonly Mount[], placed?: (absolute: string) => string): Mount[] {
  const pathOf = (text: string): string =>
    placed !== undefined && path.posix.isAbsolute(text) ? placed(text) : relativePath(text, 'the path');
  return mounts
    .map((mount) => ({ ...mount, path: pathOf(mount.path) }))
    .sort((a, b) => compare(a.path, b.path) || Number('output' in a.source) - Number('output' in b.source));
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Fills the new folder `work` with what {@link sortedMounts} gave. */
export async function placeMounts(work: string, mounts: readonly Mount[], stores: MountStores): Promise<void> {
  await mkdir(work);
  for (const mount of mounts) {
    const target = path.join(work, mount.path);
    if (mount.path !== '') await makeParents(work, mount.path);
    const sharesInput = mounts.some((other) => other.path === mount.path && 'artifact' in other.source);
    if ('output' in mount.source && sharesInput) continue;
    await removeTree(target); // a mount hides what it covers
    await place(mount, target, stores);
  }
}

export interface MountStores {
  readonly artifacts: DirectoryArtifactStore;
  /** Folder of all caches. */
  readonly caches: string;
}

async function place({ path: at, source }: Mount, target: string, { artifacts, caches }: MountStores): Promise<void> {
  if ('artifact' in source) return artifacts.copyTo(source.artifact, target);
  if ('output' in source) return mkdir(target);
  if ('cache' in source) return takeCache(caches, source.cache, target);
  if (at === '') throw new UserError('bad-mount', 'a file cannot stand in for the working folder: give it a name');
  await writeFile(target, source.file, { mode: source.mode ?? 0o600, flag: 'wx' });
}

/** An input that is not copied. */
export interface LaidInput {
  readonly path: string;
  /** Absolute path of the artifact's files. */
  readonly lower: string;
}

/** The inputs that can be laid under a writable view: no other mount is in them, and they are in no other. */
export function aloneInputs(
  mounts: readonly Mount[],
): readonly (Mount & { readonly source: { readonly artifact: ArtifactRef } })[] {
  const isInside = (inner: string, outer: string): boolean =>
    outer === '' || inner === outer || inner.startsWith(`${outer}/`);
  return mounts.flatMap((mount) => {
    const { path: at, source } = mount;
    if (!('artifact' in source)) return [];
    const isAlone = mounts.every((other) => other === mount || !(isInside(at, other.path) || isInside(other.path, at)));
    return isAlone && at !== '' ? [{ path: at, source }] : [];
  });
}

/** Makes the empty folder over the artifact that takes the step's changes. */
export async function layInput(
  work: string,
  at: string,
  ref: ArtifactRef,
  { artifacts }: MountStores,
): Promise<LaidInput> {
  const lower = await artifacts.folderOf(ref);
  await makeParents(work, at);
  await mkdir(path.join(work, at));
  await chmod(path.join(work, at), (await lstat(lower)).mode & 0o7777);
  return { path: at, lower };
}

/** A link in an input must not carry a later mount out of the step's own folder. */
async function makeParents(work: string, relative: string): Promise<void> {
  let parent = work;
  for (const name of path.posix.dirname(relative).split('/')) {
    parent = path.join(parent, name);
    if (!(await isThere(parent))) await mkdir(parent);
    if (!(await lstat(parent)).isDirectory()) {
      throw new UserError(
        'bad-mount',
        `cannot mount at "${relative}": "${path.relative(work, parent)}" of an input is no folder`,
      );
    }
  }
}

/** The folder at `relative`, if it is still a real folder of the step itself. */
export async function ownFolder(work: string, relative: string): Promise<string | undefined> {
  const target = path.join(work, relative);
  try {
    const isOwn = (await realpath(target)) === path.join(await realpath(work), relative);
    return isOwn && (await lstat(target)).isDirectory() ? target : undefined;
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return undefined;
    throw error;
  }
}

/**
 * Moves the cache into the step. A cache is used by one step at a time: a second one at the same time begins with an
 * empty folder, and the last to finish leaves its own.
 */
async function takeCache(caches: string, key: string, target: string): Promise<void> {
  try {
    await rename(path.join(caches, cacheName(key)), target);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
    await mkdir(target);
  }
}

/** Moves the caches of a step that is over back to where the next step finds them. */
export async function returnCaches(caches: string, work: string, mounted: readonly MountedCache[]): Promise<void> {
  for (const { key, path: at } of mounted) {
    const folder = await ownFolder(work, at);
    if (folder === undefined) continue;
    await mkdir(caches, { recursive: true, mode: 0o700 });
    await discard(caches, cacheName(key));
    try {
      await rename(folder, path.join(caches, cacheName(key)));
    } catch (error) {
      // Another step returned its own just now, or the folder is read-only: a cache is only ever a best effort.
      if (!hasCode(error, 'ENOTEMPTY', 'EEXIST', 'EACCES')) throw error;
    }
  }
}

/** Empty folders where the caches were, as the sandbox of a step that is over needs them. */
export async function standInForCaches(work: string, mounted: readonly MountedCache[]): Promise<void> {
  for (const { path: at } of mounted) {
    const parent = await ownFolder(work, path.posix.dirname(at));
    if (parent !== undefined) await mkdir(path.join(parent, path.posix.basename(at))).catch(() => undefined);
  }
}

/**
 * Removes the caches whose keys `live` does not give. One that a step has now is not there to be removed: it goes when it came
 * back.
 */
export async function sweepCaches(caches: string, live: () => Promise<readonly string[]>): Promise<void> {
  const found = (await namesIn(caches)).filter((name) => !name.startsWith('.'));
  if (found.length === 0) return;
  const kept = new Set((await live()).map(cacheName));
  for (const name of found) if (!kept.has(name)) await discard(caches, name);
}

function cacheName(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 32);
}
