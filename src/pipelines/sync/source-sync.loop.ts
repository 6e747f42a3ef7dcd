import { join } from 'node:path';
import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import {
  claimSource,
  Db,
  NotificationListener,
  releaseClaim,
  renewClaim,
  type SourceClaim,
} from '../../persistence/index.js';
import {
  CLOCK,
  LOGGER,
  LoopRunner,
  messageOf,
  Settings,
  type Clock,
  type Logger,
  type Loop,
} from '../../platform/index.js';
import { PipelinesService } from '../pipelines.service.js';
import { sweepSessions } from './git-session.js';
import { syncSource } from './sync-source.js';

/** Sources synced at once by one server. */
const MOST_AT_ONCE = 4;
/** A claim outlives its server by this much. */
const LEASE_MS = 60_000;
const RENEW_MS = 15_000;

/**
 * Keeps pipelines in line with the files of their sources. A source is due by its interval or when asked for; a claim in
 * its row keeps several servers from syncing it at once, and whoever lost the claim writes nothing.
 */
@Injectable()
export class SourceSyncLoop implements Loop, OnApplicationBootstrap, OnModuleDestroy {
  readonly name = 'source-sync';
  readonly tickMs = 2_000;
  private readonly runner: LoopRunner;
  private readonly dir: string;
  private readonly running = new Set<Promise<void>>();
  private readonly stopping = new AbortController();
  private stopListening: (() => void) | undefined;

  constructor(
    @Inject(Db) private readonly db: Db,
    @Inject(NotificationListener) private readonly listener: NotificationListener,
    @Inject(PipelinesService) private readonly pipelines: PipelinesService,
    @Inject(Settings) private readonly settings: Settings,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
  ) {
    this.runner = new LoopRunner(this, log);
    this.dir = join(settings.dataDir, 'sources');
  }

  async onApplicationBootstrap(): Promise<void> {
    await sweepSessions(this.dir);
    this.stopListening = this.listener.on('sources', () => this.runner.wake());
    this.runner.start();
  }

  /** Ends running git commands, gives their sources back and resolves when all is over. */
  async onModuleDestroy(): Promise<void> {
    this.stopListening?.();
    this.stopping.abort();
    await this.runner.stop();
    await this.idle();
  }

  /** Starts what is due, as far as there is room. A slow repository does not hold up the others. */
  async runOnce(): Promise<void> {
    while (this.running.size < MOST_AT_ONCE && !this.stopping.signal.aborted) {
      const source = await claimSource(this.db, LEASE_MS);
      if (source === undefined) return;
      const sync = this.sync(source).finally(() => {
        this.running.delete(sync);
        this.runner.wake();
      });
      this.running.add(sync);
    }
  }

  /** Resolves when no sync is running. */
  async idle(): Promise<void> {
    while (this.running.size > 0) await Promise.all(this.running);
  }

  private async sync(source: SourceClaim): Promise<void> {
    const log = this.log.child({ sourceId: source.id, source: source.name });
    const stop = new AbortController();
    const onStop = (): void => stop.abort(this.stopping.signal.reason);
    this.stopping.signal.addEventListener('abort', onStop);
    const renewal = setInterval(() => void this.renew(source, stop), RENEW_MS);
    try {
      const tools = {
        db: this.db,
        pipelines: this.pipelines,
        clock: this.clock,
        dir: this.dir,
        settings: this.settings,
      };
      const result = await syncSource(tools, source, stop.signal);
      if (result !== 'unchanged') log.info({ result }, 'source synced');
    } catch (error) {
      if (!stop.signal.aborted) log.warn({ error: messageOf(error) }, 'source sync failed');
      await releaseClaim(this.db, source).catch((cause: unknown) => {
        log.warn({ error: messageOf(cause) }, 'source claim was left to run out');
      });
    } finally {
      clearInterval(renewal);
      this.stopping.signal.removeEventListener('abort', onStop);
    }
  }

  private async renew(source: SourceClaim, stop: AbortController): Promise<void> {
    const isOurs = await renewClaim(this.db, source, LEASE_MS).catch(() => true); // the lease itself decides
    if (!isOurs) stop.abort(new Error('the claim is lost'));
  }
}
