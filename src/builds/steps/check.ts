import type { CheckPlan, PlanNode } from '../../model/index.js';
import type { Walk } from '../build-run.js';
import { runInProcess } from '../in-process.js';
import { beginOnce, interrupted, runLeaf, withDeadline, type LeafEnd } from '../leaf.js';
import type { Outcome } from '../outcome.js';

/** Checks the build's resource through the checking room, which saves what is found. */
export function checkStep(node: PlanNode, plan: CheckPlan, walk: Walk): Promise<Outcome> {
  return runLeaf<never>(node, walk, { run: () => check(node, plan, walk) });
}

async function check(node: PlanNode, plan: CheckPlan, walk: Walk): Promise<LeafEnd<never>> {
  const { run } = walk;
  const { checkRunner } = run.parts;
  const { resourceId } = run.build;
  const { step } = await beginOnce(node, walk, { timeout: plan.timeout }, () => [
    { event: 'initialize-check', data: { ...run.at(node.id), name: plan.name } },
    { event: 'start', data: run.at(node.id) },
  ]);
  if (!checkRunner) throw new Error('this server checks no resources');
  if (resourceId === undefined) throw new Error('a check step needs the build of a resource');
  return withDeadline(step, walk, async (deadline) => {
    const end = await runInProcess(node, walk, deadline, (running) =>
      checkRunner.runCheck(resourceId, {
        ...running,
        from: plan.from,
        hide: (secrets) => run.redactor.add(secrets),
      }),
    );
    if (end.kind === 'interrupted') return interrupted(node, walk, deadline, end.lastEvents);
    const succeeded = end.kind === 'done';
    return {
      outcome: succeeded ? 'succeeded' : 'failed',
      events: [...end.lastEvents, { event: 'finish', data: { ...run.at(node.id), succeeded } }],
    };
  });
}
