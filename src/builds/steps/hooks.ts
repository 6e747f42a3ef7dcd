import type { HookKind, PlanNode } from '../../model/index.js';
import type { StepWalker, Walk } from '../build-run.js';
import { isGood, worst, type Outcome } from '../outcome.js';

/** A step and what runs after it, by how it ended. */
export async function hookStep(
  kind: HookKind,
  { step, hook }: { readonly step: PlanNode; readonly hook: PlanNode },
  walk: Walk,
  walkStep: StepWalker,
): Promise<Outcome> {
  const outcome = await walkStep(step, walk);
  switch (kind) {
    case 'on_success':
      return isGood(outcome) ? walkStep(hook, { ...walk, buildStatus: 'succeeded' }) : outcome;
    case 'on_failure':
      if (outcome !== 'failed') return outcome;
      return worst([outcome, await walkStep(hook, { ...walk, buildStatus: 'failed' })]);
    case 'on_error':
      if (outcome !== 'errored') return outcome;
      await walkStep(hook, { ...fresh(walk), buildStatus: 'errored' });
      return outcome;
    case 'on_abort':
      if (outcome !== 'aborted') return outcome;
      await walkStep(hook, { ...fresh(walk), buildStatus: 'aborted' });
      return outcome;
    case 'ensure':
      return worst([outcome, await walkStep(hook, walk.signal.aborted ? fresh(walk) : walk)]);
  }
}

/** Hooks that run because of an abort must not be aborted by it. */
function fresh(walk: Walk): Walk {
  return { ...walk, signal: new AbortController().signal };
}
