import type { Readable, Writable } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import { z } from 'zod';
import { messageOf } from '../../platform/index.js';
import type { ExecSession, ExecSpec, WindowSize } from '../../runtime/index.js';

/** Close code of a message that is not understood. */
const UNSUPPORTED_DATA = 1003;
const DONE = 1000;
/** How long a client may take to say what is to be run. */
const FIRST_MESSAGE_MS = 30_000;
/** Output waits in the runtime while the client has this much to read. */
const MOST_WAITING_BYTES = 1024 * 1024;

/** A terminal that does not know its size says 0. */
const size = z.object({ columns: z.int().min(0).max(65_535), rows: z.int().min(0).max(65_535) });
const tty = z.object({ window_size: size.nullish() });
const firstMessage = z.object({
  path: z.string().min(1).max(4096),
  args: z.array(z.string()).nullish(),
  env: z.array(z.string().regex(/^[^=\0]+=[^\0]*$/, 'expected NAME=value')).nullish(),
  dir: z.string().max(4096).nullish(),
  user: z.string().max(256).nullish(),
  tty: tty.nullish(),
});
const laterMessage = z.object({ stdin: z.base64().nullish(), closed: z.boolean().nullish(), tty: tty.nullish() });

const USUAL_SIZE: WindowSize = { columns: 80, rows: 24 };

/** What a session needs of whoever runs commands. */
export interface HijackedPlace {
  exec(spec: ExecSpec): Promise<ExecSession>;
  warn(error: unknown): void;
}

/**
 * Speaks the hijack protocol (design: concourse-api §5.2) until the command is over or the client is gone; then neither is
 * left. The first message says what to run; later ones are input, its end and sizes of the window.
 */
export async function serveHijack(socket: WebSocket, place: HijackedPlace): Promise<void> {
  const messages = new Messages(socket);
  const first = await messages.next(AbortSignal.timeout(FIRST_MESSAGE_MS));
  const spec = first === undefined ? undefined : parse(firstMessage, first);
  if (spec === undefined || typeof spec === 'string') {
    socket.close(UNSUPPORTED_DATA, (spec ?? 'the first message must say what to run').slice(0, 120));
    return;
  }
  let session: ExecSession;
  try {
    session = await place.exec(toExecSpec(spec));
  } catch (error) {
    const isMissing = (error as { code?: unknown }).code === 'executable-not-found';
    send(socket, isMissing ? { executable_not_found: true } : { error: messageOf(error) });
    socket.close(DONE);
    return;
  }
  try {
    await converse(socket, messages, session);
  } catch (error) {
    place.warn(error);
    send(socket, { error: messageOf(error) });
  } finally {
    await session.close().catch((error: unknown) => place.warn(error));
    socket.close(DONE);
  }
}

async function converse(socket: WebSocket, messages: Messages, session: ExecSession): Promise<void> {
  const gone = new Promise<'gone'>((resolve) => {
    if (socket.readyState !== socket.OPEN) resolve('gone');
    socket.once('close', () => resolve('gone'));
  });
  const output = Promise.all([forward(session.stdout, 'stdout', socket), forward(session.stderr, 'stderr', socket)]);
  const listening = listen(messages, session);
  const end = await Promise.race([gone, listening, session.exit]);
  if (end === 'gone') return;
  if (typeof end === 'string') {
    socket.close(UNSUPPORTED_DATA, end.slice(0, 120));
    return;
  }
  // A process that was left behind may hold the output open: what it says later is nobody's.
  await Promise.race([gone, output, new Promise((resolve) => setTimeout(resolve, 1_000))]);
  send(socket, { exit_status: end });
}

/** Never ends well: @returns why the client was not understood. */
async function listen(messages: Messages, session: ExecSession): Promise<string> {
  for (;;) {
    const text = await messages.next();
    if (text === undefined) return new Promise<never>(() => undefined); // gone: somebody else sees that
    const message = parse(laterMessage, text);
    if (typeof message === 'string') return message;
    const resized = sizeOf(message.tty?.window_size);
    if (resized) await session.resize(resized);
    if (message.stdin) await write(session.stdin, Buffer.from(message.stdin, 'base64'));
    if (message.closed) session.stdin.end();
  }
}

/** Waits while the command is slower than the client. */
async function write(stdin: Writable, bytes: Buffer): Promise<void> {
  if (!stdin.writable || stdin.write(bytes)) return;
  await new Promise<void>((resolve) => {
    stdin
      .once('drain', resolve)
      .once('close', resolve)
      .once('error', () => resolve());
  });
}

async function forward(from: Readable, name: 'stdout' | 'stderr', socket: WebSocket): Promise<void> {
  try {
    for await (const chunk of from) {
      send(socket, { [name]: (chunk as Buffer).toString('base64') });
      while (socket.bufferedAmount > MOST_WAITING_BYTES && socket.readyState === socket.OPEN) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  } catch {
    // Broken off: the exit tells the rest.
  }
}

function send(socket: WebSocket, message: Record<string, unknown>): void {
  if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(message));
}

function sizeOf(window: WindowSize | null | undefined): WindowSize | undefined {
  return window && window.columns > 0 && window.rows > 0 ? window : undefined;
}

function toExecSpec({ path, args, env, dir, user, tty: terminal }: z.infer<typeof firstMessage>): ExecSpec {
  const variables = (env ?? []).map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]);
  return {
    argv: [path, ...(args ?? [])],
    env: Object.fromEntries(variables) as Record<string, string>,
    ...(dir ? { dir } : {}),
    ...(user ? { user } : {}),
    ...(terminal ? { tty: sizeOf(terminal.window_size) ?? USUAL_SIZE } : {}),
  };
}

/** @returns what is wrong with it when it is not as it should be. */
function parse<Output>(shape: z.ZodType<Output>, text: string): Output | string {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return 'the message is not JSON';
  }
  const { success, data, error } = shape.safeParse(json);
  const [issue] = error?.issues ?? [];
  return success ? data : `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not understood'}`;
}

/** Messages of a socket in order; while many wait, the client waits too. */
class Messages {
  private readonly waiting: string[] = [];
  private wake: () => void = () => undefined;
  private isClosed = false;

  constructor(private readonly socket: WebSocket) {
    socket.on('message', (data: RawData) => {
      this.waiting.push((data as Buffer).toString());
      if (this.waiting.length > 16) socket.pause();
      this.wake();
    });
    socket.once('close', () => {
      this.isClosed = true;
      this.wake();
    });
    socket.on('error', () => socket.terminate());
  }

  /** The next message; undefined when there will be none, or none in time. */
  async next(signal?: AbortSignal): Promise<string | undefined> {
    while (this.waiting.length === 0 && !this.isClosed && !signal?.aborted) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
        signal?.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    const message = this.waiting.shift();
    if (this.waiting.length === 0) this.socket.resume();
    return message;
  }
}
