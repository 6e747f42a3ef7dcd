import { pipeline } from 'node:stream/promises';
import { pack, extract, type Header } from 'tar-stream';

/** An entry of an archive. Its bytes are there until the next entry is asked for; what was not read is skipped. */
export interface TarEntry {
  readonly header: TarHeader;
  readonly body: AsyncIterable<Uint8Array>;
}

export interface TarHeader extends Omit<Header, 'type' | 'linkname' | 'pax'> {
  /** Null for kinds the reader does not know. */
  readonly type: Header['type'] | null;
  readonly linkname: string | null;
  readonly pax: Readonly<Record<string, string>> | null;
  /** Where the entry's bytes begin in the archive. */
  readonly byteOffset: number;
}

/**
 * The entries of an uncompressed archive, in order.
 * @throws what the source throws; {@link isTarFault} tells faults of the archive; the signal's reason after an abort.
 */
export async function* readTar(source: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<TarEntry> {
  const archive = extract();
  // Its streams are Node's in all that is used here, but not in their types.
  const feeding = pipeline(source, archive as unknown as NodeJS.WritableStream, { signal });
  feeding.catch(() => undefined); // awaited below, when the entries are through
  try {
    for await (const entry of archive) {
      signal.throwIfAborted();
      yield {
        header: entry.header as unknown as TarHeader,
        body: bodyOf(entry as AsyncIterable<Uint8Array>, feeding, signal),
      };
      entry.resume();
    }
    await feeding;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    archive.destroy(); // and with it the source, unless that hangs: nobody waits for it
  }
}

/** The bytes of an entry. When they break off, what broke the archive is thrown, and not only that it broke. */
async function* bodyOf(
  bytes: AsyncIterable<Uint8Array>,
  feeding: Promise<void>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  try {
    yield* bytes;
  } catch (error) {
    signal.throwIfAborted();
    await feeding;
    throw error;
  }
}

/** True when the error says that the bytes are no archive. The reader has no codes, only words. */
export function isTarFault(error: unknown): boolean {
  const { message } = error as Error;
  return /^(?:Invalid (?:tar )?header|Header exceeds|Unexpected end of data)/.test(message);
}

/** What goes into an archive as one file. */
export interface TarFile {
  readonly name: string;
  readonly size: number;
  readonly content: string | (() => AsyncIterable<Uint8Array>);
}

/** The bytes of an archive of plain files; the same files give the same bytes. */
export async function* writeTar(files: Iterable<TarFile>): AsyncGenerator<Uint8Array> {
  const archive = pack();
  const filling = (async () => {
    for (const { name, size, content } of files) {
      const header = { name, size, mode: 0o644, mtime: new Date(0), type: 'file' as const };
      if (typeof content === 'string') {
        archive.entry(header, content);
        continue;
      }
      await pipeline(content(), archive.entry(header) as unknown as NodeJS.WritableStream);
    }
    archive.finalize();
  })();
  filling.catch((error: Error) => archive.destroy(error));
  yield* archive as AsyncIterable<Uint8Array>;
  await filling;
}
