import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { isFinal, type BuildId } from '../model/index.js';
import { Db, NotificationListener, findBuildStatus, readEvents, type StoredEvent } from '../persistence/index.js';
import { LOGGER, messageOf, type Logger } from '../platform/index.js';

/** A batch of the largest log events, of 64 KiB each, is 4 MiB. */
const BATCH = 64;
/** A lost notification is made good after this time. */
const TICK_MS = 5_000;
/** Events that a reader keeps for watchers who come or fall a little behind; older ones they read for themselves. */
const KEPT = 2_000;
/** The same in characters of output. */
const KEPT_CHARACTERS = 8 * 1024 * 1024;

/**
 * Build events as they come. Everything is read from the database, so any server can show any build; a notification only
 * says when to look. However many watch a build, one reader follows it.
 */
@Injectable()
export class EventFeed implements OnModuleInit, OnApplicationShutdown {
  private readonly readers = new Map<BuildId, BuildReader>();
  private unlisten: (() => void) | undefined;
  private readonly closing = new AbortController();

  constructor(
    @Inject(Db) private readonly db: Db,
    @Inject(NotificationListener) private readonly notifications: NotificationListener,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  onModuleInit(): void {
    this.unlisten ??= this.notifications.on('events', (id) => {
      if (id === undefined) this.readers.forEach((reader) => reader.look());
      else this.readers.get(id as BuildId)?.look();
    });
  }

  /** Ends every watch. */
  onApplicationShutdown(): void {
    this.unlisten?.();
    this.closing.abort();
    this.readers.forEach((reader) => reader.stop());
  }

  /**
   * Events from `fromSeq` on, in order, each once, none missing. Ends after the terminal `status` event of the build, when
   * the build is final and has no (more) events, when its log was removed, or when `signal` aborts.
   */
  async *watch(buildId: BuildId, fromSeq: number, signal: AbortSignal): AsyncGenerator<StoredEvent, void, undefined> {
    const reader = this.join(buildId);
    const stop = AbortSignal.any([signal, this.closing.signal]);
    try {
      for (let next = fromSeq; !stop.aborted;) {
        const { end } = reader;
        const events = reader.keptFrom(next) ?? (await readEvents(this.db, buildId, next, BATCH));
        for (const event of events) {
          if (stop.aborted) return;
          yield event;
          next = event.seq + 1;
          if (isTerminal(event)) return;
        }
        if (events.length > 0) continue;
        if (end > next) return; // they were there before this read: the log was removed
        // Looked at before the wait: an end that was written meanwhile comes with an event of its own.
        if (reader.isOver(next)) return;
        await reader.beyond(next, stop);
      }
    } finally {
      reader.watchers -= 1;
      if (reader.watchers === 0) {
        reader.stop();
        this.readers.delete(buildId);
      }
    }
  }

  /** How many builds are being read now: for metrics and tests. */
  get readerCount(): number {
    return this.readers.size;
  }

  private join(buildId: BuildId): BuildReader {
    let reader = this.readers.get(buildId);
    if (!reader) {
      reader = new BuildReader(this.db, buildId, this.log);
      this.readers.set(buildId, reader);
      reader.start();
    }
    reader.watchers += 1;
    return reader;
  }
}

function isTerminal(event: StoredEvent): boolean {
  return event.event === 'status' && 'status' in event.data && isFinal(event.data.status);
}

function charactersOf({ data }: StoredEvent): number {
  return 'payload' in data ? data.payload.length : 0;
}

/** Follows the end of one build's log for all of its watchers. */
class BuildReader {
  watchers = 0;
  private kept: StoredEvent[] = [];
  private keptCharacters = 0;
  /** Sequence number after the last event known to be stored; -1 until the first look. */
  end = -1;
  private over = false;
  private stopped = false;
  private again = true;
  private reading = false;
  private timer: NodeJS.Timeout | undefined;
  private waiting = new Set<() => void>();

  constructor(
    private readonly db: Db,
    private readonly buildId: BuildId,
    private readonly log: Logger,
  ) {}

  start(): void {
    this.timer = setInterval(() => this.look(), TICK_MS);
    this.timer.unref();
    this.look();
  }

  stop(): void {
    this.stopped = true;
    clearInterval(this.timer);
    this.wakeAll();
  }

  look(): void {
    this.again = true;
    if (!this.reading && !this.stopped) void this.read();
  }

  /** Kept events from `seq` on; undefined when that reaches further back than what is kept. */
  keptFrom(seq: number): StoredEvent[] | undefined {
    const first = this.kept[0]?.seq ?? this.end;
    if (this.end < 0 || seq < first) return undefined;
    return this.kept.slice(seq - first);
  }

  isOver(seq: number): boolean {
    return this.over && seq >= this.end;
  }

  /** Resolves when there may be events from `seq` on, when the build is over, or when the signal aborts. */
  async beyond(seq: number, signal: AbortSignal): Promise<void> {
    if (this.end > seq || this.over || this.stopped || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.waiting.add(done);
      signal.addEventListener('abort', done);
    });
  }

  private async read(): Promise<void> {
    this.reading = true;
    try {
      while (this.again && !this.stopped) {
        this.again = false;
        await this.readNew();
      }
    } catch (error) {
      this.log.warn({ buildId: this.buildId, error: messageOf(error) }, 'reading build events failed');
    } finally {
      this.reading = false;
    }
  }

  private async readNew(): Promise<void> {
    const status = await findBuildStatus(this.db, this.buildId);
    if (this.end < 0) this.end = status?.nextEventSeq ?? 0;
    for (;;) {
      const events = await readEvents(this.db, this.buildId, this.end, BATCH);
      const last = events.at(-1);
      if (!last) break;
      this.keep(events);
      this.end = last.seq + 1;
      this.wakeAll();
    }
    // The status was read before the events, so a final one cannot hide events that are still to come.
    if (!status || isFinal(status.status)) {
      this.over = true;
      this.wakeAll();
    }
  }

  private keep(events: readonly StoredEvent[]): void {
    this.kept.push(...events);
    this.keptCharacters += events.reduce((sum, event) => sum + charactersOf(event), 0);
    let dropped = 0;
    while (this.kept.length - dropped > KEPT || this.keptCharacters > KEPT_CHARACTERS) {
      const event = this.kept[dropped++];
      if (!event) break;
      this.keptCharacters -= charactersOf(event);
    }
    this.kept.splice(0, dropped);
  }

  private wakeAll(): void {
    [...this.waiting].forEach((wake) => wake());
  }
}
