import type { GroupConfig, JobConfig, PipelineConfig, ResourceConfig } from '../../model/index.js';
import { varsIn } from '../vars/index.js';
import { findCycle } from './cycle.js';
import type { Path } from './finding.js';
import { checkIdentifier } from './identifier.js';
import { isBrokenGlob, isGlob, matchesName } from './name-glob.js';
import { hint, type Findings } from './shape.js';
import { expandPassed, jobsIn } from './job-graph.js';
import { StepRules, surroundingsOf, type Surroundings } from './step-rules.js';
import { stepsOf } from './steps.js';
import { checkVarSource } from './var-source-schema.js';

/**
 * The laws of a pipeline that span fields (pipeline-language §8). Works on what could be read, so items may lack
 * fields that the type promises; reading has noted those already.
 */
export function checkPipeline(config: PipelineConfig, found: Findings): void {
  const around = surroundingsOf(config);
  checkNames(config, found);
  checkUse(config.resources ?? [], around, found);
  checkVarSources(config, found);
  checkJobs(config, around, found);
  checkGroups(config.groups, around, found);
  checkDisplay(config.display, found);
}

interface Named {
  readonly name?: string;
}

function checkNames(config: PipelineConfig, found: Findings): void {
  const sections: readonly (readonly [string, readonly Named[]])[] = [
    ['resources', config.resources ?? []],
    ['resource_types', config.resource_types ?? []],
    ['prototypes', config.prototypes ?? []],
    ['var_sources', config.var_sources ?? []],
    ['jobs', config.jobs ?? []],
    ['groups', config.groups ?? []],
  ];
  const typeNames = new Map<string, string>();
  for (const [section, items] of sections) {
    // Resource types and prototypes are looked up by one name.
    const seen = section === 'resource_types' || section === 'prototypes' ? typeNames : new Map<string, string>();
    items.forEach(({ name }, index) => {
      if (name === undefined) return;
      const at = [section, index, 'name'];
      checkIdentifier(name, at, found);
      const first = seen.get(name);
      if (first !== undefined) found.problem(at, `${first} and ${section}[${index}] have the same name ('${name}')`);
      else seen.set(name, `${section}[${index}]`);
    });
  }
}

function checkUse(resources: readonly ResourceConfig[], around: Surroundings, found: Findings): void {
  const used = new Set([...around.touched.values()].flatMap((names) => [...names]));
  resources.forEach(({ name }, index) => {
    if (name !== undefined && !used.has(name)) found.problem(['resources', index], `resource '${name}' is not used`);
  });
}

function checkVarSources(config: PipelineConfig, found: Findings): void {
  const sources = config.var_sources ?? [];
  const names = new Set(sources.map((source) => source.name));
  sources.forEach((source, index) => checkVarSource(source, ['var_sources', index], found));
  warnOfTokens(config, found);
  const needs = new Map(
    sources.map((source) => [
      source.name,
      varsIn(source.config ?? {}).flatMap((reference) =>
        reference.source !== undefined && names.has(reference.source) ? [reference.source] : [],
      ),
    ]),
  );
  reportCycles(needs, (name, cycle) => {
    const index = sources.findIndex((source) => source.name === name);
    found.problem(['var_sources', index], 'could not resolve inter-dependent var sources', { hint: cycle });
  });
}

/** The token is another at every check, and so is the source of the resource. */
function warnOfTokens({ resources = [], var_sources: sources = [] }: PipelineConfig, found: Findings): void {
  const tokens = sources.filter(({ type }) => type === 'idtoken').map(({ name }) => name);
  resources.forEach(({ source }, index) => {
    const used = varsIn(source ?? {}).find((reference) => tokens.includes(reference.source ?? ''));
    if (used === undefined) return;
    found.warn('pipeline', ['resources', index, 'source'], `((${used.text})) is a new token at every check`, {
      hint: 'each begins a new version history: use it in params and tasks',
    });
  });
}

