import { parseDurationMs } from '../model/index.js';
import type { Clock } from '../platform/index.js';
import { StepInterrupted } from '../resources/index.js';

/** Longest time a Node timer can wait. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** @returns when a step that begins now must be over; undefined without a timeout. @throws when the text is no duration. */
export function deadlineAfter(timeout: string | undefined, clock: Clock): Date | undefined {
  if (timeout === undefined) return undefined;
  const ms = parseDurationMs(timeout);
  if (ms === undefined) throw new Error(`timeout '${timeout}' is not a duration such as 90s or 1h30m`);
  return new Date(clock.now().getTime() + ms);
}

/** A signal that aborts with its parent or at a point in time, and knows which came first. */
export class Deadline {
  private readonly controller = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  /** The time ran out before the parent aborted. */
  hasPassed = false;

  constructor(
    private readonly parent: AbortSignal,
    private readonly at: Date | undefined,
    private readonly clock: Clock,
  ) {
    if (parent.aborted) this.abort();
    else parent.addEventListener('abort', this.abort);
    this.arm();
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** Must be called when the step is over. */
  dispose(): void {
    clearTimeout(this.timer);
    this.parent.removeEventListener('abort', this.abort);
  }

  private readonly abort = (): void => this.controller.abort(new StepInterrupted());

  private arm(): void {
    if (this.at === undefined || this.signal.aborted) return;
    const leftMs = this.at.getTime() - this.clock.now().getTime();
    if (leftMs > 0) {
      this.timer = setTimeout(() => this.arm(), Math.min(leftMs, MAX_TIMER_MS));
      return;
    }
    this.hasPassed = true;
    this.abort();
  }
}
