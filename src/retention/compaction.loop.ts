import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { BuildId } from '../model/index.js';
import { Db, buildsToCompact, compactEvents, isDatabaseUnavailable } from '../persistence/index.js';
import { CLOCK, LOGGER, LoopRunner, messageOf, type Clock, type Logger, type Loop } from '../platform/index.js';

/** Those who watched a build until its end read its last events as they were written. */
const AFTER_MS = 10 * 60_000;
const BATCH = 100;

/**
 * Compresses the logs of builds that ended some minutes ago, each in a transaction of its own. Safe to run on several
 * servers at once, and to be killed at any moment.
 */
@Injectable()
export class CompactionLoop implements Loop, OnApplicationBootstrap, OnModuleDestroy {
  readonly name = 'compaction';
  readonly tickMs = 60_000;
  private readonly runner: LoopRunner;
  /** Logs that could not be compacted: not tried again before the next start. */
  private readonly refused = new Set<BuildId>();

  constructor(
    @Inject(Db) private readonly db: Db,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
  ) {
    this.runner = new LoopRunner(this, log);
  }

  onApplicationBootstrap(): void {
    this.runner.start();
  }

  onModuleDestroy(): Promise<void> {
    return this.runner.stop();
  }

  /** Goes on until nothing is due. */
  async runOnce(signal: AbortSignal): Promise<void> {
    for (let hasMore = true; hasMore && !signal.aborted;) {
      const endedBefore = new Date(this.clock.now().getTime() - AFTER_MS);
      const due = await buildsToCompact(this.db, endedBefore, BATCH + this.refused.size);
      const ids = due.filter((id) => !this.refused.has(id)).slice(0, BATCH);
      for (const id of ids) if (!signal.aborted) await this.compact(id);
      hasMore = ids.length === BATCH;
    }
  }

  private async compact(id: BuildId): Promise<void> {
    try {
      await this.db.tx((tx) => compactEvents(tx, id));
    } catch (error) {
      if (isDatabaseUnavailable(error)) throw error; // nothing is wrong with this log: the next tick tries again
      this.refused.add(id);
      this.log.warn({ buildId: id, error: messageOf(error) }, 'the log of a build could not be compacted');
    }
  }
}
