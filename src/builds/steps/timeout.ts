import type { PlanNode } from '../../model/index.js';
import type { StepWalker, Walk } from '../build-run.js';
import { beginOnce, runLeaf, withDeadline } from '../leaf.js';
import type { Outcome } from '../outcome.js';

/** Interrupts what is inside when the time is over, and then fails. The deadline outlives a restart. */
export async function timeoutStep(
  node: PlanNode,
  plan: { readonly step: PlanNode; readonly duration: string },
  walk: Walk,
  walkStep: StepWalker,
): Promise<Outcome> {
  if (walk.run.journal.step(node.id)?.outcome) {
    // Over already: walked once more only for what the steps inside have made. None of them can begin now.
    await walkStep(plan.step, { ...walk, signal: AbortSignal.abort() });
  }
  return runLeaf<never>(node, walk, {
    run: async () => {
      const { step } = await beginOnce(node, walk, { timeout: plan.duration }, () => []);
      return withDeadline(step, walk, async (deadline) => {
        const outcome = await walkStep(plan.step, { ...walk, signal: deadline.signal });
        if (outcome !== 'aborted' || !deadline.hasPassed) return { outcome };
        return { outcome: 'failed', events: [walk.run.errorEvent(node.id, 'timeout exceeded')] };
      });
    },
  });
}
