import type { BuildEvent, PlanNode, PlanStep } from '../../model/index.js';
import { evaluateCondition } from '../../pipelines/index.js';
import type { StepWalker, Walk } from '../build-run.js';
import { beginOnce, runLeaf, type LeafEnd } from '../leaf.js';
import type { Outcome } from '../outcome.js';

type WhenPlan = Extract<PlanStep, { kind: 'when' }>;

/** Runs the step if its condition is true, else it is skipped. What was decided stands, also after a restart. */
export async function whenStep(node: PlanNode, plan: WhenPlan, walk: Walk, walkStep: StepWalker): Promise<Outcome> {
  const known = walk.run.journal.step(node.id);
  if (known?.outcome && known.outcome !== 'skipped') {
    // Over already: walked once more only for what the steps inside have made. None of them can begin now.
    await walkStep(plan.step, { ...walk, signal: AbortSignal.abort() });
  }
  return runLeaf<never>(node, walk, {
    run: async () => {
      const { scope } = walk;
      const world = { vars: scope.localVars(), versions: plan.versions, results: scope.results() };
      // One that began was wanted.
      if (!known && !evaluateCondition(plan.condition, world)) return skipped(plan, walk);
      await beginOnce(node, walk, {}, () => []);
      return { outcome: await walkStep(plan.step, walk) };
    },
  });
}

/** Clients that know nothing of conditions see steps that finished, and why in their logs. */
function skipped({ condition, step }: WhenPlan, walk: Walk): LeafEnd<never> {
  const { run } = walk;
  const events = shownNodes(step).flatMap(({ id }): BuildEvent[] => [
    { event: 'initialize', data: run.at(id) },
    run.logEvent(id, `skipped: its condition is false: ${condition}`),
    { event: 'finish', data: { ...run.at(id), succeeded: true } },
  ]);
  return { outcome: 'skipped', events };
}

/** The steps that a person would see run, hooks not among them. */
function shownNodes(node: PlanNode): PlanNode[] {
  const { step } = node;
  switch (step.kind) {
    case 'do':
    case 'in_parallel':
      return step.steps.flatMap(shownNodes);
    case 'retry':
      return step.attempts.slice(0, 1).flatMap(shownNodes);
    case 'across':
      return [node];
    default:
      return 'step' in step ? shownNodes(step.step) : [node];
  }
}
