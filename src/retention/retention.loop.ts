import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Db, boundedLogs, buildsToReap, reapLog, removeOutdated, type LogPolicy } from '../persistence/index.js';
import { CLOCK, LOGGER, LoopRunner, Settings, type Clock, type Logger, type Loop } from '../platform/index.js';

const CHECK_BUILD_HOURS = 24;

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
    @Inject(Settings) private readonly settings: Settings,
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

  /** Job by job, as their builds are many, and each log in a transaction of its own: a long one takes its time. */
  private async reapLogs(signal: AbortSignal): Promise<void> {
    let reaped = 0;
    for (const bounds of await boundedLogs(this.db, this.policy())) {
      if (signal.aborted) break;
      for (const id of await buildsToReap(this.db, this.clock.now(), bounds))
        if (!signal.aborted && (await this.db.tx((tx) => reapLog(tx, id)))) reaped += 1;
    }
    if (reaped > 0) this.log.info({ builds: reaped }, 'logs removed that their jobs do not keep');
  }

  private policy(): LogPolicy {
    const { settings } = this;
    return {
      defaultBuilds: settings.defaultBuildLogsToRetain,
      maxBuilds: settings.maxBuildLogsToRetain,
      defaultDays: settings.defaultDaysToRetainBuildLogs,
      maxDays: settings.maxDaysToRetainBuildLogs,
    };
  }
}
