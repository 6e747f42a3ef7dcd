import type { JsonValue, PlanNode, PlanStep } from '../../model/index.js';
import { publicPlan, renumberPlan } from '../../planner/index.js';
import type { StepWalker, Walk } from '../build-run.js';
import { fillLocalVars, fillVars } from '../fill-vars.js';
import { beginOnce, runLeaf } from '../leaf.js';
import { isGood, type Outcome } from '../outcome.js';
import { runTogether } from './composites.js';

type AcrossPlan = Extract<PlanStep, { kind: 'across' }>;

/** The combinations, fixed when the step begins, so that a restart cannot change them. */
interface AcrossBegin {
  readonly combinations: readonly (readonly JsonValue[])[];
  readonly limit: number;
}

/** Runs the step once for every combination of the vars' values, each in a scope of its own. */
export function acrossStep(node: PlanNode, plan: AcrossPlan, walk: Walk, walkStep: StepWalker): Promise<Outcome> {
  const { run } = walk;
  return runLeaf<never>(node, walk, {
    run: async () => {
      const known = run.journal.step(node.id);
      const begin = (known?.result as AcrossBegin | undefined) ?? (await combine(plan, walk));
      const substeps = begin.combinations.map((values, index) => substep(node.id, plan, values, index, walk));
      await beginOnce(node, walk, { result: begin }, () => [
        { event: 'initialize', data: run.at(node.id) },
        { event: 'start', data: run.at(node.id) },
        {
          event: 'across-substeps',
          data: {
            ...run.at(node.id),
            substeps: substeps.map(({ step }, index) => ({
              step: publicPlan(step),
              values: begin.combinations[index] ?? [],
            })),
          },
        },
      ]);
      const bodies = substeps.map(
        ({ step, scope }) =>
          (inner: Walk): Promise<Outcome> =>
            walkStep(step, { ...inner, scope }),
      );
      const outcome = await runTogether(bodies, walk, { limit: begin.limit, failFast: plan.failFast });
      return {
        outcome,
        events: [{ event: 'finish', data: { ...run.at(node.id), succeeded: isGood(outcome) } }],
      };
    },
  });
}

/** Every combination, the first var changing slowest. */
async function combine(plan: AcrossPlan, walk: Walk): Promise<AcrossBegin> {
  let combinations: JsonValue[][] = [[]];
  let limit = 1;
  for (const { name, values, maxInFlight } of plan.vars) {
    const list = await fillVars(values, walk);
    if (!Array.isArray(list)) throw new Error(`the values of across var '${name}' are not a list`);
    combinations = combinations.flatMap((combination) => list.map((value: JsonValue) => [...combination, value]));
    limit *= maxInFlight === 'all' ? list.length : maxInFlight;
  }
  return { combinations, limit: Math.max(1, limit) };
}

function substep(
  id: string,
  plan: AcrossPlan,
  values: readonly JsonValue[],
  index: number,
  walk: Walk,
): { step: PlanNode; scope: Walk['scope'] } {
  const scope = walk.scope.inner();
  plan.vars.forEach(({ name }, place) => scope.setLocalVar(name, values[place] ?? null));
  return { step: fillLocalVars(renumberPlan(plan.template, `${id}/${index}`), { ...walk, scope }), scope };
}
