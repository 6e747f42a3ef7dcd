import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline, type Transform } from 'node:stream';
import zlib from 'node:zlib';
import { ResourceFailure } from '../../src/resources/contract.js';

/** The bytes of a file, unpacked if it is compressed with gzip or zstd. */
export async function* uncompressed(file: string): AsyncGenerator<Uint8Array> {
  const unpacker = decompressorFor(await beginningOf(file));
  const bytes = createReadStream(file);
  // The errors of the file come out at the end of the pipe.
  yield* unpacker === undefined ? bytes : (pipeline(bytes, unpacker, () => undefined) as AsyncIterable<Uint8Array>);
}

/** True when the file is compressed with something that {@link uncompressed} knows. */
export async function isCompressed(file: string): Promise<boolean> {
  const beginning = await beginningOf(file);
  return isGzip(beginning) || isZstd(beginning);
}

/** True when the bytes begin like gzip. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

function isZstd(bytes: Buffer): boolean {
  return bytes.readUInt32LE() === 0xfd2fb528;
}

function decompressorFor(beginning: Buffer): Transform | undefined {
  if (isGzip(beginning)) return zlib.createGunzip();
  if (!isZstd(beginning)) return undefined;
  const { createZstdDecompress } = zlib as { createZstdDecompress?: () => Transform };
  if (createZstdDecompress !== undefined) return createZstdDecompress();
  throw new ResourceFailure('a layer is compressed with zstd, which needs Node 22.15 or newer on the server');
}

/** The first four bytes, zeros if there are fewer. */
async function beginningOf(path: string): Promise<Buffer> {
  const file = await open(path);
  try {
    const bytes = Buffer.alloc(4);
    await file.read(bytes, 0, 4, 0);
    return bytes;
  } finally {
    await file.close();
  }
}
