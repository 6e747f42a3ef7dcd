import { link, lstat, mkdir, open, rm, symlink, utimes, lutimes, chmod, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import zlib from 'node:zlib';
import { extract, type Header } from 'tar-stream';

/** An archive that is broken, hostile or too big; the message says what is wrong with it. */
export class BadArchive extends Error {
  override readonly name = 'BadArchive';
}

export interface UnpackLimits {
  /** Of uncompressed archive. */
  readonly maxBytes: number;
  /** Default a million. */
  readonly maxEntries?: number;
}

/**
 * Unpacks a tar archive, plain or compressed with gzip or (on Node 22.15 and newer) zstd, into the empty folder `dir`, which
 * nobody else may change meanwhile. Nothing is kept in memory but what is on its way.
 *
 * - Nothing outside of `dir` is written, linked to or changed: absolute paths and paths with `..` are refused, so are paths
 *   that lead through a link. Symbolic links are made as they are, so whoever reads the result must not follow them.
 * - Files, folders, links, modes and times are kept. Owners, set-user bits, devices and pipes are not.
 *
 * @throws BadArchive; what the source throws. The folder is then half full and of no use.
 */
export async function unpackTar(source: Readable, dir: string, limits: UnpackLimits): Promise<void> {
  const entries = extract();
  const bytes = Readable.from(measured(uncompressed(source), limits.maxBytes));
  // Its streams are Node's in all that is used here, but not in their types.
  const feeding = new Promise<void>((resolve, reject) => {
    pipeline(bytes, entries as unknown as NodeJS.WritableStream, (error) => (error ? reject(error) : resolve()));
  });
  feeding.catch(() => undefined); // awaited below, when the entries are through
  const tree = new Tree(path.resolve(dir));
  let count = 0;
  try {
    for await (const entry of entries) {
      const { header } = entry as unknown as { header: Header };
      if (++count > (limits.maxEntries ?? 1_000_000)) throw new BadArchive('the archive has too many entries');
      await tree.put(header, entry as unknown as Readable);
      entry.resume();
    }
    await feeding;
    await tree.finish();
  } catch (error) {
    entries.destroy();
    // When the bytes break off, what broke them says more than that they did.
    const fault: unknown = await feeding.catch((reason: unknown) => reason);
    const isTold = fault !== undefined && codeOf(fault) !== 'ERR_STREAM_PREMATURE_CLOSE';
    throw asBadArchive(isTold && !(error instanceof BadArchive) ? fault : error);
  } finally {
    entries.destroy();
    bytes.destroy();
    source.destroy();
  }
}

/** The files of one archive as they come to be. */
class Tree {
  /** Folders that are real and stay so: nothing here removes one. */
  private readonly folders = new Map<string, { mode: number; mtime?: Date }>();

  constructor(private readonly root: string) {}

  async put(header: Header, body: Readable): Promise<void> {
    const names = namesIn(header.name);
    if (names.length === 0) {
      if (header.type !== 'directory') throw new BadArchive('the root of an archive must be a folder');
      this.folders.set(this.root, { mode: header.mode ?? 0o755, ...timeOf(header) });
      return;
    }
    const parent = await this.folder(names.slice(0, -1));
    const place = path.join(parent, names.at(-1) ?? '');
    switch (header.type) {
      case 'file':
      case 'contiguous-file':
        return this.file(place, header, body);
      case 'directory':
        await this.folder(names);
        this.folders.set(place, { mode: header.mode ?? 0o755, ...timeOf(header) });
        return;
      case 'symlink':
        await this.replacing(place, () => symlink(header.linkname ?? '', place));
        if (header.mtime) await lutimes(place, header.mtime, header.mtime);
        return;
      case 'link':
        return this.hardLink(place, header);
      default:
        return; // devices, pipes and what nobody knows
    }
  }

  /** Modes and times of folders come last: until then they must be writable, and making files changes their times. */
  async finish(): Promise<void> {
    for (const [folder, { mode, mtime }] of [...this.folders].reverse()) {
      await chmod(folder, (mode & 0o777) | 0o700);
      if (mtime) await utimes(folder, mtime, mtime);
    }
  }

  private async folder(names: readonly string[]): Promise<string> {
    let at = this.root;
    for (const name of names) {
      at = path.join(at, name);
      if (this.folders.has(at)) continue;
      await this.replacing(at, () => mkdir(at, { mode: 0o755 }));
      this.folders.set(at, { mode: 0o755 });
    }
    return at;
  }

  private async file(place: string, header: Header, body: Readable): Promise<void> {
    const mode = ((header.mode ?? 0o644) & 0o777) | 0o400;
    // `wx` writes through no link and into no file that has another name.
    const file = await this.replacing(place, () => open(place, 'wx', mode));
    try {
      await writeFile(file, body);
      if ((mode & process.umask()) !== 0) await file.chmod(mode);
      if (header.mtime) await file.utimes(header.mtime, header.mtime);
    } finally {
      await file.close();
    }
  }

  private async hardLink(place: string, { name, linkname }: Header): Promise<void> {
    const target = path.join(this.root, ...namesIn(linkname ?? ''));
    const isOurs = target !== this.root && this.folders.has(path.dirname(target));
    const info = isOurs || path.dirname(target) === this.root ? await lstat(target).catch(() => undefined) : undefined;
    if (!info?.isFile()) throw new BadArchive(`'${name}' is a link to '${linkname ?? ''}', which is no file before it`);
    if (target !== place) await this.replacing(place, () => link(target, place));
  }

  /** Makes something at the place; a file or link that stands there goes, a folder does not. */
  private async replacing<Made>(place: string, make: () => Promise<Made>): Promise<Made> {
    try {
      return await make();
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
    const info = await lstat(place);
    const shown = path.relative(this.root, place);
    if (info.isDirectory()) throw new BadArchive(`'${shown}' is a folder and something else in the same archive`);
    if (info.isSymbolicLink()) throw new BadArchive(`'${shown}' is a link and something else in the same archive`);
    await rm(place);
    return make();
  }
}

/** @throws BadArchive when the path could lead out of the folder. */
function namesIn(name: string): string[] {
  const names = name.split('/').filter((part) => part !== '' && part !== '.');
  if (name.startsWith('/') || names.includes('..') || name.includes('\0')) {
    throw new BadArchive(`the path '${name}' leads out of the folder`);
  }
  return names;
}

function timeOf({ mtime }: Header): { mtime?: Date } {
  return mtime && !Number.isNaN(mtime.getTime()) ? { mtime } : {};
}

async function* measured(bytes: AsyncIterable<Uint8Array>, most: number): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of bytes) {
    size += chunk.length;
    if (size > most) throw new BadArchive(`the archive is larger than ${most} bytes`);
    yield chunk;
  }
}

