import type Docker from 'dockerode';
import { UserError } from '../../platform/index.js';
import { MAX_RESULT_BYTES, RESULT_TOO_LARGE } from '../process/supervision.js';
import { framesOf, piecesOf, type Frame } from './log-stream.js';

/** Which output of a container to read. */
export interface OutputRequest {
  /** `stdout`: all of it; `stderr`: standard output is the result of the step and not given. */
  readonly stream: 'stdout' | 'stderr';
  /** How many bytes to leave out. */
  readonly from: number;
  /** Given as if it were the last of the output. */
  readonly epilogue: string;
  /** Called when the result has become so large that nobody can use it: it must not fill the disk. */
  readonly kill: () => Promise<void>;
}

/** Output in pieces as the port wants them, until the container ends. */
export async function* outputOf(
  container: Docker.Container,
  request: OutputRequest,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  signal.throwIfAborted();
  const source = await followed(container, { stdout: true, stderr: true });
  const stop = (): void => void source.destroy(new Error('nobody reads any more'));
  signal.addEventListener('abort', stop);
  try {
    for await (const piece of piecesOf(wantedOf(source, request))) {
      signal.throwIfAborted();
      yield piece;
    }
  } finally {
    signal.removeEventListener('abort', stop);
    source.destroy();
  }
}

/** Standard output of a container, whole. @throws UserError `result-too-large` */
export async function resultOf(container: Docker.Container): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const frames of framesOf(await followed(container, { stdout: true, stderr: false }))) {
    size += sizeOf(frames);
    if (size > MAX_RESULT_BYTES) throw new UserError('result-too-large', RESULT_TOO_LARGE);
    parts.push(...frames.map(({ data }) => data));
  }
  return Buffer.concat(parts);
}

async function* wantedOf(source: AsyncIterable<Buffer>, request: OutputRequest): AsyncGenerator<Buffer> {
  let skip = request.from;
  let resultBytes = 0;
  const afterSkip = (bytes: Buffer): Buffer => {
    const left = bytes.subarray(Math.min(skip, bytes.length));
    skip -= bytes.length - left.length;
    return left;
  };
  for await (const frames of framesOf(source)) {
    const log = request.stream === 'stdout' ? frames : frames.filter(({ stream }) => stream === 'stderr');
    const mayGoOn = resultBytes <= MAX_RESULT_BYTES;
    resultBytes += sizeOf(frames) - sizeOf(log);
    if (mayGoOn && resultBytes > MAX_RESULT_BYTES) await request.kill();
    const bytes = afterSkip(Buffer.concat(log.map(({ data }) => data)));
    if (bytes.length > 0) yield bytes;
  }
  const last = afterSkip(Buffer.from(request.epilogue));
  if (last.length > 0) yield last;
}

interface Followed extends AsyncIterable<Buffer> {
  destroy(error?: Error): void;
}

/** Following ends with the container; without it dockerode would give everything as one piece in memory. */
async function followed(
  container: Docker.Container,
  streams: { readonly stdout: boolean; readonly stderr: boolean },
): Promise<Followed> {
  return (await container.logs({ ...streams, follow: true })) as unknown as Followed;
}

const sizeOf = (frames: readonly Frame[]): number => frames.reduce((sum, { data }) => sum + data.length, 0);
