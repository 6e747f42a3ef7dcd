import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { BAD_CONFIGS, GOOD_CONFIG } from '../../../test/support/bad-configs.js';
import { parsePipeline, pipelineJsonSchema } from './index.js';

const COMMITTED = 'docs/reference/pipeline.schema.json';
const validate = new Ajv({ allowUnionTypes: true }).addVocabulary(['x-weir-extension']).compile(pipelineJsonSchema());
const faultsOf = (text: string): unknown[] => {
  try {
    return validate(parse(text, { version: '1.1', merge: true })) ? [] : validate.errors!;
  } catch (error) {
    return [error];
  }
};

const SCENARIOS = 'test/scenarios/builds';
const scenarios = readdirSync(SCENARIOS).map((name) => path.join(SCENARIOS, name, 'pipeline.yml'));
/** Pipelines in the documentation: every `yaml` block that has jobs. */
const documented = readdirSync('docs', { recursive: true, encoding: 'utf8' }).flatMap((name) => {
  if (name.endsWith('pipeline.yml')) return [[name, readFileSync(path.join('docs', name), 'utf8')] as const];
  if (!name.endsWith('.md')) return [];
  const blocks = readFileSync(path.join('docs', name), 'utf8').matchAll(/```ya?ml\n([^]*?)```/g);
  return [...blocks].flatMap(([, text = '']) => (/^jobs:/m.test(text) ? [[name, text] as const] : []));
});

describe('the JSON Schema of pipelines', () => {
  it(`is the one in ${COMMITTED}; "npm run docs:schema" writes it`, () => {
    expect(JSON.parse(readFileSync(COMMITTED, 'utf8'))).toEqual(JSON.parse(JSON.stringify(pipelineJsonSchema())));
  });

  it.each(scenarios)('accepts %s', (file) => {
    expect(faultsOf(readFileSync(file, 'utf8'))).toEqual([]);
  });

  it.each(documented)('accepts the pipeline in docs/%s', (_name, text) => {
    expect(faultsOf(text)).toEqual([]);
  });

  it.each(BAD_CONFIGS)('or the rules refuse: %s', (_title, text) => {
    expect(faultsOf(GOOD_CONFIG)).toEqual([]);
    expect([...faultsOf(text), ...parsePipeline(text).problems]).not.toEqual([]);
  });

  it.each([
    ['an unknown key of a resource', 'resources: [{name: a, type: b, sorce: {}}]\njobs: []'],
    ['a resource without a type', 'resources: [{name: a}]\njobs: []'],
    ['a pipeline without jobs', 'resources: []'],
    ['two steps in one', 'jobs: [{name: j, plan: [{get: a, put: b}]}]'],
    [
      'an unknown key deep inside',
      'jobs: [{name: j, plan: [{do: [{try: {get: a, on_failure: {task: t, fille: x}}}]}]}]',
    ],
    ['a duration without a unit', 'jobs: [{name: j, plan: [{get: a, timeout: 5}]}]'],
    ['no attempts at all', 'jobs: [{name: j, plan: [{get: a, attempts: 0}]}]'],
    ['an unquoted version', 'jobs: [{name: j, plan: [{get: a, version: {v: 1.1}}]}]'],
    ['fail_fast without across', 'jobs: [{name: j, plan: [{get: a, fail_fast: true}]}]'],
  ])('refuses %s', (_what, text) => {
    expect(faultsOf(text)).not.toEqual([]);
  });

  it('lets a var stand for any value, as templates do', () => {
    expect(
      faultsOf('jobs: [{name: j, serial: ((s)), plan: ((p))}, {name: k, plan: [((step)), {get: a, attempts: ((n))}]}]'),
    ).toEqual([]);
  });

  it('marks what Concourse does not know', () => {
    expect(JSON.stringify(pipelineJsonSchema())).toContain('"x-weir-extension":true');
  });
});
