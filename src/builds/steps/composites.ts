import type { PlanNode } from '../../model/index.js';
import type { StepWalker, Walk } from '../build-run.js';
import { isGood, worst, type Outcome } from '../outcome.js';

/** One after the other; the first that is not good ends it. */
export async function doStep(steps: readonly PlanNode[], walk: Walk, walkStep: StepWalker): Promise<Outcome> {
  for (const step of steps) {
    const outcome = await walkStep(step, walk);
    if (!isGood(outcome)) return outcome;
  }
  return 'succeeded';
}

/** All at once, or `limit` at a time. */
export function inParallelStep(
  plan: { readonly steps: readonly PlanNode[]; readonly limit?: number; readonly failFast: boolean },
  walk: Walk,
  walkStep: StepWalker,
): Promise<Outcome> {
  const bodies = plan.steps.map((step) => (inner: Walk) => walkStep(step, inner));
  return runTogether(bodies, walk, { limit: plan.limit ?? bodies.length, failFast: plan.failFast });
}

/** Failure and error become success; an abort stays one. */
export async function tryStep(step: PlanNode, walk: Walk, walkStep: StepWalker): Promise<Outcome> {
  const outcome = await walkStep(step, walk);
  return outcome === 'failed' || outcome === 'errored' ? 'succeeded' : outcome;
}

/** Again after failure or error, until one attempt is good or none is left; the last attempt's outcome counts. */
export async function retryStep(attempts: readonly PlanNode[], walk: Walk, walkStep: StepWalker): Promise<Outcome> {
  let outcome: Outcome = 'succeeded';
  for (const [index, attempt] of attempts.entries()) {
    outcome = await walkStep(attempt, { ...walk, attempt: [...(walk.attempt ?? []), index + 1] });
    if (outcome !== 'failed' && outcome !== 'errored') return outcome;
  }
  return outcome;
}

/**
 * Runs the bodies in order, at most `limit` at once. With `failFast` the first that is not good interrupts the others, and
 * none begins after it. All are over when this returns, also when it throws.
 */
export async function runTogether(
  bodies: readonly ((walk: Walk) => Promise<Outcome>)[],
  walk: Walk,
  { limit, failFast }: { readonly limit: number; readonly failFast: boolean },
): Promise<Outcome> {
  const stop = new AbortController();
  const inner: Walk = { ...walk, signal: failFast ? AbortSignal.any([walk.signal, stop.signal]) : walk.signal };
  const outcomes: Outcome[] = [];
  const faults: unknown[] = [];
  const queue = [...bodies];
  const lane = async (): Promise<void> => {
    for (let body = queue.shift(); body; body = queue.shift()) {
      try {
        const outcome = await body(inner);
        outcomes.push(outcome);
        if (!failFast || isGood(outcome)) continue;
        queue.length = 0;
        stop.abort();
      } catch (fault) {
        faults.push(fault);
        queue.length = 0;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, bodies.length) }, lane));
  if (faults.length > 0) throw faults[0];
  // Steps that fail_fast interrupted do not make this an abort; a user's abort does.
  const told = walk.signal.aborted ? outcomes : outcomes.filter((outcome) => outcome !== 'aborted');
  return worst(told.length > 0 ? told : outcomes);
}
