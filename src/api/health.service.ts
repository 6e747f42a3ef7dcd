import { Inject, Injectable } from '@nestjs/common';
import { Db } from '../persistence/index.js';
import { CLOCK, LoopRunner, type Clock } from '../platform/index.js';
import { SchedulingLoop } from '../scheduling/index.js';

/** `failing`: the database does not answer; `degraded`: a loop's last round failed. */
export interface Health {
  readonly status: 'ok' | 'degraded' | 'failing';
  readonly timestamp: string;
  readonly database: { readonly status: 'healthy' | 'unhealthy'; readonly error?: string };
  readonly workers: { readonly status: 'healthy'; readonly total: number; readonly running: number };
  readonly components: readonly {
    readonly name: string;
    readonly status: 'healthy' | 'unhealthy';
    readonly paused: false;
    readonly last_ran: string;
  }[];
  /** Pending builds found without a reason to wait since the start: 0, or the server has a fault. */
  readonly watchdog: { readonly pending_without_reason: number };
}

const DATABASE_DEADLINE_MS = 3_000;

/** Is all well? Asks the database and every loop of this process. */
@Injectable()
export class HealthService {
  constructor(
    @Inject(Db) private readonly db: Db,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(SchedulingLoop) private readonly scheduling: SchedulingLoop,
  ) {}

  async look(): Promise<Health> {
    const isAnswering = await this.databaseAnswers();
    const now = this.clock.now();
    const components = LoopRunner.running().map(({ name, isFailing, lastRoundAgoMs }) => ({
      name,
      status: isFailing ? ('unhealthy' as const) : ('healthy' as const),
      paused: false as const,
      last_ran: new Date(now.getTime() - lastRoundAgoMs).toISOString(),
    }));
    const isDegraded = components.some(({ status }) => status === 'unhealthy');
    return {
      status: !isAnswering ? 'failing' : isDegraded ? 'degraded' : 'ok',
      timestamp: now.toISOString(),
      database: isAnswering ? { status: 'healthy' } : { status: 'unhealthy', error: 'the database does not answer' },
      workers: { status: 'healthy', total: 1, running: 1 },
      components,
      watchdog: { pending_without_reason: this.scheduling.violations },
    };
  }

  private async databaseAnswers(): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), DATABASE_DEADLINE_MS);
    });
    const answer = this.db.query('select 1').then(
      () => true,
      () => false,
    );
    return Promise.race([answer, late]).finally(() => clearTimeout(timer));
  }
}
