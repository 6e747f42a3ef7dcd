import type { FinalStatus } from '../model/index.js';
import type { StepOutcome } from '../persistence/index.js';

/**
 * How a step ended. `failed`: it said no; `errored`: it could not be asked; `aborted`: it was interrupted; `skipped`: it was
 * not wanted. Why is told by the step's own error event.
 */
export type Outcome = StepOutcome;

const BY_WEIGHT: readonly Outcome[] = ['skipped', 'succeeded', 'failed', 'errored', 'aborted'];

/** True when the steps after this one may run. */
export function isGood(outcome: Outcome): boolean {
  return outcome === 'succeeded' || outcome === 'skipped';
}

/** The outcome of steps taken together: good only if all are. Of none: succeeded. */
export function worst(outcomes: readonly Outcome[]): Outcome {
  return outcomes.reduce<Outcome>((a, b) => (BY_WEIGHT.indexOf(b) > BY_WEIGHT.indexOf(a) ? b : a), 'succeeded');
}

export function statusOf(outcome: Outcome): FinalStatus {
  return outcome === 'skipped' ? 'succeeded' : outcome;
}

/**
 * This server must stop running the build and write nothing more: the lease is lost, the server shuts down, or the database
 * did not take a write. The build is unharmed: whoever takes it next continues from the journal.
 */
export class RunSuspended extends Error {
  override readonly name = 'RunSuspended';
}
