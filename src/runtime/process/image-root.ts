import { constants, type Stats } from 'node:fs';
import { chmod, chown, lstat, mkdir, readFile, readlink } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../../platform/index.js';
import type { DirectoryArtifactStore } from '../artifacts/directory-artifact-store.js';
import { badImage, readImageMetadata, type ImageMetadata } from '../artifacts/image-metadata.js';
import { hasCode } from '../files.js';
import type { ArtifactRef } from '../port.js';

/** An image that is an artifact. */
export interface Image extends ImageMetadata {
  /** Absolute path of its files, which nobody may change. */
  readonly rootfs: string;
}

/** @throws UserError `bad-image` when the artifact is none; NotFoundError when it is gone. */
export async function readImage(artifacts: DirectoryArtifactStore, ref: ArtifactRef): Promise<Image> {
  const rootfs = path.join(await artifacts.folderOf(ref), 'rootfs');
  const metadata = await readImageMetadata(artifacts, ref);
  const info = await lstat(rootfs).catch(() => undefined);
  if (!info?.isDirectory()) throw badImage(ref, 'rootfs is no folder');
  return { rootfs, ...metadata };
}

const MAX_LINKS = 40;

/**
 * The path as a process with the root `root` would find it: absolute, from `root`, with no link in it as far as it exists.
 * @throws UserError `bad-image` for links in a circle
 */
export async function resolveInRoot(root: string, file: string): Promise<{ path: string; info: Stats | undefined }> {
  const left = file.split('/').filter(Boolean);
  let at = '/';
  let info: Stats | undefined = await infoOf(root);
  for (let links = 0; left.length > 0;) {
    const name = left.shift() ?? '';
    if (name === '.') continue;
    const next = path.posix.join(at, name); // `..` of the root is the root
    info = await infoOf(path.join(root, next));
    if (info?.isSymbolicLink()) {
      if (++links > MAX_LINKS) throw new UserError('bad-image', `"${file}" of the image leads in a circle`);
      const target = await readlink(path.join(root, next));
      if (target.startsWith('/')) at = '/';
      left.unshift(...target.split('/').filter(Boolean));
    } else at = next;
  }
  return { path: at, info: at === '/' ? await infoOf(root) : info };
}

async function infoOf(file: string): Promise<Stats | undefined> {
  try {
    return await lstat(file);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG')) return undefined;
    throw error;
  }
}

/** True when a process with the root `root` would find the command, which is absolute or a name. */
export async function hasExecutable(root: string, command: string, searchPath: string): Promise<boolean> {
  const places = command.includes('/')
    ? [command]
    : searchPath.split(':').map((dir) => path.posix.join('/', dir, command));
  for (const place of places) {
    const { info } = await resolveInRoot(root, place);
    if (info?.isFile() === true && (info.mode & (constants.S_IXUSR | constants.S_IXGRP | constants.S_IXOTH)) !== 0)
      return true;
  }
  return false;
}

/** Somebody of an image. */
export interface ImageUser {
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** The user of a text such as `node`, `1000` or `node:staff`, by the lists in `root`. @throws UserError `no-such-user` */
export async function userIn(root: string, text: string): Promise<ImageUser> {
  const [name = '', group] = text.split(':');
  const fields = await entryOf(root, '/etc/passwd', name || 'root');
  const isNumber = /^\d+$/.test(name);
  if (fields === undefined && !isNumber && name !== '' && name !== 'root') throw noSuch('user', name);
  const uid = isNumber ? Number(name) : Number(fields?.[2] ?? 0);
  const own = Number(fields?.[3] ?? 0);
  return {
    uid,
    gid: group === undefined ? own : await groupIn(root, group),
    home: fields?.[5] || (uid === 0 ? '/root' : '/'),
  };
}

async function groupIn(root: string, group: string): Promise<number> {
  if (/^\d+$/.test(group)) return Number(group);
  const fields = await entryOf(root, '/etc/group', group);
  if (fields === undefined) throw noSuch('group', group);
  return Number(fields[2]);
}

/** The line of a list whose name or number is `name`. */
async function entryOf(root: string, list: string, name: string): Promise<string[] | undefined> {
  const { path: file, info } = await resolveInRoot(root, list);
  if (info?.isFile() !== true) return undefined;
  const lines = (await readFile(path.join(root, file), 'utf8')).split('\n').map((line) => line.split(':'));
  return lines.find(([first]) => first === name) ?? lines.find(([, , number]) => number === name);
}

function noSuch(kind: string, name: string): UserError {
  return new UserError('no-such-user', `there is no ${kind} "${name}" in the image of the step`);
}

/**
 * Makes sure that a folder stands at `place` of the root that `writable` will be or cover: `writable` itself, or what is laid
 * over `lower`. @returns its path without links. @throws UserError `bad-mount` when something else stands there
 */
export async function makePlace(lower: string, writable: string, place: string, mode = 0o755): Promise<string> {
  const { path: real } = await resolveInRoot(lower, place);
  let at = '/';
  for (const name of real.split('/').filter(Boolean)) {
    at = path.posix.join(at, name);
    const info = await infoOf(path.join(lower, at));
    if (info !== undefined && !info.isDirectory())
      throw new UserError('bad-mount', `cannot mount at "${place}": "${at}" of the image is no folder`);
    if (lower !== writable || info === undefined) await makeFolder(path.join(writable, at), info, mode);
  }
  return real;
}

/** Like the folder that it will cover, where there is one. */
async function makeFolder(folder: string, like: Stats | undefined, mode: number): Promise<void> {
  try {
    await mkdir(folder);
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return;
    throw error;
  }
  await chmod(folder, like === undefined ? mode : like.mode & 0o7777);
  if (like !== undefined && process.getuid?.() === 0) await chown(folder, like.uid, like.gid);
}
