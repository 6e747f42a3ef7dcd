import type { CheckPlan, PlanNode, Version } from '../../model/index.js';
import { parseInput } from '../../resources/index.js';
import type { Walk } from '../build-run.js';
import { runInProcess } from '../in-process.js';
import { beginOnce, interrupted, runLeaf, withDeadline, type LeafEnd } from '../leaf.js';
import type { Outcome } from '../outcome.js';
import { readyResource, stepContext } from '../resource-step.js';

interface Running {
  readonly signal: AbortSignal;
  readonly log: (text: string) => void;
}

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
  const work =
    resourceId === undefined
      ? (running: Running) => checkUnsaved(node, plan, walk, running)
      : (running: Running) =>
          checkRunner.runCheck(resourceId, {
            ...running,
            from: plan.from,
            ...(plan.shallow ? { shallow: true } : {}),
            hide: (secrets) => run.redactor.add(secrets),
          });
  return withDeadline(step, walk, async (deadline) => {
    const end = await runInProcess<readonly Version[]>(node, walk, deadline, work);
    if (end.kind === 'interrupted') return interrupted(node, walk, deadline, end.lastEvents);
    const succeeded = end.kind === 'done';
    return {
      outcome: succeeded ? 'succeeded' : 'failed',
      events: [...end.lastEvents, { event: 'finish', data: { ...run.at(node.id), succeeded } }],
    };
  });
}

/** A check whose versions belong to no resource, such as that of a resource type's image: it says what it found. */
async function checkUnsaved(
  node: PlanNode,
  plan: CheckPlan,
  walk: Walk,
  running: Running,
): Promise<readonly Version[]> {
  const resource = await readyResource(plan, walk);
  const source = parseInput(resource.type.schema.source, resource.source, `source of '${plan.name}'`);
  const request = { source, ...(plan.from === undefined ? {} : { version: plan.from }) };
  const versions = await resource.type.check(await stepContext(node, resource, walk, running), request);
  await walk.run.parts.customTypes.noteImageVersions(resource.type, resource.source, versions);
  for (const version of versions) running.log(`found ${JSON.stringify(version)}\n`);
  return versions;
}
