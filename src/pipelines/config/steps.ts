import type { JobConfig, StepConfig, StepHooks } from '../../model/index.js';

/** The hooks of steps and jobs, in the order in which a plan is walked. */
export const HOOKS = ['on_success', 'on_failure', 'on_error', 'on_abort', 'ensure'] as const;

/** A step and where it stands, as keys and indexes from the config's top. */
export interface PlacedStep {
  readonly step: StepConfig;
  readonly path: readonly (string | number)[];
}

/** Every step of the job, in plan order: a step, the steps inside it, its hooks; the job's own hooks come last. */
export function stepsOf(job: JobConfig): StepConfig[] {
  return [...(job.plan ?? []).flatMap(withInner), ...hooksOf(job).flatMap(([, hook]) => withInner(hook))];
}

/** The steps directly inside a step, hooks last, each with the keys that lead to it. */
export function innerSteps(step: StepConfig): PlacedStep[] {
  return [...coreSteps(step), ...hooksOf(step).map(([name, hook]) => ({ step: hook, path: [name] }))];
}

export function hooksOf(owner: StepHooks): [(typeof HOOKS)[number], StepConfig][] {
  return HOOKS.flatMap((name) => {
    const hook = owner[name];
    return hook === undefined ? [] : [[name, hook] as [typeof name, StepConfig]];
  });
}

function coreSteps(step: StepConfig): PlacedStep[] {
  if ('do' in step) return step.do.map((inner, index) => ({ step: inner, path: ['do', index] }));
  if ('try' in step) return [{ step: step.try, path: ['try'] }];
  if (!('in_parallel' in step)) return [];
  const list = step.in_parallel;
  if (isList(list)) return list.map((inner, index) => ({ step: inner, path: ['in_parallel', index] }));
  return (list.steps ?? []).map((inner, index) => ({ step: inner, path: ['in_parallel', 'steps', index] }));
}

function isList<Item>(value: readonly Item[] | object): value is readonly Item[] {
  return Array.isArray(value);
}

function withInner(step: StepConfig): StepConfig[] {
  return [step, ...innerSteps(step).flatMap((inner) => withInner(inner.step))];
}
