import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { JobId } from '../model/index.js';
import {
  Db,
  jobsLeftWaiting,
  jobsToSchedule,
  NotificationListener,
  pendingWithoutBlocker,
  requestFreshChecks,
  scheduleRequests,
} from '../persistence/index.js';
import {
  LOGGER,
  LoopRunner,
  messageOf,
  Metrics,
  type Counter,
  type Histogram,
  type Logger,
} from '../platform/index.js';
import { ConfigCache } from './config-cache.js';
import { isStale, Round, type PlanInputs, type RoundOutcome } from './round.js';

/** Token of the function that chooses versions. */
export const PLAN_INPUTS = Symbol('plan inputs');

/** Jobs planned at once by one server. Each holds a database connection. */
const MOST_ROUNDS = 8;
const SWEEP_MS = 5_000;
/** A job with pending builds that nobody looked at for so long is looked at again. */
const LEFT_WAITING_MS = 60_000;
/** After so many rounds that came too late, one is applied although newer requests exist. */
const STALE_ROUNDS = 5;

/**
 * The trigger loop: runs a round for each job that asks for one. NOTIFY makes it fast; the sweep, which reads the requests
 * themselves, makes it true. A job has at most one round at a time in a process; what comes in during it causes another.
 */
@Injectable()
export class SchedulingLoop implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly round: Round;
  private readonly sweeper: LoopRunner;
  private readonly running = new Map<JobId, Promise<void>>();
  /** Jobs to run next, in the order they asked. */
  private readonly waiting = new Set<JobId>();
  private isStopped = false;
  private stopListening: (() => void) | undefined;
  private readonly seconds: Histogram;
  private readonly outcomes: Counter<'outcome'>;
  private readonly unexplained: Counter;
  private found = 0;

  constructor(
    @Inject(Db) private readonly db: Db,
    @Inject(NotificationListener) private readonly listener: NotificationListener,
    @Inject(PLAN_INPUTS) plan: PlanInputs,
    @Inject(LOGGER) private readonly log: Logger,
    @Inject(Metrics) metrics: Metrics,
  ) {
    this.seconds = metrics.durations('weir_scheduling_round_seconds', 'Rounds of the trigger loop, each of one job.');
    this.outcomes = metrics.counter('weir_scheduling_rounds_total', 'Rounds of the trigger loop.', ['outcome']);
    this.unexplained = metrics.counter(
      'weir_pending_builds_without_reason_total',
      'Pending builds found without a stated reason to wait. Anything but 0 is a fault of the server.',
    );
    this.round = new Round(plan, new ConfigCache());
    this.sweeper = new LoopRunner({ name: 'scheduling', tickMs: SWEEP_MS, runOnce: () => this.sweep() }, log);
  }

  /** Pending builds found without a stated reason to wait since the start; 0 when all is well. */
  get violations(): number {
    return this.found;
  }

  onApplicationBootstrap(): void {
    this.stopListening = this.listener.on('schedule', (id) =>
      id === undefined ? this.sweeper.wake() : this.enqueue(id as JobId),
    );
    this.sweeper.start();
  }

  /** Resolves when the rounds that are running are over. */
  async onModuleDestroy(): Promise<void> {
    this.isStopped = true;
    this.stopListening?.();
    this.waiting.clear();
    await this.sweeper.stop();
    await Promise.all(this.running.values());
  }

  /** Resolves when nothing is running or waiting. */
  async idle(): Promise<void> {
    while (this.running.size > 0) await Promise.race(this.running.values());
  }

  /** Reads which jobs ask, repairs lost wake-ups, and makes sure that every pending build has a reason to wait. */
  async sweep(): Promise<void> {
    const left = await jobsLeftWaiting(this.db, LEFT_WAITING_MS);
    if (left.length > 0) await this.db.tx((tx) => scheduleRequests.jobs(tx, left));
    for (const id of await jobsToSchedule(this.db)) this.enqueue(id);
    const unexplained = await pendingWithoutBlocker(this.db);
    if (unexplained.length === 0) return;
    this.found += unexplained.length;
    this.unexplained.inc(unexplained.length);
    this.log.error({ builds: unexplained }, 'pending builds without a reason to wait');
  }

  private enqueue(id: JobId): void {
    if (this.isStopped) return;
    this.waiting.add(id);
    this.next();
  }

  private next(): void {
    for (const id of this.waiting) {
      if (this.running.size >= MOST_ROUNDS) return;
      if (this.running.has(id)) continue;
      this.waiting.delete(id);
      const work = this.schedule(id).finally(() => {
        this.running.delete(id);
        this.next();
      });
      this.running.set(id, work);
    }
  }

  private async schedule(id: JobId): Promise<void> {
    try {
      for (let attempt = 1; !this.isStopped; attempt++) {
        const outcome = await this.runRound(id, attempt > STALE_ROUNDS);
        if (outcome.kind === 'done' && outcome.checks.length > 0)
          await this.db.tx((tx) => requestFreshChecks(tx, outcome.checks));
        if (outcome.kind !== 'stale') return;
      }
    } catch (error) {
      // The request stays, so the next sweep tries again; other jobs are not concerned.
      this.log.warn({ jobId: id, error: messageOf(error) }, 'scheduling round failed');
    }
  }

  private async runRound(id: JobId, mayLag: boolean): Promise<RoundOutcome> {
    const ended = this.seconds.startTimer();
    let outcome: RoundOutcome['kind'] | 'failed' = 'failed';
    try {
      const result = await this.db.tx((tx) => this.round.run(tx, id, mayLag));
      outcome = result.kind;
      return result;
    } catch (error) {
      if (!isStale(error)) throw error;
      outcome = 'stale';
      return { kind: 'stale' };
    } finally {
      ended();
      this.outcomes.inc({ outcome });
    }
  }
}
