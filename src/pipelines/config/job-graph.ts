import type { GetStepConfig, JobConfig, PassedConfig, PassedTerm, PipelineConfig, Version } from '../../model/index.js';
import { matchesName } from './name-glob.js';
import { stepsOf } from './steps.js';

/** Which jobs a version must have passed, by name, globs expanded. */
export type PassedJobs =
  { readonly job: string } | { readonly all: readonly PassedJobs[] } | { readonly any: readonly PassedJobs[] };

/** A get step of a job: what the planner must find a version for. */
export interface JobInput {
  /** The step's name, unique in the job. */
  readonly name: string;
  readonly resource: string;
  readonly trigger: boolean;
  /** null: any version will do. */
  readonly passed: PassedJobs | null;
  readonly version: 'latest' | 'every' | Version;
}

/** A put step of a job. */
export interface JobOutput {
  readonly name: string;
  readonly resource: string;
}

/** Every get of the job, in hooks and nested ones too, in plan order. */
export function jobInputs(job: JobConfig, config: PipelineConfig): JobInput[] {
  const names = config.jobs.map((other) => other.name);
  return stepsOf(job).flatMap((step) => ('get' in step ? [toInput(step, names)] : []));
}

/** Every put of the job, in hooks and nested ones too, in plan order. */
export function jobOutputs(job: JobConfig): JobOutput[] {
  return stepsOf(job).flatMap((step) =>
    'put' in step ? [{ name: step.put, resource: step.resource ?? step.put }] : [],
  );
}

/** Names in `passed`, each once, in the order written. */
export function jobsIn(passed: PassedJobs | null): string[] {
  if (passed === null) return [];
  if ('job' in passed) return [passed.job];
  return [...new Set(('all' in passed ? passed.all : passed.any).flatMap(jobsIn))];
}

/** The resources that the job gets or puts. Only a job that touches a resource can vouch for its versions. */
export function touchedResources(job: JobConfig): ReadonlySet<string> {
  const names = stepsOf(job).flatMap((step) => {
    if ('get' in step) return [step.resource ?? step.get];
    return 'put' in step ? [step.resource ?? step.put] : [];
  });
  return new Set(names);
}

/** Every name or glob in a `passed`, as written, with the keys that lead to it. */
export function passedNames(
  passed: GetStepConfig['passed'],
): { readonly name: string; readonly path: readonly (string | number)[] }[] {
  if (passed === undefined) return [];
  if (isList(passed)) return passed.flatMap((term, index) => termNames(term, [index]));
  return termNames(passed, []);
}

function termNames(term: PassedTerm, path: readonly (string | number)[]): ReturnType<typeof passedNames> {
  if (typeof term === 'string') return [{ name: term, path }];
  const [many, terms] = 'all' in term ? (['all', term.all] as const) : (['any', term.any] as const);
  return (terms ?? []).flatMap((inner, index) => termNames(inner, [...path, many, index]));
}

/** The names among `jobs` that the terms of a `passed` mean. null: it asks for nothing. */
export function expandPassed(passed: GetStepConfig['passed'], jobs: readonly string[]): PassedJobs | null {
  if (passed === undefined) return null;
  return simplify(expand(isList(passed) ? { all: passed } : passed, jobs));
}

function isList(passed: PassedConfig): passed is readonly PassedTerm[] {
  return Array.isArray(passed);
}

function expand(
  term: PassedTerm,
  jobs: readonly string[],
): { readonly many: 'all' | 'any'; readonly of: readonly PassedJobs[] } {
  if (typeof term === 'string') {
    return { many: 'all', of: jobs.filter((job) => matchesName(term, job)).map((job) => ({ job })) };
  }
  const many = 'all' in term ? 'all' : 'any';
  const of = (('all' in term ? term.all : term.any) ?? []).flatMap((inner) => {
    // A glob stands for each of its jobs, so under `any` one of them is enough.
    const expanded = expand(inner, jobs);
    if (typeof inner === 'string') return expanded.of;
    const simple = simplify(expanded);
    return simple === null ? [] : [simple];
  });
  return { many, of };
}

function simplify({ many, of }: ReturnType<typeof expand>): PassedJobs | null {
  const distinct = [...new Map(of.map((term) => [JSON.stringify(term), term])).values()];
  if (distinct.length <= 1) return distinct[0] ?? null;
  return many === 'all' ? { all: distinct } : { any: distinct };
}

function toInput(step: GetStepConfig, jobs: readonly string[]): JobInput {
  return {
    name: step.get,
    resource: step.resource ?? step.get,
    trigger: step.trigger ?? false,
    passed: expandPassed(step.passed, jobs),
    version: step.version ?? 'latest',
  };
}
