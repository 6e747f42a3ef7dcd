import {
  type GetStepConfig,
  type HookKind,
  type JobConfig,
  type JsonObject,
  type PipelineConfig,
  type PlanNode,
  type PlanStep,
  type PutStepConfig,
  type ResourceConfig,
  type ResourceTypeConfig,
  type StepConfig,
  type StepModifiers,
  type TaskStepConfig,
  type TypeChain,
  type Version,
} from '../model/index.js';
import { mapNodes } from './plan-nodes.js';

/** The job's config and the chosen versions do not make a plan. The message is for the person who wrote the pipeline. */
export class BuildPlanError extends Error {
  override readonly name = 'BuildPlanError';
}

/** Innermost first. */
const HOOKS: readonly HookKind[] = ['on_success', 'on_failure', 'on_abort', 'on_error', 'ensure'];

/**
 * The plan of one build: the job's steps with their modifiers unfolded into nodes, outermost first ensure, on_error,
 * on_abort, on_failure, on_success, across, attempts, timeout, all of them inside `when`. Pure and deterministic: equal arguments give equal ids.
 * @param versions the adopted version of each get step, by its name.
 * @throws BuildPlanError when a get has no version or a resource is unknown.
 */
export function makeBuildPlan(
  job: JobConfig,
  config: PipelineConfig,
  versions: ReadonlyMap<string, Version>,
): PlanNode {
  return withVersions(new PlanMaker(config, versions).job(job));
}

/** The plan of a check build: one step. */
export function makeCheckPlan(
  resource: ResourceConfig,
  config: PipelineConfig,
  from?: Version,
  shallow?: boolean,
): PlanNode {
  return new PlanMaker(config, new Map()).check(resource, from, shallow);
}

/** The plan with every condition knowing the versions of all gets, which are chosen before anything runs. */
function withVersions(plan: PlanNode): PlanNode {
  const versions: Record<string, Version> = {};
  let hasConditions = false;
  const collect = (node: PlanNode): PlanNode => {
    if (node.step.kind === 'get' && node.step.version) versions[node.step.name] = node.step.version;
    hasConditions ||= node.step.kind === 'when';
    mapNodes(node.step, collect);
    return node;
  };
  collect(plan);
  const tell = ({ id, step }: PlanNode): PlanNode => {
    const inner = mapNodes(step, tell);
    return { id, step: inner.kind === 'when' ? { ...inner, versions } : inner };
  };
  return hasConditions ? tell(plan) : plan;
}

type Tags = readonly string[] | undefined;

class PlanMaker {
  private count = 0;

  constructor(
    private readonly config: PipelineConfig,
    private readonly versions: ReadonlyMap<string, Version>,
  ) {}

  job(job: JobConfig): PlanNode {
    return this.conditional(job.when, () => this.hooked(job, job.tags, () => this.sequence(job.plan ?? [], job.tags)));
  }

  check(resource: ResourceConfig, from: Version | undefined, shallow: boolean | undefined): PlanNode {
    return this.node({
      kind: 'check',
      name: resource.name,
      resource: resource.name,
      ...this.typed(resource),
      ...given('from', from),
      ...given('shallow', shallow || undefined),
      ...given('timeout', resource.check_timeout),
      ...given('tags', resource.tags),
    });
  }

  private step(step: StepConfig, inherited: Tags): PlanNode {
    const tags = step.tags ?? inherited;
    return this.conditional(step.when, () => this.hooked(step, tags, () => this.across(step, tags)));
  }

  private conditional(condition: string | undefined, step: () => PlanNode): PlanNode {
    return condition === undefined
      ? step()
      : this.node(() => ({ kind: 'when', condition, versions: {}, step: step() }));
  }

  /** Hooks from the outside in, so that ids grow as the plan is read; a hook's ids come after those of its step. */
  private hooked(hooks: StepModifiers | JobConfig, tags: Tags, core: () => PlanNode): PlanNode {
    const present = HOOKS.filter((kind) => hooks[kind] !== undefined);
    const wrap = (depth: number): PlanNode => {
      const kind = present[depth];
      const hook = kind && hooks[kind];
      if (!kind || !hook) return core();
      return this.node(() => ({ kind, step: wrap(depth - 1), hook: this.step(hook, tags) }));
    };
    return wrap(present.length - 1);
  }

  private across(step: StepConfig, tags: Tags): PlanNode {
    if (step.across === undefined) return this.attempts(step, tags);
    const vars = step.across.map((v) => ({ name: v.var, values: v.values, maxInFlight: v.max_in_flight ?? 1 }));
    return this.node(() => ({
      kind: 'across',
      vars,
      failFast: step.fail_fast ?? false,
      template: this.attempts(step, tags),
    }));
  }

  private attempts(step: StepConfig, tags: Tags): PlanNode {
    if (step.attempts === undefined) return this.timed(step, tags);
    return this.node(() => ({
      kind: 'retry',
      attempts: Array.from({ length: step.attempts ?? 1 }, () => this.timed(step, tags)),
    }));
  }

  /** get, put and task keep their own timeout, whose clock starts with them; around the others it is a node. */
  private timed(step: StepConfig, tags: Tags): PlanNode {
    const { timeout } = step;
    if (timeout === undefined || 'get' in step || 'put' in step || 'task' in step) return this.core(step, tags);
    return this.node(() => ({ kind: 'timeout', duration: timeout, step: this.core(step, tags) }));
  }

