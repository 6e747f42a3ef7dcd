import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Db, buildsToReap, reapLog, removeOutdated } from '../persistence/index.js';
import { CLOCK, LOGGER, LoopRunner, type Clock, type Logger, type Loop } from '../platform/index.js';

const CHECK_BUILD_HOURS = 24;
const BATCH = 100;

/**
 * Removes, once an hour and at every start, what nobody may see again, and the logs that jobs do not keep. Safe to run on several
 * servers at once.
 */
@Injectable()
export class RetentionLoop implements Loop, OnApplicationBootstrap, OnModuleDestroy {
  readonly name = 'retention';
  readonly tickMs = 6 * 3_600_000;
  readonly cron = '17 * * * *';
  private readonly runner: LoopRunner;

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

  async runOnce(signal: AbortSignal): Promise<void> {
    const removed = await this.db.tx((tx) => removeOutdated(tx, this.clock.now(), CHECK_BUILD_HOURS));
    if (removed.tokens + removed.checkBuilds > 0) this.log.info(removed, 'outdated rows removed');
    await this.reapLogs(signal);
  }

  /** Each log in a transaction of its own: a long one takes its time. */
  private async reapLogs(signal: AbortSignal): Promise<void> {
    let reaped = 0;
    for (let hasMore = true; hasMore && !signal.aborted;) {
      const ids = await buildsToReap(this.db, this.clock.now(), BATCH);
      const before = reaped;
      for (const id of ids) if (!signal.aborted && (await this.db.tx((tx) => reapLog(tx, id)))) reaped += 1;
      hasMore = ids.length === BATCH && reaped > before;
    }
    if (reaped > 0) this.log.info({ builds: reaped }, 'logs removed that their jobs do not keep');
  }
}