function checkJobs(config: PipelineConfig, around: Surroundings, found: Findings): void {
  const jobs = config.jobs ?? [];
  if (jobs.length === 0)
    found.problem(config.jobs === undefined ? [] : ['jobs'], 'pipeline must contain at least one job');
  jobs.forEach((job, index) => {
    checkRetention(job, ['jobs', index], found);
    new StepRules(around, found).checkJob(job, ['jobs', index]);
  });
  const upstream = new Map(jobs.map((job) => [job.name, upstreamOf(job, around.jobs)]));
  reportCycles(upstream, (name, cycle) => {
    const index = jobs.findIndex((job) => job.name === name);
    found.problem(['jobs', index], `pipeline contains a cycle that starts at job '${name}'`, { hint: cycle });
  });
}

function upstreamOf(job: JobConfig, jobs: readonly string[]): string[] {
  return stepsOf(job).flatMap((step) => ('get' in step ? jobsIn(expandPassed(step.passed, jobs)) : []));
}

/** Tells every cycle that shares no name with one told before. */
function reportCycles(
  edges: ReadonlyMap<string, readonly string[]>,
  report: (first: string, cycle: string) => void,
): void {
  const left = new Map(edges);
  for (let cycle = findCycle(left); cycle !== undefined; cycle = findCycle(left)) {
    const [first] = cycle;
    if (first === undefined) return;
    report(first, [...cycle, first].join(' needs '));
    for (const name of cycle) left.delete(name);
  }
}

function checkRetention(job: JobConfig, at: Path, found: Findings): void {
  const { build_log_retention: retention, build_logs_to_retain: legacy } = job;
  if (legacy !== undefined) {
    const place = [...at, 'build_logs_to_retain'];
    found.warn('deprecated_field', place, 'build_logs_to_retain is deprecated', {
      hint: 'use build_log_retention: {builds: …}',
    });
    if (retention !== undefined) found.problem(place, 'cannot use both build_log_retention and build_logs_to_retain');
    if (legacy < 0) found.problem(place, `must not be negative: ${legacy}`);
  }
  for (const [name, value] of Object.entries<number>(retention ?? {})) {
    if (value < 0) found.problem([...at, 'build_log_retention', name], `must not be negative: ${value}`);
  }
  const { builds = 0, minimum_succeeded_builds: least = 0 } = retention ?? {};
  if (builds > 0 && least > builds) {
    const place = [...at, 'build_log_retention', 'minimum_succeeded_builds'];
    found.problem(place, `minimum_succeeded_builds (${least}) must not be greater than builds (${builds})`);
  }
}

function checkGroups(groups: readonly GroupConfig[] | undefined, around: Surroundings, found: Findings): void {
  if (groups === undefined || groups.length === 0) return;
  groups.forEach((group, index) => {
    (group.jobs ?? []).forEach((pattern, position) => {
      const at = ['groups', index, 'jobs', position];
      if (isBrokenGlob(pattern)) found.problem(at, `invalid glob expression '${pattern}' for group '${group.name}'`);
      else if (!around.jobs.some((job) => matchesName(pattern, job))) {
        const message = isGlob(pattern)
          ? `no jobs match '${pattern}' for group '${group.name}'`
          : `unknown job '${pattern}'`;
        found.problem(at, message, hint(pattern, around.jobs));
      }
    });
    (group.resources ?? []).forEach((name, position) => {
      if (around.resources.includes(name)) return;
      const at = ['groups', index, 'resources', position];
      found.problem(at, `unknown resource '${name}'`, hint(name, around.resources));
    });
  });
  const patterns = [...new Set(groups.flatMap((group) => group.jobs ?? []))];
  around.jobs.forEach((job, index) => {
    if (!patterns.some((pattern) => matchesName(pattern, job))) {
      found.problem(['jobs', index], `job '${job}' belongs to no group`, {
        hint: 'with groups, every job must be in one',
      });
    }
  });
}

function checkDisplay(display: PipelineConfig['display'], found: Findings): void {
  const image = display?.background_image;
  if (image === undefined) return;
  const at = ['display', 'background_image'];
  if (!URL.canParse(image, 'http://relative')) found.problem(at, `'${image}' is not a URL`);
  else if (!['http:', 'https:'].includes(new URL(image, 'http://relative').protocol)) {
    found.problem(at, 'background_image scheme must be either http, https or relative');
  }
}