  private core(step: StepConfig, tags: Tags): PlanNode {
    if ('run' in step) return this.node({ kind: 'run', message: step.run, type: step.type });
    if ('task' in step) return this.node(task(step, this.config, tags));
    if ('put' in step) return this.put(step, tags);
    if ('get' in step) return this.get(step, tags);
    if ('set_pipeline' in step) {
      return this.node({
        kind: 'set_pipeline',
        name: step.set_pipeline,
        file: step.file ?? '',
        ...given('team', step.team),
        ...given('vars', step.vars),
        ...given('varFiles', step.var_files),
        ...given('instanceVars', step.instance_vars),
      });
    }
    if ('load_var' in step) {
      return this.node({
        kind: 'load_var',
        name: step.load_var,
        file: step.file ?? '',
        reveal: step.reveal ?? false,
        ...given('format', step.format),
      });
    }
    if ('try' in step) return this.node(() => ({ kind: 'try', step: this.step(step.try, tags) }));
    if ('do' in step) return this.sequence(step.do, tags);
    const parallel = step.in_parallel;
    const { steps, limit, fail_fast } = isList(parallel) ? { steps: parallel } : parallel;
    return this.node(() => ({
      kind: 'in_parallel',
      steps: (steps ?? []).map((each) => this.step(each, tags)),
      ...(limit !== undefined && limit > 0 ? { limit } : {}),
      failFast: fail_fast ?? false,
    }));
  }

  private sequence(steps: readonly StepConfig[], tags: Tags): PlanNode {
    return this.node(() => ({ kind: 'do', steps: steps.map((each) => this.step(each, tags)) }));
  }

  private get(step: GetStepConfig, tags: Tags): PlanNode {
    const resource = this.resource(step.resource ?? step.get, `get '${step.get}'`);
    const version = this.versions.get(step.get);
    if (!version) throw new BuildPlanError(`no version was chosen for get '${step.get}' (resource '${resource.name}')`);
    return this.node({
      kind: 'get',
      name: step.get,
      resource: resource.name,
      ...this.typed(resource),
      version,
      ...given('params', step.params),
      ...given('timeout', step.timeout),
      ...given('tags', tags),
    });
  }

  /** A put fetches what it has just made, so that later steps can use it. */
  private put(step: PutStepConfig, tags: Tags): PlanNode {
    const resource = this.resource(step.resource ?? step.put, `put '${step.put}'`);
    const typed = this.typed(resource);
    const common = { ...given('timeout', step.timeout), ...given('tags', tags) };
    const put = (): PlanNode =>
      this.node({
        kind: 'put',
        name: step.put,
        resource: resource.name,
        ...typed,
        inputs: step.inputs ?? 'detect',
        ...given('params', step.params),
        ...common,
      });
    if (step.no_get) return put();
    return this.node(() => {
      const made = put();
      const hook = this.node({
        kind: 'get',
        name: step.put,
        resource: resource.name,
        ...typed,
        versionFrom: made.id,
        ...given('params', step.get_params),
        ...common,
      });
      return { kind: 'on_success', step: made, hook };
    });
  }

  private resource(name: string, who: string): ResourceConfig {
    const found = this.config.resources?.find((resource) => resource.name === name);
    if (!found) throw new BuildPlanError(`${who} uses the unknown resource '${name}'`);
    return found;
  }

  private typed(resource: ResourceConfig): TypedSource {
    return typedSource(resource, this.config.resource_types);
  }

  private node(make: PlanStep | (() => PlanStep)): PlanNode {
    const id = (++this.count).toString(16);
    return { id, step: typeof make === 'function' ? make() : make };
  }
}

function task(step: TaskStepConfig, config: PipelineConfig, tags: Tags): PlanStep {
  return {
    kind: 'task',
    name: step.task,
    privileged: step.privileged ?? false,
    hermetic: step.hermetic ?? false,
    ...given('config', step.config),
    ...given('file', step.file),
    ...given('image', step.image),
    ...given('vars', step.vars),
    ...given('params', step.params),
    ...given('inputMapping', step.input_mapping),
    ...given('outputMapping', step.output_mapping),
    ...given('limits', step.container_limits),
    ...given('resourceTypes', config.resource_types),
    ...given('timeout', step.timeout),
    ...given('tags', tags),
  };
}

/** Something with a type, as a plan has it. */
export interface TypedSource {
  readonly type: string;
  /** The type's defaults are in it. */
  readonly source: JsonObject;
  /** Absent for a type of the server. */
  readonly resourceTypes?: TypeChain;
}

/** Type, source with the type's defaults under it, and the chain of the pipeline's own types. */
export function typedSource(
  { type, source }: { readonly type: string; readonly source?: JsonObject },
  types: readonly ResourceTypeConfig[] | null | undefined,
): TypedSource {
  const chain = typeChain(type, types ?? []);
  const whole = { ...chain[0]?.defaults, ...source };
  return { type, source: whole, ...(chain.length > 0 ? { resourceTypes: chain } : {}) };
}

/** A type may shadow the server's type of the same name, so a name is followed at most once. */
function typeChain(name: string, types: readonly ResourceTypeConfig[]): TypeChain {
  const left = new Map(types.map((type) => [type.name, type]));
  const chain = [];
  for (let next = left.get(name); next; next = left.get(next.type)) {
    chain.push(next);
    left.delete(next.name);
  }
  return chain;
}

/** `{key: value}`, or nothing: absent keys stay absent in the stored plan. */
function given<Key extends string, Value>(key: Key, value: Value | undefined): { [K in Key]?: Value } {
  return value === undefined ? {} : ({ [key]: value } as { [K in Key]: Value });
}

function isList(value: unknown): value is readonly StepConfig[] {
  return Array.isArray(value);
}