async function* uncompressed(source: Readable): AsyncGenerator<Uint8Array> {
  const reader = source[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
  let beginning = Buffer.alloc(0);
  while (beginning.length < 4) {
    const next = await reader.next();
    if (next.done) break;
    beginning = Buffer.concat([beginning, next.value]);
  }
  async function* all(): AsyncGenerator<Buffer> {
    yield beginning;
    for (let next = await reader.next(); !next.done; next = await reader.next()) yield next.value;
  }
  const decompressor = decompressorFor(beginning);
  if (decompressor === undefined) {
    yield* all();
    return;
  }
  const packed = Readable.from(all());
  const plain = pipeline(packed, decompressor, () => undefined);
  try {
    yield* plain as AsyncIterable<Uint8Array>;
    await finished(packed);
  } finally {
    packed.destroy();
  }
}

function decompressorFor(beginning: Buffer): NodeJS.ReadWriteStream | undefined {
  if (beginning[0] === 0x1f && beginning[1] === 0x8b) return zlib.createGunzip();
  if (beginning.length < 4 || beginning.readUInt32LE() !== 0xfd2fb528) return undefined;
  const { createZstdDecompress } = zlib as { createZstdDecompress?: () => NodeJS.ReadWriteStream };
  if (createZstdDecompress !== undefined) return createZstdDecompress();
  throw new BadArchive('the archive is compressed with zstd, which needs Node 22.15 or newer on the server; use gzip');
}

/** Faults of the bytes are the archive's; the reader of archives has no codes, only words. */
function asBadArchive(error: unknown): unknown {
  if (error instanceof BadArchive) return error;
  const message = error instanceof Error ? error.message : String(error);
  const isArchives =
    /^(?:Z_|ZSTD_|ENAMETOOLONG|ENOTDIR|EISDIR|ELOOP|EINVAL|EILSEQ|ERR_INVALID_ARG_VALUE)/.test(codeOf(error)) ||
    /^(?:Invalid (?:tar )?header|Header exceeds|Unexpected end of data|Writable stream closed prematurely)/.test(
      message,
    );
  return isArchives ? new BadArchive(`the archive is broken: ${message}`, { cause: error }) : error;
}

function codeOf(error: unknown): string {
  return (error as { code?: string } | undefined)?.code ?? '';
}
