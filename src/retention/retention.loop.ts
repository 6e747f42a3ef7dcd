import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Db, removeOutdated } from '../persistence/index.js';
import { CLOCK, LOGGER, LoopRunner, type Clock, type Logger, type Loop } from '../platform/index.js';

const CHECK_BUILD_HOURS = 24;

/** Removes, once an hour and at every start, what nobody may see again. Safe to run on several servers at once. */
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

  async runOnce(): Promise<void> {
    const removed = await this.db.tx((tx) => removeOutdated(tx, this.clock.now(), CHECK_BUILD_HOURS));
    if (removed.tokens + removed.checkBuilds > 0) this.log.info(removed, 'outdated rows removed');
  }
}
