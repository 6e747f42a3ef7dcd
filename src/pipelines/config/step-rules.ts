import type {
  AcrossVarConfig,
  GetStepConfig,
  JobConfig,
  JobVarConfig,
  PipelineConfig,
  RunStepConfig,
  StepConfig,
  TaskStepConfig,
} from '../../model/index.js';
import type { Path } from './finding.js';
import { checkIdentifier, identifierFault } from './identifier.js';
import { isBrokenGlob, matchesName } from './name-glob.js';
import { passedNames, touchedResources } from './job-graph.js';
import { checkJobVars } from './job-vars.js';
import { hint, type Findings } from './shape.js';
import { hooksOf, innerSteps } from './steps.js';

/** What the rules of steps need to know about the whole pipeline. */
export interface Surroundings {
  readonly jobs: readonly string[];
  readonly resources: readonly string[];
  readonly prototypes: readonly string[];
  /** Job name to the resources it gets or puts. */
  readonly touched: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Gathers the names once, so that checking every step stays linear. */
export function surroundingsOf(config: PipelineConfig): Surroundings {
  const names = (items: readonly { readonly name: string }[] | undefined): string[] =>
    (items ?? []).flatMap((item) => (item.name === undefined ? [] : [item.name]));
  return {
    jobs: names(config.jobs),
    resources: names(config.resources),
    prototypes: names(config.prototypes),
    touched: new Map((config.jobs ?? []).map((job) => [job.name, touchedResources(job)])),
  };
}

/** Names of local vars that are declared so far, innermost scope last. */
type Scopes = readonly Set<string>[];

/** Checks every step of one job: the laws of pipeline-language §8 that concern steps. */
export class StepRules {
  private readonly gets = new Set<string>();
  private jobVars: ReadonlySet<string> = new Set();
  private requiredVars: readonly JobVarConfig[] = [];

  constructor(
    private readonly around: Surroundings,
    private readonly found: Findings,
  ) {}

  checkJob(job: JobConfig, at: Path): void {
    this.jobVars = checkJobVars(job.vars ?? [], [...at, 'vars'], this.found);
    this.requiredVars = (job.vars ?? []).filter(({ required }) => required === true);
    const scopes = [new Set(this.jobVars)];
    (job.plan ?? []).forEach((step, index) => this.checkStep(step, [...at, 'plan', index], scopes, false));
    for (const [name, hook] of hooksOf(job)) this.checkStep(hook, [...at, name], scopes, false);
  }

  private checkStep(step: StepConfig, at: Path, scopes: Scopes, isInAcross: boolean): void {
    const { across } = step;
    const inner = across === undefined ? scopes : [...scopes, this.declareAcross(across, [...at, 'across'], scopes)];
    this.checkCore(step, at, inner, isInAcross || across !== undefined);
    for (const { step: child, path } of innerSteps(step)) {
      const isHook = path.length === 1 && path[0] !== 'try';
      const [scope, nested] = isHook ? [scopes, isInAcross] : [inner, isInAcross || across !== undefined];
      this.checkStep(child, [...at, ...path], scope, nested);
    }
  }

  private checkCore(step: StepConfig, at: Path, scopes: Scopes, isInAcross: boolean): void {
    if ('run' in step) this.checkRun(step, at);
    else if ('task' in step) this.checkTask(step, at, isInAcross);
    else if ('get' in step) this.checkGet(step, at);
    else if ('put' in step) {
      checkIdentifier(step.put, [...at, 'put'], this.found);
      this.checkResource(step, step.put, [...at, 'put'], at);
      if (step.no_get !== true) this.checkMetadataVar(step.put, [...at, 'put']);
    } else if ('set_pipeline' in step) {
      if (!isInAcross) checkIdentifier(step.set_pipeline, [...at, 'set_pipeline'], this.found);
      if (step.set_pipeline.includes('/'))
        this.found.problem([...at, 'set_pipeline'], "a pipeline name cannot hold '/'");
      if (step.file === undefined) this.found.problem([...at, 'set_pipeline'], 'no file specified');
    } else if ('load_var' in step) {
      checkIdentifier(step.load_var, [...at, 'load_var'], this.found);
      if (step.file === undefined) this.found.problem([...at, 'load_var'], 'no file specified');
      this.declare(step.load_var, [...at, 'load_var'], scopes);
    }
  }

  private checkGet(step: GetStepConfig, at: Path): void {
    const place = [...at, 'get'];
    checkIdentifier(step.get, place, this.found);
    if (this.gets.has(step.get)) this.found.problem(place, `repeated name '${step.get}'`);
    this.gets.add(step.get);
    this.checkMetadataVar(step.get, place);
    if (step.trigger === true) this.checkTrigger([...at, 'trigger']);
    const resource = this.checkResource(step, step.get, place, at);
    for (const { name, path } of passedNames(step.passed)) {
      this.checkPassed(name, resource, [...at, 'passed', ...path]);
    }
  }

