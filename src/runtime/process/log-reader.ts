import { watch, type FSWatcher } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { hasCode } from '../files.js';

/** Largest piece of a log, in bytes. */
export const MAX_CHUNK_BYTES = 64 * 1024;

/** A piece of a growing file. */
export interface FilePiece {
  readonly data: Uint8Array;
  /** Offset behind the last byte. */
  readonly end: number;
}

/** How long a line may stand unfinished before it is shown as it is, in milliseconds. */
const UNFINISHED_LINE_MS = 50;
/** How often to ask for the end of a step whose files do not change, in milliseconds. */
const QUIET_MS = 500;
/** The same where the system cannot tell of changes. */
const POLL_MS = 25;

/**
 * The bytes of a growing file from `offset` on, each once, until `isOver` says that nobody writes any more and everything
 * was read. Pieces end at the end of a line where they can, else at the end of a UTF-8 character where there is one.
 *
 * @param isOver asked when the file has changed (`quiet` false) and now and then when it has not (`quiet` true)
 */
export async function* followFile(
  dir: string,
  name: string,
  offset: number,
  isOver: (quiet: boolean) => Promise<boolean>,
  signal: AbortSignal,
): AsyncGenerator<FilePiece> {
  signal.throwIfAborted();
  const file = await openIfThere(`${dir}/${name}`);
  if (file === undefined) return;
  const changes = new FolderChanges(dir, [name, 'exit'], signal);
  try {
    const buffer = Buffer.alloc(MAX_CHUNK_BYTES);
    let quiet = true;
    let unfinishedSince: number | undefined;
    for (;;) {
      // The end is asked for before the read: what is read after it is everything.
      const over = await isOver(quiet);
      const showUnfinished =
        over || (unfinishedSince !== undefined && performance.now() - unfinishedSince >= UNFINISHED_LINE_MS);
      let held: number;
      for (;;) {
        const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
        signal.throwIfAborted();
        const isFull = bytesRead === buffer.length;
        const length =
          over && !isFull ? bytesRead : wholeLength(buffer.subarray(0, bytesRead), isFull || showUnfinished);
        held = bytesRead - length;
        if (length === 0) break;
        offset += length;
        yield { data: Uint8Array.prototype.slice.call(buffer, 0, length), end: offset };
        unfinishedSince = undefined;
      }
      if (over) return;
      if (held > 0) unfinishedSince ??= performance.now();
      quiet = !(await changes.next(held > 0 ? UNFINISHED_LINE_MS : QUIET_MS));
    }
  } finally {
    changes.close();
    await file.close();
  }
}

/**
 * How many of the bytes to give out: up to the last line end; without one, when `evenUnfinished`, up to the last whole
 * character, and all of what is no UTF-8.
 */
export function wholeLength(bytes: Uint8Array, evenUnfinished: boolean): number {
  const lines = bytes.lastIndexOf(0x0a) + 1;
  if (lines > 0 || !evenUnfinished) return lines;
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue; // inside of a character: look for its first byte
    const size = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return size > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

/** Waits for changes of some files of a folder, by the system's notice or, where there is none, by short polls. */
export class FolderChanges {
  private readonly watcher: FSWatcher | undefined;
  private hasChanged = false;
  private rouse: (() => void) | undefined;
  private readonly onAbort = (): void => this.rouse?.();

  constructor(
    dir: string,
    names: readonly string[],
    private readonly signal: AbortSignal,
  ) {
    signal.addEventListener('abort', this.onAbort);
    try {
      this.watcher = watch(dir, (_event, name) => {
        if (name !== null && !names.includes(name)) return;
        this.hasChanged = true;
        this.rouse?.();
      }).on('error', () => this.watcher?.close());
    } catch {
      this.watcher = undefined; // too many watchers on this machine, or the folder is gone: polling shows both
    }
  }

  /** True when something changed since the last call, false after `quietMs` without change. @throws when aborted. */
  async next(quietMs: number): Promise<boolean> {
    this.signal.throwIfAborted();
    if (!this.hasChanged) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.watcher === undefined ? Math.min(POLL_MS, quietMs) : quietMs);
        this.rouse = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.rouse = undefined;
      this.signal.throwIfAborted();
    }
    const changed = this.hasChanged;
    this.hasChanged = false;
    return changed;
  }

  close(): void {
    this.signal.removeEventListener('abort', this.onAbort);
    this.watcher?.close();
  }
}

async function openIfThere(file: string): Promise<FileHandle | undefined> {
  try {
    return await open(file, 'r');
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
