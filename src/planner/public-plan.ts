import type { PlanNode, PlanStep } from '../model/index.js';

/** A plan node as watchers see it: `{id, <kind>: {...}}`, without sources, params or credentials. */
export type PublicPlan = { readonly id: string } & Readonly<Record<string, unknown>>;

/** The plan in the shape of the wire contract (design: concourse-api §4.1). */
export function publicPlan(plan: PlanNode): PublicPlan {
  // Clients know no conditions; they see the step that may be skipped.
  if (plan.step.kind === 'when') return publicPlan(plan.step.step);
  return { id: plan.id, [plan.step.kind]: content(plan.step) };
}

function content(step: PlanStep): unknown {
  switch (step.kind) {
    case 'do':
      return step.steps.map(publicPlan);
    case 'retry':
      return step.attempts.map(publicPlan);
    case 'in_parallel':
      return {
        steps: step.steps.map(publicPlan),
        ...(step.limit === undefined ? {} : { limit: step.limit }),
        ...(step.failFast ? { fail_fast: true } : {}),
      };
    case 'across':
      return { vars: step.vars.map(({ name }) => ({ name })), ...(step.failFast ? { fail_fast: true } : {}) };
    case 'get':
      return { name: step.name, type: step.type, resource: step.resource, version: step.version };
    case 'put':
      return { name: step.name, type: step.type, resource: step.resource };
    case 'check':
      return { name: step.name, type: step.type };
    case 'task':
      return { name: step.name, privileged: step.privileged, hermetic: step.hermetic };
    case 'run':
      return { message: step.message, type: step.type, privileged: false };
    case 'set_pipeline':
      return { name: step.name, team: step.team ?? '', instance_vars: step.instanceVars };
    case 'load_var':
      return { name: step.name };
    case 'artifact_input':
      return { artifact_id: step.artifactId, name: step.name };
    case 'artifact_output':
      return { name: step.name };
    case 'try':
      return { step: publicPlan(step.step) };
    case 'when':
      return { step: publicPlan(step.step) };
    case 'timeout':
      return { step: publicPlan(step.step), duration: step.duration };
    default:
      return { step: publicPlan(step.step), [step.kind]: publicPlan(step.hook) };
  }
}