  /** What a get says of its version becomes a local var of its name. */
  private checkMetadataVar(name: string, at: Path): void {
    if (!this.jobVars.has(name)) return;
    this.found.problem(at, `repeated var name '${name}'`, {
      hint: 'the job has a var of that name, which the metadata of the get would replace',
    });
  }

  private checkTrigger(at: Path): void {
    if (this.requiredVars.length === 0) return;
    const names = this.requiredVars.map(({ name }) => `'${name}'`).join(', ');
    this.found.problem(at, `nobody gives an automatic build the required var ${names}`, {
      hint: "give the var a default instead of 'required', or leave the trigger out",
    });
  }

  /** @returns the resource's name, or undefined when there is no such resource. */
  private checkResource(step: { readonly resource?: string }, name: string, place: Path, at: Path): string | undefined {
    const resource = step.resource ?? name;
    if (this.around.resources.includes(resource)) return resource;
    const where = step.resource === undefined ? place : [...at, 'resource'];
    this.found.problem(where, `unknown resource '${resource}'`, hint(resource, this.around.resources));
    return undefined;
  }

  private checkPassed(name: string, resource: string | undefined, at: Path): void {
    if (isBrokenGlob(name)) {
      this.found.problem(at, `invalid glob expression '${name}'`);
      return;
    }
    const matched = this.around.jobs.filter((job) => matchesName(name, job));
    if (matched.length === 0) this.found.problem(at, `unknown job '${name}'`, hint(name, this.around.jobs));
    if (resource === undefined) return;
    for (const job of matched.filter((other) => !this.around.touched.get(other)?.has(resource))) {
      this.found.problem(at, `job '${job}' does not interact with resource '${resource}'`);
    }
  }

  private checkTask(step: TaskStepConfig, at: Path, isInAcross: boolean): void {
    const place = [...at, 'task'];
    if (!isInAcross) checkIdentifier(step.task, place, this.found);
    if (step.file === undefined && step.config === undefined) {
      this.found.problem(place, 'must specify either `file:` or `config:`');
    } else if (step.file !== undefined && step.config !== undefined) {
      this.found.problem(place, 'must specify one of `file:` or `config:`, not both');
    }
    if (step.config !== undefined) checkTaskConfig(step.config, [...at, 'config'], this.found);
    if (step.image !== undefined && step.config?.image_resource !== undefined) {
      this.found.warn(
        'pipeline',
        [...at, 'image'],
        'specifies an image artifact to use as the container image, but also specifies an image resource in its task config: the artifact wins',
      );
    }
    if (step.hermetic === true) {
      this.found.warn('pipeline', [...at, 'hermetic'], 'only some runtimes can cut a task off the network');
    }
  }

  private checkRun(step: RunStepConfig, at: Path): void {
    const place = [...at, 'run'];
    const fault = identifierFault(step.run ?? '');
    if (fault !== undefined) this.found.problem(place, fault);
    if (step.type === undefined) this.found.problem(place, 'no prototype type specified');
    else if (!this.around.prototypes.includes(step.type)) {
      this.found.problem([...at, 'type'], `unknown prototype '${step.type}'`, hint(step.type, this.around.prototypes));
    }
  }

  private declareAcross(vars: readonly AcrossVarConfig[], at: Path, scopes: Scopes): Set<string> {
    const own = new Set<string>();
    if (vars.length === 0) this.found.problem(at, 'no vars specified');
    vars.forEach(({ var: name }, index) => {
      if (name === undefined) return;
      checkIdentifier(name, [...at, index, 'var'], this.found);
      this.declare(name, [...at, index, 'var'], [...scopes, own]);
    });
    return own;
  }

  private declare(name: string, at: Path, scopes: Scopes): void {
    if (name === '') return;
    const own = scopes.at(-1);
    if (own?.has(name)) this.found.problem(at, `repeated var name '${name}'`);
    else if (scopes.some((scope) => scope.has(name))) {
      this.found.warn('var_shadowed', at, `shadows local var '${name}'`);
    }
    own?.add(name);
  }
}

/** The laws of a task config that span fields. */
export function checkTaskConfig(config: NonNullable<TaskStepConfig['config']>, at: Path, found: Findings): void {
  for (const kind of ['inputs', 'outputs'] as const) {
    (config[kind] ?? []).forEach((item, index) => {
      if ((item.name ?? '') === '') {
        found.problem([...at, kind, index], `${kind.slice(0, -1)} in position ${index} is missing a name`);
      }
    });
  }
}
