import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { constants, createGzip } from 'node:zlib';
import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { Admission } from '../../auth/index.js';
import { EventFeed } from '../../events/index.js';
import { EVENT_VERSIONS, type Build } from '../../model/index.js';
import type { StoredEvent } from '../../persistence/index.js';
import type { Admitted } from './gate.guard.js';
import { LOGGER, messageOf, UserError, type Logger } from '../../platform/index.js';
import { InvalidRequest } from './validate.js';

const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-store, must-revalidate',
  'x-accel-buffering': 'no',
  'x-atc-stream-version': '2.0',
};

/**
 * Build events as server-sent events. Each frame has the event's sequence number as id, so a client that comes back with
 * `Last-Event-ID` misses nothing and sees nothing twice. After the last event comes `end`, and the connection is held: its
 * client goes first. When the server stops, connections are cut in the middle of the body, by which clients know that
 * more is to come.
 */
@Injectable()
export class EventStreams implements OnModuleDestroy {
  private readonly open = new Set<AbortController>();
  private isClosing = false;
  /** How often a silent connection is shown to be alive, which proxies close after a minute or so, and the gate is asked again. */
  keepaliveMs = 15_000;

  constructor(
    @Inject(EventFeed) private readonly feed: EventFeed,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  onModuleDestroy(): void {
    this.isClosing = true;
    for (const stream of this.open) stream.abort();
  }

  /** How many clients are connected. */
  get openCount(): number {
    return this.open.size;
  }

  /** Answers with the build's events and resolves when the connection is over. @throws InvalidRequest before anything is sent. */
  async send(build: Build, lastEventId: string | undefined, reply: FastifyReply): Promise<void> {
    const from = firstSeq(lastEventId);
    const { raw, request } = reply;
    const stopping = new AbortController();
    if (this.isClosing) stopping.abort();
    this.open.add(stopping);
    raw.once('close', () => stopping.abort());
    const cut = (): void => void raw.destroy();
    stopping.signal.addEventListener('abort', cut);
    reply.hijack();
    try {
      const out = openBody(reply, /\bgzip\b/.test(request.headers['accept-encoding'] ?? ''));
      if (request.method === 'HEAD') raw.end();
      else await this.stream(out, build, from, stopping, (request as Admitted).admission);
    } catch (error) {
      if (!stopping.signal.aborted) this.log.warn({ buildId: build.id, error: messageOf(error) }, 'event stream cut');
    } finally {
      this.open.delete(stopping);
      if (!raw.writableEnded) cut();
    }
  }

  private async stream(
    out: Body,
    build: Build,
    from: number,
    stopping: AbortController,
    admission: Admission | undefined,
  ): Promise<void> {
    const { signal } = stopping;
    const keepalive = setInterval(() => {
      out.tell(': ping\n\n');
      void this.lookAgain(admission, stopping);
    }, this.keepaliveMs);
    try {
      let next = from;
      // A removed log has no events any more.
      if (!build.reapedAt) {
        for await (const event of this.feed.watch(build.id, from, signal)) {
          await out.write(frame(event), signal);
          next = event.seq + 1;
        }
      }
      if (signal.aborted) return;
      await out.write(`id: ${next}\nevent: end\ndata: {}\n\n`, signal);
      if (!signal.aborted) await once(signal, 'abort');
    } finally {
      clearInterval(keepalive);
    }
  }

  /** Cuts the stream of a client whom the gate lets in no more: its token is over, or its role is gone. */
  private async lookAgain(admission: Admission | undefined, stopping: AbortController): Promise<void> {
    try {
      await admission?.again();
    } catch (error) {
      if (error instanceof UserError) stopping.abort();
      else this.log.warn({ error: messageOf(error) }, 'could not look whether an event stream may go on');
    }
  }
}

/** @throws InvalidRequest unless the id is a whole number. */
function firstSeq(lastEventId: string | undefined): number {
  if (lastEventId === undefined || lastEventId === '') return 0;
  if (/^\d{1,9}$/.test(lastEventId)) return Number(lastEventId) + 1;
  throw new InvalidRequest('Last-Event-ID', [
    { path: '', message: `"${lastEventId.slice(0, 50)}" is not a whole number` },
  ]);
}

/** By event: the watchers of a build share its events, and then also the bytes that are sent. */
const frames = new WeakMap<StoredEvent, Buffer>();

function frame(stored: StoredEvent): Buffer {
  let bytes = frames.get(stored);
  if (!bytes) frames.set(stored, (bytes = Buffer.from(frameText(stored))));
  return bytes;
}

function frameText({ seq, event, data }: StoredEvent): string {
  const payload = JSON.stringify({ data, event, version: EVENT_VERSIONS[event], event_id: String(seq) });
  return `id: ${seq}\nevent: event\ndata: ${payload}\n\n`;
}

interface Body {
  /** Sends at once and waits while the client is slower than we are. */
  write(text: string | Buffer, signal: AbortSignal): Promise<void>;
  /** Sends without waiting. */
  tell(text: string): void;
}

function openBody(reply: FastifyReply, isZipped: boolean): Body {
  const { raw } = reply;
  const own = Object.fromEntries(Object.entries(reply.getHeaders()).map(([name, value]) => [name, value as string]));
  raw.writeHead(200, {
    ...own,
    ...HEADERS,
    ...(isZipped ? { 'content-encoding': 'gzip', vary: 'accept-encoding' } : {}),
  });
  raw.flushHeaders();
  const gzip = isZipped ? createGzip({ level: 1 }) : undefined;
  gzip?.pipe(raw);
  const target: Writable = gzip ?? raw;
  target.on('error', () => raw.destroy());
  const tell = (text: string | Buffer): boolean => {
    const hasRoom = target.write(text);
    gzip?.flush(constants.Z_SYNC_FLUSH);
    return hasRoom;
  };
  return {
    tell: (text) => void tell(text),
    write: async (text, signal) => {
      if (!tell(text)) await once(target, 'drain', { signal });
    },
  };
}
