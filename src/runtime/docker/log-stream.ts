import { wholeLength, MAX_CHUNK_BYTES } from '../process/log-reader.js';

/** Output of a container as Docker frames it. */
export interface Frame {
  readonly stream: 'stdout' | 'stderr';
  readonly data: Buffer;
}

const HEADER_BYTES = 8;

/**
 * Takes Docker's framing apart: one byte for the stream, three empty ones, four for the length, then that much output.
 * Gives together what came together.
 */
export async function* framesOf(source: AsyncIterable<Buffer>): AsyncGenerator<readonly Frame[]> {
  let held: Buffer = Buffer.alloc(0);
  for await (const bytes of source) {
    held = held.length === 0 ? bytes : Buffer.concat([held, bytes]);
    const frames: Frame[] = [];
    let at = 0;
    while (held.length - at >= HEADER_BYTES) {
      const end = at + HEADER_BYTES + held.readUInt32BE(at + 4);
      if (held.length < end) break;
      frames.push({ stream: held[at] === 2 ? 'stderr' : 'stdout', data: held.subarray(at + HEADER_BYTES, end) });
      at = end;
    }
    held = held.subarray(at);
    yield frames;
  }
}

/** How long a line may stand unfinished before it is shown as it is, in milliseconds. */
const UNFINISHED_LINE_MS = 50;

/**
 * Cuts output into pieces of at most {@link MAX_CHUNK_BYTES} that end with a line where they can, else with a character. An
 * unfinished line waits for its end, but not for long.
 */
export async function* piecesOf(output: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer = Buffer.alloc(0);
  let next = output.next();
  for (;;) {
    const got = held.length === 0 ? await next : await within(next, UNFINISHED_LINE_MS);
    const isEnd = got !== 'late' && got.done === true;
    if (got !== 'late' && got.done !== true) {
      held = held.length === 0 ? got.value : Buffer.concat([held, got.value]);
      next = output.next();
      next.catch(() => undefined); // an error waits for its turn
    }
    for (;;) {
      const head = held.subarray(0, MAX_CHUNK_BYTES);
      const isFull = head.length === MAX_CHUNK_BYTES;
      const length = isEnd && !isFull ? head.length : wholeLength(head, isFull || got === 'late');
      if (length === 0) break;
      yield head.subarray(0, length);
      held = held.subarray(length);
    }
    if (isEnd) return;
    if (got === 'late' && held.length > 0) await next.catch(() => undefined); // the half of a character
  }
}

async function within<Value>(promise: Promise<Value>, ms: number): Promise<Value | 'late'> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => (timer = setTimeout(() => resolve('late'), ms)));
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
