import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { formatProblem, parsePipeline, parseTaskConfig, validatePipelineConfig } from '../../src/pipelines/index.js';
import { ResourceTypeRegistry } from '../../src/resources/registry.js';
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
    expect(faultsOfTypes(parse(text, { version: '1.1', merge: true }))).toEqual([]);
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

describe('sources and params in an example', () => {
  it.each([
    ['a source', '{resources: [{name: a, type: git, source: {url: x}}]}', 'source of a'],
    [
      'an image',
      '{platform: linux, image_resource: {type: registry-image, source: {repo: x}}}',
      'source of registry-image',
    ],
    [
      'params of a get',
      '{resources: [{name: a, type: time, source: {interval: 1h}}], plan: [{get: a, params: {x: 1}}]}',
      'params of get "a"',
    ],
  ])('are those of the type: %s', (_what, text, place) => {
    expect(faultsOfTypes(parse(text)).join('\n')).toContain(place);
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

interface Typed {
  readonly name?: string;
  readonly type?: string;
  readonly source?: unknown;
}

const registry = new ResourceTypeRegistry();

/** What built-in types say of the sources and params in an example. Vars may be anything. */
function faultsOfTypes(example: unknown): string[] {
  const { resources = [], resource_types: own = [] } = (example ?? {}) as Record<string, readonly Typed[] | undefined>;
  const typeOf = (name: unknown): string | undefined => resources.find((each) => each.name === name)?.type;
  const schemaOf = (type: unknown): ReturnType<typeof registry.get>['schema'] | undefined =>
    typeof type === 'string' && registry.has(type) && !own.some(({ name }) => name === type)
      ? registry.get(type).schema
      : undefined;
  const faults: string[] = [];
  const judge = (
    what: string,
    schema: { safeParse(value: unknown): { success: boolean; error?: unknown } } | undefined,
    value: unknown,
  ): void => {
    const result = schema?.safeParse(value ?? {});
    if (result && !result.success && !JSON.stringify(value ?? '').includes('(('))
      faults.push(`${what}: ${String(result.error)}`);
  };
  const walk = (value: unknown): void => {
    if (value === null || typeof value !== 'object') return;
    const { type, name, source, get, put, resource, params } = value as Step;
    if (source !== undefined) judge(`source of ${String(name ?? type)}`, schemaOf(type)?.source, source);
    if (get !== undefined)
      judge(`params of get ${JSON.stringify(get)}`, schemaOf(typeOf(resource ?? get))?.getParams, params);
    if (put !== undefined)
      judge(`params of put ${JSON.stringify(put)}`, schemaOf(typeOf(resource ?? put))?.putParams, params);
    Object.values(value).forEach(walk);
  };
  walk(example);
  return faults;
}
