import { createWriteStream } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { open as openZip, type Entry, type Options, type ZipFile } from 'yauzl';
import { ResourceFailure } from '../../src/resources/contract.js';
import { isCompressed, uncompressed, unpackLayers } from '../registry-image/shared.js';

const MAX_BYTES = 128 * 1024 ** 3;
const MAX_ENTRIES = 1_000_000;
const TAR_BLOCK_BYTES = 512;

/** Unpacks a tar (also gzipped), gzip or zip file into the folder; nothing is written outside of it. @throws ResourceFailure */
export async function unpackFile(file: string, name: string, dir: string, signal: AbortSignal): Promise<void> {
  const beginning = await beginningOf(file);
  if (beginning.readUInt32BE() === 0x504b0304 || beginning.readUInt32BE() === 0x504b0506)
    return unzip(file, dir, signal);
  const isPacked = await isCompressed(file);
  const block = isPacked ? await firstBlockOf(uncompressed(file)) : beginning;
  if (isTar(block)) {
    await unpackLayers([() => uncompressed(file)], dir, { signal, keepsOwners: false });
    return;
  }
  if (!isPacked) throw new ResourceFailure(`unpack: '${name}' is no tar, gzip or zip file`);
  const target = join(dir, basename(name).replace(/\.(?:gz|zst)$/, '') || 'file');
  await pipeline(uncompressed(file), createWriteStream(target), { signal }).catch((error: NodeJS.ErrnoException) => {
    throw error.code?.startsWith('Z_') === true ? new ResourceFailure(`unpack: '${name}' is broken`) : error;
  });
}

async function unzip(file: string, dir: string, signal: AbortSignal): Promise<void> {
  const zip = await (promisify(openZip) as (path: string, options: Options) => Promise<ZipFile>)(file, {
    lazyEntries: true,
    autoClose: false,
  }).catch(broken);
  try {
    if (zip.entryCount > MAX_ENTRIES) throw new ResourceFailure('unpack: the zip file has too many entries');
    let bytes = 0;
    for await (const entry of entriesOf(zip, signal)) {
      bytes += entry.uncompressedSize;
      if (bytes > MAX_BYTES) throw new ResourceFailure('unpack: the zip file is too big');
      await extract(zip, entry, dir, signal);
    }
  } finally {
    zip.close();
  }
}

/** Names that lead out of the folder are refused by the reader. */
async function* entriesOf(zip: ZipFile, signal: AbortSignal): AsyncGenerator<Entry> {
  for (;;) {
    signal.throwIfAborted();
    const entry = await new Promise<Entry | undefined>((resolve, reject) => {
      zip
        .once('entry', resolve)
        .once('end', () => resolve(undefined))
        .once('error', reject);
      zip.readEntry();
    }).catch(broken);
    zip.removeAllListeners('entry').removeAllListeners('end').removeAllListeners('error');
    if (entry === undefined) return;
    yield entry;
  }
}

async function extract(zip: ZipFile, entry: Entry, dir: string, signal: AbortSignal): Promise<void> {
  const target = join(dir, entry.fileName);
  const mode = (entry.externalFileAttributes >>> 16) & 0xffff;
  if (entry.fileName.endsWith('/')) {
    await mkdir(target, { recursive: true });
    return;
  }
  // A link could lead later entries, and readers, out of the folder.
  if ((mode & 0o170000) === 0o120000)
    throw new ResourceFailure(`unpack: '${entry.fileName}' is a symbolic link, which zip files may not hold here`);
  await mkdir(dirname(target), { recursive: true });
  const openStream = promisify(zip.openReadStream.bind(zip)) as (entry: Entry) => Promise<NodeJS.ReadableStream>;
  const permissions = mode === 0 ? 0o644 : (mode & 0o777) | 0o600;
  await pipeline(await openStream(entry).catch(broken), createWriteStream(target, { mode: permissions }), { signal });
}

function broken(error: Error): never {
  throw new ResourceFailure(`unpack: the zip file cannot be read: ${error.message}`);
}

function isTar(block: Buffer): boolean {
  if (block.length < TAR_BLOCK_BYTES) return false;
  // Old archives have no mark, so the checksum of the header tells.
  const stored = Number.parseInt(block.toString('latin1', 148, 156).replaceAll('\0', ' ').trim(), 8);
  const sum = block
    .subarray(0, TAR_BLOCK_BYTES)
    .reduce((all, byte, at) => all + (at >= 148 && at < 156 ? 32 : byte), 0);
  return stored === sum;
}

async function firstBlockOf(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const piece of bytes) {
      pieces.push(piece);
      size += piece.length;
      if (size >= TAR_BLOCK_BYTES) break;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code?.startsWith('Z_') === true)
      throw new ResourceFailure('unpack: the file is broken');
    throw error;
  }
  return Buffer.concat(pieces);
}

async function beginningOf(file: string): Promise<Buffer> {
  const handle = await open(file);
  try {
    const bytes = Buffer.alloc(TAR_BLOCK_BYTES);
    await handle.read(bytes, 0, TAR_BLOCK_BYTES, 0);
    return bytes;
  } finally {
    await handle.close();
  }
}
