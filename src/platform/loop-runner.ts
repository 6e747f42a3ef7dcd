import { CronJob } from 'cron';
import type { Logger } from './logger.js';
import { messageOf } from './errors.js';

export interface Loop {
  readonly name: string;
  /** Longest time between two rounds, in milliseconds. A tick makes the loop true; {@link LoopRunner.wake} makes it fast. */
  readonly tickMs: number;
  /** Times of day (UTC) that wake it too, as a cron expression: for work that people expect at known hours. */
  readonly cron?: string;
  /** One round. Everything it starts is awaited before it returns. A throw is logged and the next tick tries again. */
  runOnce(signal: AbortSignal): Promise<void>;
}

/** How a loop of this process does. */
export interface LoopState {
  readonly name: string;
  /** Longest time between two rounds, in milliseconds. */
  readonly tickMs: number;
  /** Did its last round throw? */
  readonly isFailing: boolean;
  /** Milliseconds since its last round began. */
  readonly lastRoundAgoMs: number;
  /** How many rounds began, and how many of them threw. */
  readonly rounds: number;
  readonly failures: number;
}

/**
 * Runs one loop: notification, tick or shutdown, then a round. Rounds never overlap; a wake that comes during a round
 * causes one more round after it, so no wake is lost.
 */
export class LoopRunner {
  private static readonly started = new Set<LoopRunner>();
  private isFailing = false;
  private lastRoundAtMs = performance.now();
  private rounds = 0;
  private failures = 0;
  private readonly stopping = new AbortController();
  private wanted = true;
  private rouse: (() => void) | undefined;
  private finished: Promise<void> | undefined;
  private cron: CronJob | undefined;

  constructor(
    private readonly loop: Loop,
    private readonly log: Logger,
  ) {}

  /** Every loop of this process that was started and not yet stopped, for health. */
  static running(): LoopState[] {
    return [...LoopRunner.started].map(({ loop, isFailing, lastRoundAtMs, rounds, failures }) => ({
      name: loop.name,
      tickMs: loop.tickMs,
      isFailing,
      lastRoundAgoMs: Math.round(performance.now() - lastRoundAtMs),
      rounds,
      failures,
    }));
  }

  start(): void {
    LoopRunner.started.add(this);
    const { cron: cronTime } = this.loop;
    if (cronTime !== undefined) {
      this.cron ??= CronJob.from({ cronTime, onTick: () => this.wake(), timeZone: 'UTC', start: true });
    }
    this.finished ??= this.run();
  }

  /** Asks for a round soon. Cheap, callable from anywhere, never throws. */
  wake(): void {
    this.wanted = true;
    this.rouse?.();
  }

  /** Stops after the round that is running; resolves when it is over. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.cron?.stop();
    this.rouse?.();
    await this.finished;
    LoopRunner.started.delete(this);
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      if (!this.wanted) await this.sleep();
      if (signal.aborted) return;
      this.wanted = false;
      this.lastRoundAtMs = performance.now();
      this.rounds++;
      try {
        await this.loop.runOnce(signal);
        this.isFailing = false;
      } catch (error) {
        this.isFailing = true;
        this.failures++;
        if (!signal.aborted) this.log.warn({ loop: this.loop.name, error: messageOf(error) }, 'loop round failed');
      }
    }
  }

  private sleep(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.rouse = undefined;
        resolve();
      };
      const timer = setTimeout(done, this.loop.tickMs);
      this.rouse = done;
    });
  }
}
