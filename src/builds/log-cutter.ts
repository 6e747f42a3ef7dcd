import type { BuildEvent } from '../model/index.js';
import type { Redactor } from '../events/index.js';

export type Stream = 'stdout' | 'stderr';

/** No event carries more than this many bytes of output. */
export const MAX_EVENT_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

/**
 * Cuts output into log events: whole lines where they end in time, always whole UTF-8, with its secrets hidden, wherever it
 * is cut. What is held back is part of {@link rest}, which is stored with the log's cursor, so that after a crash
 * nothing is lost or told twice.
 */
export class LogCutter {
  private readonly held: Record<Stream, Buffer>;
  private ready: { stream: Stream; text: string; bytes: number }[] = [];
  /** Bytes that can be taken now. */
  readyBytes = 0;

  /** @param rest what an earlier cutter held back */
  constructor(
    private readonly stepId: string,
    private readonly redactor: Pick<Redactor, 'openEnd' | 'redact' | 'spansLines'>,
    rest: LogRest = {},
  ) {
    this.held = { stdout: Buffer.from(rest.stdout ?? '', 'base64'), stderr: Buffer.from(rest.stderr ?? '', 'base64') };
  }

  push(stream: Stream, bytes: Uint8Array): void {
    const held = Buffer.concat([this.held[stream], bytes]);
    const lines = held.lastIndexOf(NEWLINE) + 1;
    const end = this.redactor.spansLines ? this.closedBytes(held.subarray(0, lines)) : lines;
    this.makeReady(stream, held.subarray(0, end));
    this.held[stream] = held.subarray(end);
    if (this.held[stream].length > MAX_EVENT_BYTES) this.cutHeld(stream);
  }

  get isEmpty(): boolean {
    return this.readyBytes === 0 && this.held.stdout.length === 0 && this.held.stderr.length === 0;
  }

  /** Events of all that is ready. `lines`: whole lines. `runes`: also unfinished lines, for somebody waits. `all`: the end. */
  take(upTo: 'lines' | 'runes' | 'all', time: number): BuildEvent[] {
    for (const stream of ['stdout', 'stderr'] as const) {
      if (upTo === 'runes') this.cutHeld(stream);
      if (upTo === 'all') {
        this.makeReady(stream, this.held[stream]);
        this.held[stream] = Buffer.alloc(0);
      }
    }
    const events = this.ready.map(({ stream, text }): BuildEvent => {
      return { event: 'log', data: { origin: { id: this.stepId, source: stream }, time, payload: text } };
    });
    this.ready = [];
    this.readyBytes = 0;
    return events;
  }

  get rest(): LogRest {
    const { stdout, stderr } = this.held;
    return {
      ...(stdout.length > 0 ? { stdout: stdout.toString('base64') } : {}),
      ...(stderr.length > 0 ? { stderr: stderr.toString('base64') } : {}),
    };
  }

  /** Makes the part of an unfinished line ready that ends neither inside a character nor inside a possible secret. */
  private cutHeld(stream: Stream): void {
    const held = this.held[stream];
    const end = this.closedBytes(held);
    this.makeReady(stream, held.subarray(0, end));
    this.held[stream] = held.subarray(end);
  }

  private closedBytes(bytes: Buffer): number {
    const whole = bytes.subarray(0, wholeRunes(bytes));
    const text = whole.toString();
    const open = this.redactor.openEnd(text);
    return open === 0 ? whole.length : Math.max(0, whole.length - Buffer.byteLength(text.slice(-open)));
  }

  /** Secrets are hidden here, before a cut by size could part one. */
  private makeReady(stream: Stream, found: Buffer): void {
    const text = found.toString();
    const hidden = this.redactor.redact(text);
    const bytes = hidden === text ? found : Buffer.from(hidden);
    for (let at = 0; at < bytes.length;) {
      const last = this.ready.at(-1);
      const room = last?.stream === stream ? MAX_EVENT_BYTES - last.bytes : 0;
      const left = bytes.subarray(at);
      const piece = firstPiece(left, last && room > 0 && left.length <= room ? left.length : MAX_EVENT_BYTES);
      if (last?.stream === stream && piece.length <= room) {
        last.text += piece.toString();
        last.bytes += piece.length;
      } else {
        this.ready.push({ stream, text: piece.toString(), bytes: piece.length });
      }
      at += piece.length;
      this.readyBytes += piece.length;
    }
  }
}

/** Base64 of the bytes held back, per stream. */
export interface LogRest {
  readonly stdout?: string;
  readonly stderr?: string;
}

/** At most `limit` bytes, ending after a line if there is one, else after a whole character. */
function firstPiece(bytes: Buffer, limit: number): Buffer {
  if (bytes.length <= limit) return bytes;
  const lines = bytes.lastIndexOf(NEWLINE, limit - 1) + 1;
  if (lines > 0) return bytes.subarray(0, lines);
  return bytes.subarray(0, wholeRunes(bytes.subarray(0, limit)) || limit);
}

/** Length of the bytes without a character at the end that is still incomplete. */
function wholeRunes(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) break;
    if (byte < 0xc0) continue; // a continuation: its first byte stands further ahead
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return needed > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}
