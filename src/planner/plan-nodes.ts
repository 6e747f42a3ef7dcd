import type { PlanNode, PlanStep } from '../model/index.js';

/** The step with each of its nodes replaced by what `map` gives for it, in the order in which they run. */
export function mapNodes(step: PlanStep, map: (node: PlanNode) => PlanNode): PlanStep {
  switch (step.kind) {
    case 'do':
    case 'in_parallel':
      return { ...step, steps: step.steps.map(map) };
    case 'retry':
      return { ...step, attempts: step.attempts.map(map) };
    case 'across':
      return { ...step, template: map(step.template) };
    case 'try':
    case 'timeout':
    case 'when':
      return { ...step, step: map(step.step) };
    case 'on_success':
    case 'on_failure':
    case 'on_error':
    case 'on_abort':
    case 'ensure': {
      const inner = map(step.step);
      return { ...step, step: inner, hook: map(step.hook) };
    }
    default:
      return step;
  }
}

/** A copy of the plan whose ids are `<prefix>/0`, `<prefix>/1`, … in the order in which its nodes run. */
export function renumberPlan(plan: PlanNode, prefix: string): PlanNode {
  const ids = new Map<string, string>();
  const renumber = ({ id, step }: PlanNode): PlanNode => {
    const fresh = `${prefix}/${ids.size}`;
    ids.set(id, fresh);
    const copy = mapNodes(step, renumber);
    const source = copy.kind === 'get' && copy.versionFrom !== undefined ? ids.get(copy.versionFrom) : undefined;
    return { id: fresh, step: copy.kind === 'get' && source !== undefined ? { ...copy, versionFrom: source } : copy };
  };
  return renumber(plan);
}
