import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { formatProblem, parsePipeline, parseTaskConfig, validatePipelineConfig } from '../../src/pipelines/index.js';
import { blocksIn, markdownPages } from './markdown.js';

/** Every `yaml` block is language of pipelines; other YAML is marked as `yml`. */
const examples = markdownPages().flatMap((page) =>
  blocksIn(page, 'yaml').map(({ text, line }) => [`${page}:${line}`, text] as const),
);

/** Sections that an example may show without the jobs around them. */
const SECTIONS = ['resources', 'resource_types', 'var_sources', 'groups', 'display'];

describe('the examples in the documentation', () => {
  it.each(examples)('%s is accepted by the server', (_place, text) => {
    expect(problemsOf(text)).toEqual([]);
  });
});

describe('reading an example', () => {
  it.each([
    ['a pipeline', 'jobs: [{name: a, plam: []}]', "unknown field 'plam'"],
    ['a list of steps', '- gett: a', 'no core step type declared'],
    ['a step deep in a list', '- try: {get: a, pased: []}', "unknown field 'pased'"],
    ['a task', 'platform: linux\nrunn: {}', "unknown field 'runn'"],
    ['resources', 'resources: [{name: a}]', 'has no type'],
    ['keys of a job', 'serial: true\nserail: true', "unknown field 'serail'"],
    ['a warning', '- in_parallel: {stepz: []}', "unknown field 'stepz' is ignored"],
  ])('finds the mistake in %s', (_what, text, mistake) => {
    expect(problemsOf(text).join('\n')).toContain(mistake);
  });
});

type Step = Readonly<Record<string, unknown>>;

/** What is wrong with an example: a pipeline, a task, steps, sections of a pipeline, or keys of a job. */
function problemsOf(text: string): string[] {
  const value = parse(text, { version: '1.1', merge: true }) as unknown;
  if (Array.isArray(value)) return told(validatePipelineConfig(pipelineAround(value as Step[])));
  const keys = Object.keys(value as object);
  if (keys.includes('jobs')) return told(parsePipeline(withResources(text, value as Sections)));
  if (keys.includes('platform')) return told(parseTaskConfig(text));
  if (keys.every((key) => SECTIONS.includes(key))) return told(validatePipelineConfig(withJob(value as Sections)));
  return told(validatePipelineConfig({ jobs: [{ name: 'job', ...(value as object) }] }));
}

function told({ problems, warnings }: ReturnType<typeof validatePipelineConfig>): string[];
function told({ problems, warnings }: ReturnType<typeof parseTaskConfig>): string[];
function told({
  problems,
  warnings,
}: Pick<ReturnType<typeof validatePipelineConfig>, 'problems' | 'warnings'>): string[] {
  return [...problems, ...warnings].map(formatProblem);
}

interface Sections {
  readonly resources?: readonly { readonly name: string }[];
  readonly jobs?: readonly { readonly plan?: readonly Step[] }[];
}

/** An example of jobs may leave out the resources that it uses. */
function withResources(text: string, { resources, jobs = [] }: Sections): string {
  if (resources !== undefined) return text;
  const used = [...new Set(jobs.flatMap((job) => resourcesIn(job)))];
  return `${text}\nresources: ${JSON.stringify(used.map((name) => ({ name, type: 'mock' })))}\n`;
}

/** A pipeline that has every resource and job which the steps name. */
function pipelineAround(plan: readonly Step[]): unknown {
  const resources = [...new Set(resourcesIn(plan))];
  const before = [...new Set(namesUnder(plan, ['passed']))].filter((name) => !name.includes('*'));
  const nightly = namesUnder(plan, ['passed']).some((name) => name.includes('*')) ? ['nightly-1'] : [];
  return {
    resources: resources.map((name) => ({ name, type: 'mock' })),
    jobs: [
      ...[...before, ...nightly].map((name) => ({ name, plan: resources.map((get) => ({ get })) })),
      { name: 'job', plan },
    ],
  };
}

function withJob(sections: Sections): unknown {
  const plan = (sections.resources ?? []).map(({ name }) => ({ get: name }));
  return { jobs: [{ name: 'job', plan }], ...sections };
}

/** Names of the resources of all gets and puts inside. */
function resourcesIn(value: unknown): string[] {
  if (value === null || typeof value !== 'object') return [];
  const { get, put, resource } = value as Step;
  const own = resource ?? get ?? put;
  const inner = Object.values(value).flatMap(resourcesIn);
  return typeof own === 'string' && (get !== undefined || put !== undefined) ? [own, ...inner] : inner;
}

/** Every text below these keys. */
function namesUnder(value: unknown, keys: readonly string[], isUnder = false): string[] {
  if (typeof value === 'string') return isUnder ? [value] : [];
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, item]) => namesUnder(item, keys, isUnder || keys.includes(key)));
}
