import { createReadStream, createWriteStream } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { join, posix, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ResourceFailure } from '../../src/resources/contract.js';
import { isCompressed, uncompressed } from './compression.js';
import { isTarFault, readTar } from './tar.js';

/** Files by name, from a folder or an archive, read where they are. Names are paths with `/`. */
export interface FileSource {
  /** Undefined when there is no such file. */
  sizeOf(name: string): Promise<number | undefined>;
  /** @throws when there is no such file. */
  open(name: string): AsyncIterable<Uint8Array>;
}

const MAX_TEXT_BYTES = 32 * 1024 * 1024;

/** Opens a folder, or a tar that may be compressed. @param scratch an empty folder for what must be unpacked first. */
export async function openFiles(path: string, scratch: string, signal: AbortSignal): Promise<FileSource> {
  if ((await stat(path)).isDirectory()) return openFolder(await realpath(path));
  let tar = path;
  if (await isCompressed(path)) {
    tar = join(scratch, 'image.tar');
    await pipeline(uncompressed(path), createWriteStream(tar), { signal });
  }
  return openTar(tar, signal);
}

/** A small file as a whole; undefined when it is not there. @throws ResourceFailure when it is too long. */
export async function readSmall(files: FileSource, name: string): Promise<Buffer | undefined> {
  const size = await files.sizeOf(name);
  if (size === undefined) return undefined;
  if (size > MAX_TEXT_BYTES) throw new ResourceFailure(`${name} is longer than ${MAX_TEXT_BYTES} bytes`);
  const chunks: Uint8Array[] = [];
  for await (const chunk of files.open(name)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function openFolder(root: string): FileSource {
  /** The file's real path, if that is inside. */
  const inside = async (name: string) => {
    const file = await realpath(join(root, name)).catch(() => undefined);
    return file !== undefined && file.startsWith(root + sep) && (await stat(file)).isFile() ? file : undefined;
  };
  return {
    sizeOf: async (name) => {
      const file = await inside(name);
      return file === undefined ? undefined : (await stat(file)).size;
    },
    open: async function* (name) {
      const file = await inside(name);
      if (file === undefined) throw new ResourceFailure(`the image has no ${name}`);
      yield* createReadStream(file);
    },
  };
}

async function openTar(path: string, signal: AbortSignal): Promise<FileSource> {
  const files = new Map<string, { readonly start: number; readonly size: number }>();
  const links = new Map<string, string>();
  try {
    for await (const { header } of readTar(createReadStream(path), signal)) {
      const name = normal(header.name);
      if (header.type === 'file') files.set(name, { start: header.byteOffset, size: header.size });
      else if (header.type === 'link') links.set(name, normal(header.linkname ?? ''));
      else if (header.type === 'symlink')
        links.set(name, normal(posix.join(posix.dirname(name), header.linkname ?? '')));
    }
  } catch (error) {
    signal.throwIfAborted();
    throw isTarFault(error)
      ? new ResourceFailure(`the image is not a readable tar: ${(error as Error).message}`)
      : error;
  }
  // `docker save` used to link layers that are the same; never in a chain.
  const find = (name: string) => files.get(name) ?? files.get(links.get(name) ?? '');
  return {
    sizeOf: async (name) => find(name)?.size,
    open: async function* (name) {
      const found = find(name);
      if (found === undefined) throw new ResourceFailure(`the image has no ${name}`);
      if (found.size > 0) yield* createReadStream(path, { start: found.start, end: found.start + found.size - 1 });
    },
  };
}

function normal(name: string): string {
  return posix.normalize(`/${name}`).slice(1);
}
