import pg from 'pg';
import { Subject, type Observable } from 'rxjs';
import { messageOf, type Logger } from '../platform/index.js';
import type { Tx } from './db.js';

/**
 * What NOTIFY carries: only "look again at this id", never data. `schedule`: job ids; `builds`: a build to run or abort;
 * `events`: a build with new events; `checks`: a history to check; `sources`: a pipeline source to sync; `pipelines`: a
 * pipeline whose children may be abandoned; `slots`: a build of which a step got a slot of a runtime.
 */
export type Channel = 'schedule' | 'builds' | 'events' | 'checks' | 'sources' | 'pipelines' | 'slots';
const CHANNELS: readonly Channel[] = ['schedule', 'builds', 'events', 'checks', 'sources', 'pipelines', 'slots'];

/** Sends after commit, and only if the transaction commits. Equal messages of one transaction are sent once. */
export async function notify(tx: Tx, channel: Channel, ids: readonly number[]): Promise<void> {
  if (ids.length === 0) return;
  await tx.query(`select pg_notify($1, id::text) from unnest($2::bigint[]) as id`, [`weir_${channel}`, ids]);
}

export interface Notification {
  readonly channel: Channel;
  /** The id that was sent; undefined after a reconnect, when anything may have been missed: look at everything. */
  readonly id: number | undefined;
}

/** Listens on a connection of its own. After a lost connection it reconnects and tells every listener to look again. */
export class NotificationListener {
  private readonly subject = new Subject<Notification>();
  private client: pg.Client | undefined;
  private stopped = false;
  private retry: NodeJS.Timeout | undefined;

  constructor(
    private readonly url: string,
    private readonly log: Logger,
  ) {}

  get notifications(): Observable<Notification> {
    return this.subject.asObservable();
  }

  /** Calls `listener` for each notification of the channel. @returns a function that ends it. */
  on(channel: Channel, listener: (id: number | undefined) => void): () => void {
    const subscription = this.subject.subscribe((n) => {
      if (n.channel === channel) listener(n.id);
    });
    return () => subscription.unsubscribe();
  }

  async start(): Promise<void> {
    const client = new pg.Client({ connectionString: this.url, application_name: 'weir-listen', keepAlive: true });
    client.on('notification', ({ channel, payload }) => {
      const name = channel.replace(/^weir_/, '') as Channel;
      this.subject.next({ channel: name, id: Number(payload) });
    });
    client.on('error', (error) => this.lost(client, error));
    client.on('end', () => this.lost(client, new Error('connection ended')));
    await client.connect();
    for (const channel of CHANNELS) await client.query(`listen weir_${channel}`);
    // Stopped while it was connecting again.
    if (this.stopped) return client.end();
    this.client = client;
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.retry);
    await this.client?.end();
    this.subject.complete();
  }

  private lost(client: pg.Client, error: Error): void {
    if (this.stopped || this.client !== client) return;
    this.client = undefined;
    this.log.warn({ error: error.message }, 'notification connection lost');
    client.end().catch(() => undefined); // already broken
    this.reconnect(100);
  }

  private reconnect(delayMs: number): void {
    if (this.stopped) return;
    this.retry = setTimeout(() => {
      this.start().then(
        () => CHANNELS.forEach((channel) => this.subject.next({ channel, id: undefined })),
        (error: unknown) => {
          this.log.warn({ error: messageOf(error) }, 'notification connection failed');
          this.reconnect(Math.min(delayMs * 2, 5_000));
        },
      );
    }, delayMs);
  }
}
