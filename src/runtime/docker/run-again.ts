import type Docker from 'dockerode';
import { PassThrough, type Duplex } from 'node:stream';
import { finished } from 'node:stream/promises';
import { UserError } from '../../platform/index.js';
import type { CommandEnd, Handle } from '../port.js';
import { MAX_RESULT_BYTES, RESULT_TOO_LARGE } from '../process/supervision.js';
import { stateOf } from './container-state.js';
import { hasStatus } from './daemon.js';

/** What goes into a command and where its words go. */
export interface Conversation {
  readonly stdin: Uint8Array;
  readonly log: (data: Uint8Array) => void;
}

/**
 * Starts a container that is not running once more. Its files are as the last run left them. What still runs there was left
 * by a server that died, and is ended first.
 * @throws UserError `result-too-large`; the reason of the signal; Error when the connection to the daemon breaks.
 */
export async function runContainerAgain(
  container: Docker.Container,
  handle: Handle,
  { stdin, log }: Conversation,
  signal: AbortSignal,
): Promise<CommandEnd> {
  await end(container);
  signal.throwIfAborted();
  const stream = (await container.attach({
    ...{ stream: true, stdin: true, stdout: true, stderr: true },
    hijack: true,
  })) as Duplex;
  const stop = (): void => void container.kill().catch(() => undefined); // it is over
  signal.addEventListener('abort', stop);
  try {
    const parts: Buffer[] = [];
    let size = 0;
    const over = hear(container, stream, {
      stdout: (data) => {
        size += data.length;
        if (size <= MAX_RESULT_BYTES) parts.push(data);
        else stop();
      },
      stderr: log,
    });
    over.catch(() => undefined); // heard below, unless the start fails before
    stream.end(Buffer.from(stdin));
    await container.start();
    if (signal.aborted) stop();
    const [heard] = await Promise.allSettled([over, container.wait({ condition: 'not-running' })]);
    signal.throwIfAborted();
    const state = stateOf(handle, await container.inspect());
    if (size > MAX_RESULT_BYTES) throw new UserError('result-too-large', RESULT_TOO_LARGE);
    if (heard.status === 'rejected' && state.reason === undefined) throw heard.reason;
    return { state, result: Buffer.concat(parts) };
  } finally {
    signal.removeEventListener('abort', stop);
    stream.destroy();
    await end(container);
  }
}

async function end(container: Docker.Container): Promise<void> {
  try {
    if (!(await container.inspect()).State.Running) return;
    await container.kill();
    await container.wait({ condition: 'not-running' });
  } catch (error) {
    if (!hasStatus(error, 404, 409)) throw error; // gone, or over
  }
}

/** Resolves when both outputs have ended. */
async function hear(
  { modem }: Docker.Container,
  stream: Duplex,
  ears: Readonly<Record<'stdout' | 'stderr', (data: Buffer) => void>>,
): Promise<void> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  stdout.on('data', ears.stdout);
  stderr.on('data', ears.stderr);
  (modem as { demuxStream(from: Duplex, out: PassThrough, err: PassThrough): void }).demuxStream(
    stream,
    stdout,
    stderr,
  );
  await finished(stream, { writable: false });
  await Promise.all([stdout, stderr].map((each) => finished(each.end())));
}
