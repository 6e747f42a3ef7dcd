import { describe, expect, it } from '@jest/globals';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { parsePipeline, parseTaskConfig, pipelineJsonSchema, validatePipelineConfig, type Parsed } from './index.js';

/** `npm run test:fuzz-config` for 100,000 files. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 500);

const SEED = `
anchors:
  git: &git {type: git, check_every: 5m}
resources:
- {<<: *git, name: repo, source: {uri: ((uri)), branch: main}}
- {name: image, type: registry-image, source: {repository: x}, version: {digest: "sha256:1"}}
var_sources: [{name: own, type: dummy, config: {vars: {url: ((url))}}}]
jobs:
- name: test
  serial_groups: [a]
  plan:
  - in_parallel:
      limit: 2
      steps: [{get: repo, trigger: true, version: every}, {get: image}]
  - across: [{var: v, values: [1, 2], max_in_flight: all}]
    task: "t-((.:v))"
    config: {platform: linux, inputs: [{name: repo}], params: {A: 1}, run: {path: sh, args: [-c, ls]}}
    attempts: 3
    timeout: 1h30m
    on_failure: {try: {put: image, params: {image: repo/x.tar}}}
- name: deploy
  build_log_retention: {builds: 10, minimum_succeeded_builds: 1}
  vars: [{name: full, type: boolean, default: false}, {name: region, type: string, options: [eu, us], required: true}]
  plan:
  - {load_var: word, file: repo/word, when: 'versions.repo.ref == "1" && has(vars.x)'}
  - {get: repo, passed: {any: [test, {all: ["te*"]}]}}
  - do: [{load_var: tag, file: repo/tag}, {set_pipeline: self, file: repo/p.yml}]
  ensure: {task: clean, file: repo/clean.yml}
groups: [{name: all, jobs: ["*"]}]
`;
const PIECES = [
  '\n',
  ' ',
  '  ',
  '\t',
  '-',
  '- ',
  ':',
  ': ',
  ',',
  '[',
  ']',
  '{',
  '}',
  '*',
  '&a ',
  '*a',
  '*git',
  '<<: ',
  '|\n',
  '>\n',
  '"',
  "'",
  '#',
  '!',
  '!!map ',
  '!!binary ',
  '%',
  '@',
  '~',
  'null',
  'yes',
  '0',
  '-1',
  '1e999',
  '.nan',
  '12345678901234567890',
  '0x1f',
  '2020-01-01',
  '((',
  '))',
  '((x))',
  '? ',
  '--- ',
  '...\n',
  '\0',
  '\u2028',
  '😀',
  'get: ',
  'put: ',
  'task: ',
  'do: ',
  'try: ',
  'in_parallel: ',
  'across: ',
  'passed: ',
  'name: ',
  'jobs: ',
  '__proto__: ',
  'constructor: ',
  'toString: ',
  'hasOwnProperty: 1',
];
const mutation = fc.record({
  at: fc.nat(SEED.length),
  drop: fc.nat(40),
  add: fc.array(
    fc.oneof(
      fc.constantFrom(...PIECES),
      fc.integer({ min: 0, max: SEED.length - 30 }).map((from) => SEED.slice(from, from + 30)),
    ),
    { maxLength: 3 },
  ),
});
const mutate = (changes: readonly { at: number; drop: number; add: readonly string[] }[]): string =>
  changes.reduce((text, { at, drop, add }) => text.slice(0, at) + add.join('') + text.slice(at + drop), SEED);

/** What breaks the promise of a parse; gathered, as one `expect` per finding would take longer than the parsing. */
const faultsOf = ({ config, problems, warnings }: Parsed<unknown>, lines: number): unknown[] => {
  const unplaced = [...problems, ...warnings].filter(
    ({ line = 0, column = 0, message }) => message === '' || line < 1 || line > lines || column < 1,
  );
  return (config === undefined) === problems.length > 0 ? unplaced : ['a config with problems, or neither'];
};

describe('any text at all', () => {
  it('begins from a valid pipeline', () => {
    expect(parsePipeline(SEED).problems).toEqual([]);
  });

  it('is a pipeline or has problems, each with its place, and soon', () => {
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), (changes) => {
        const text = mutate(changes);
        const lines = text.split('\n').length + 1;
        const before = process.cpuUsage();
        const parsed = [parsePipeline(text, { vars: { x: [1] } }), parseTaskConfig(text)];
        expect(parsed.flatMap((each) => faultsOf(each, lines))).toEqual([]);
        const { user, system } = process.cpuUsage(before);
        expect(user + system).toBeLessThan(1_000_000); // microseconds: the machine may be busy with others
      }),
      { numRuns: RUNS },
    );
  }, 3_600_000);

  it('gives a config that is valid again as JSON', () => {
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 2 }), (changes) => {
        const { config } = parsePipeline(mutate(changes));
        if (config === undefined) return;
        const json = JSON.parse(JSON.stringify(config)) as unknown;
        expect(validatePipelineConfig(json)).toMatchObject({ config: json, problems: [] });
      }),
      { numRuns: RUNS },
    );
  }, 3_600_000);

  it('is accepted by the JSON Schema when it is a pipeline', () => {
    const validate = new Ajv({ strict: false }).compile(pipelineJsonSchema());
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 2 }), (changes) => {
        const { config } = parsePipeline(mutate(changes));
        if (config !== undefined && !validate(config)) throw new Error(JSON.stringify(validate.errors, null, 2));
      }),
      { numRuns: RUNS },
    );
  }, 3_600_000);

  it('is no pipeline as an arbitrary value, and never throws', () => {
    fc.assert(
      fc.property(
        fc.object({
          key: fc.constantFrom('jobs', 'plan', 'name', 'get', 'do', 'resources', 'passed', 'any', 'try'),
          maxDepth: 6,
        }),
        (value) => {
          validatePipelineConfig(value);
        },
      ),
      { numRuns: RUNS },
    );
  }, 3_600_000);
});
