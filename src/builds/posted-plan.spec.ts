import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { PipelineConfig } from '../model/index.js';
import { parsePostedPlan } from './posted-plan.js';
import { PostedPlanError } from './posted-values.js';

const task = (id: string, config: unknown = { platform: 'linux', run: { path: 'ls' } }): Record<string, unknown> => ({
  id,
  task: { name: 'one-off', privileged: true, hermetic: false, config },
});
const get = (id: string, more: Record<string, unknown> = {}): Record<string, unknown> => ({
  id,
  get: { name: 'repo', type: 'git', source: { uri: 'u' }, image: { base_type: 'git' }, version: { ref: 'a' }, ...more },
});

describe('a posted plan', () => {
  it('as clients of Concourse make it becomes a plan of ours', () => {
    const posted = {
      id: '67a1',
      ensure: {
        step: {
          id: '67a2',
          do: [{ id: '67a3', in_parallel: { steps: [get('67a4', { tags: ['a'] })], limit: 0 } }, task('67a5')],
        },
        ensure: { id: '67a6', in_parallel: { steps: null } },
      },
    };
    const leaf = { kind: 'get', name: 'repo', type: 'git', source: { uri: 'u' }, version: { ref: 'a' }, tags: ['a'] };
    const config = { platform: 'linux', run: { path: 'ls' } };
    const run = { kind: 'task', name: 'one-off', privileged: true, hermetic: false, config };
    const inputs = { kind: 'in_parallel', steps: [{ id: '67a4', step: leaf }], failFast: false };
    expect(parsePostedPlan(posted)).toEqual({
      id: '67a1',
      step: {
        kind: 'ensure',
        step: {
          id: '67a2',
          step: {
            kind: 'do',
            steps: [
              { id: '67a3', step: inputs },
              { id: '67a5', step: run },
            ],
          },
        },
        hook: { id: '67a6', step: { kind: 'in_parallel', steps: [], failFast: false } },
      },
    });
  });

  it.each<[string, unknown, string]>([
    ['an unknown kind', { id: 'a', do: [{ id: 'b', gett: {} }] }, 'plan.do[0].gett: a one-off build cannot do this'],
    [
      'a plan that sets pipelines, by somebody who may not',
      { id: 'a', set_pipeline: { name: 'p', file: 'a/p.yml' } },
      'plan.set_pipeline: you may not set pipelines of this team',
    ],
    ['a put without a type', { id: 'a', put: { name: 'x' } }, 'plan.put.type: is missing'],
    [
      'a resource outside of a pipeline',
      { id: 'a', put: { name: 'x', resource: 'r' } },
      'plan.put.resource: a build outside',
    ],
    ['a timeout that is none', get('a', { timeout: 'soon' }), 'plan.get.timeout: is no duration'],
    ['a condition that is none', { id: 'a', when: { condition: '1 +', step: task('b') } }, 'plan.when.condition: '],
    ['an across without values', { id: 'a', across: { vars: [{ name: 'v' }] } }, 'plan.across.vars.0.values: '],
    [
      'a template that is no step',
      { id: 'a', across: { vars: [{ name: 'v', values: [] }], substep_template: '{' } },
      'plan.across.substep_template: is not the JSON of a step',
    ],
    [
      'a version of no put',
      get('a', { version: null, version_from: 'b' }),
      "plan.get.version_from: no put of the plan has the id 'b'",
    ],
    ['a hook that is missing', { id: 'a', on_failure: { step: task('b') } }, 'plan.on_failure.on_failure: '],
    ['a task of nothing', { id: 'a', task: { name: 't' } }, "plan.task.config: a task needs either a 'config'"],
    ['an upload, which is missing', { id: 'a', artifact_input: {} }, 'plan.artifact_input.name'],
    ['two kinds', { id: 'a', do: [], task: {} }, 'plan: a step is of one kind, this has: do, task'],
    ['no kind', { id: 'a' }, 'plan: a step is of one kind, this has: none'],
    ['an id that is used twice', { id: 'a', do: [{ id: 'a', do: [] }] }, "plan.do[0]: the id 'a' is used twice"],
    ['an id that could leave its folder', { id: '../x', do: [] }, "plan: every step needs an 'id'"],
    ['no id', { task: task('a').task }, "plan: every step needs an 'id'"],
    ['a get without a version', get('a', { version: null }), 'plan.get.version: '],
    [
      'an image that cannot be fetched',
      get('a', { image: { base_type: 'other' } }),
      'plan.get.image.get_plan: is missing',
    ],
    ['an image of nothing', get('a', { image: { get_plan: {} } }), 'plan.get.image.get_plan.get: '],
    ['a bad task', task('a', { platform: 'linux', runs: {} }), 'plan.task.config: '],
    ['no object', 'do', 'plan: '],
  ])('is refused with its place: %s', (_what, posted, message) => {
    expect(() => parsePostedPlan(posted)).toThrow(PostedPlanError);
    expect(() => parsePostedPlan(posted)).toThrow(message);
  });

  it('may have every kind of step', () => {
    const posted = {
      id: '1',
      ensure: {
        step: {
          id: '2',
          do: [
            {
              id: '3',
              put: { name: 'p', type: 'mock', source: { a: 1 }, params: { b: 2 }, inputs: ['x'], timeout: '1h' },
            },
            get('4', { version: null, version_from: '3' }),
            { id: '5', check: { name: 'c', type: 'git', source: { uri: 'u' }, from_version: { ref: 'a' } } },
            { id: '6', load_var: { name: 'v', file: 'a/b', format: 'json', reveal: true } },
            {
              id: '7',
              set_pipeline: { name: 'q', file: 'a/p.yml', team: '', var_files: ['a/v'], instance_vars: { i: 1 } },
            },
            { id: '8', try: { step: { id: '9', run: { message: 'm', type: 't' } } } },
            { id: 'a', timeout: { step: task('b'), duration: '1m' } },
            { id: 'c', retry: [task('d'), task('e')] },
            {
              id: 'f',
              across: {
                vars: [{ name: 'v', values: ['x', 'y'], max_in_flight: 'all' }],
                substep_template: JSON.stringify(task('10')),
                fail_fast: true,
              },
            },
            {
              id: '11',
              when: {
                condition: 'vars.v == "x"',
                step: { id: '12', on_success: { step: task('13'), on_success: task('14') } },
              },
            },
            {
              id: '15',
              task: {
                name: 't',
                config_path: 'a/t.yml',
                vars: { x: 1 },
                params: { Y: 'z' },
                input_mapping: { i: 'j' },
                output_mapping: { o: 'p' },
                container_limits: { cpu: 1, memory: '1GB' },
              },
            },
          ],
        },
        ensure: { id: '16', artifact_output: { name: 'o' } },
      },
    };
    const plan = parsePostedPlan(posted, { maySetPipelines: true });
    const steps = plan.step.kind === 'ensure' && plan.step.step.step.kind === 'do' ? plan.step.step.step.steps : [];
    const config = { platform: 'linux', run: { path: 'ls' } };
    const run = { kind: 'task', name: 'one-off', privileged: true, hermetic: false, config };
    expect(steps.map(({ step }) => step)).toEqual([
      { kind: 'put', name: 'p', type: 'mock', source: { a: 1 }, params: { b: 2 }, inputs: ['x'], timeout: '1h' },
      { kind: 'get', name: 'repo', type: 'git', source: { uri: 'u' }, versionFrom: '3' },
      { kind: 'check', name: 'c', resource: 'c', type: 'git', source: { uri: 'u' }, from: { ref: 'a' } },
      { kind: 'load_var', name: 'v', file: 'a/b', format: 'json', reveal: true },
      { kind: 'set_pipeline', name: 'q', file: 'a/p.yml', varFiles: ['a/v'], instanceVars: { i: 1 } },
      { kind: 'try', step: { id: '9', step: { kind: 'run', message: 'm', type: 't' } } },
      { kind: 'timeout', duration: '1m', step: { id: 'b', step: run } },
      {
        kind: 'retry',
        attempts: [
          { id: 'd', step: run },
          { id: 'e', step: run },
        ],
      },
      {
        kind: 'across',
        vars: [{ name: 'v', values: ['x', 'y'], maxInFlight: 'all' }],
        failFast: true,
        template: { id: '10', step: run },
      },
      {
        kind: 'when',
        condition: 'vars.v == "x"',
        versions: {},
        step: { id: '12', step: { kind: 'on_success', step: { id: '13', step: run }, hook: { id: '14', step: run } } },
      },
      {
        kind: 'task',
        name: 't',
        privileged: false,
        hermetic: false,
        file: 'a/t.yml',
        vars: { x: 1 },
        params: { Y: 'z' },
        inputMapping: { i: 'j' },
        outputMapping: { o: 'p' },
        limits: { cpu: 1, memory: '1GB' },
      },
    ]);
  });

  describe('in a pipeline', () => {
    const type = { name: 'mine', type: 'registry-image', source: { repository: 'a/b' }, defaults: { d: 1 } };
    const pipeline: PipelineConfig = {
      resource_types: [type],
      resources: [{ name: 'r', type: 'mine', source: { uri: 'u' } }],
      jobs: [],
    };
    const step = (posted: Record<string, unknown>) =>
      parsePostedPlan({ id: '1', put: { name: 'x', ...posted } }, { pipeline }).step;
    const own = { type: 'mine', source: { d: 1, uri: 'u' }, resourceTypes: [type] };

    it('takes a resource and a type as the pipeline has them', () => {
      expect(step({ resource: 'r' })).toMatchObject({ resource: 'r', ...own });
      expect(step({ resource: 'r', type: 'mine', source: { uri: 'u' } })).toMatchObject({ resource: 'r', ...own });
      expect(step({ type: 'mine', source: { uri: 'u' } })).toMatchObject(own);
      expect(step({ type: 'mine', source: { uri: 'other' } })).not.toHaveProperty('resource');
    });

    it.each<[string, Record<string, unknown>, string]>([
      [
        'another source',
        { resource: 'r', source: { uri: 'mine' } },
        "plan.put.source: is not that of the pipeline's resource 'r'",
      ],
      ['another type', { resource: 'r', type: 'mock' }, "plan.put.type: is not that of the pipeline's resource 'r'"],
      ['an unknown one', { resource: 'rr' }, "plan.put.resource: the pipeline has no resource 'rr'; did you mean"],
    ])('gives a resource no versions of %s', (_what, posted, message) => {
      expect(() => step(posted)).toThrow(message);
    });
  });

  it('may bring the images of its types, as fly execute -j does', () => {
    const inner = {
      name: 'base',
      type: 'registry-image',
      source: { repository: 'a/base' },
      image: { base_type: 'registry-image' },
    };
    const outer = {
      name: 'mine',
      type: 'base',
      source: { tag: 'x' },
      params: { p: 1 },
      tags: ['big'],
      image: { base_type: 'registry-image', get_plan: { id: 'y', get: inner } },
    };
    const posted = get('1', {
      type: 'mine',
      image: { base_type: 'registry-image', privileged: true, get_plan: { id: 'x', get: outer } },
    });
    expect(parsePostedPlan(posted).step).toMatchObject({
      type: 'mine',
      source: { uri: 'u' },
      resourceTypes: [
        { name: 'mine', type: 'base', source: { tag: 'x' }, params: { p: 1 }, privileged: true, tags: ['big'] },
        { name: 'base', type: 'registry-image', source: { repository: 'a/base' } },
      ],
    });
  });

  it('is refused when it is too deep or too large', () => {
    let deep: unknown = { id: 'x', do: [] };
    for (let n = 0; n < 60; n++) deep = { id: `n${n}`, do: [deep] };
    expect(() => parsePostedPlan(deep)).toThrow('nested more than 50 deep');
    const large = { id: 'x', do: Array.from({ length: 1_001 }, (_, n) => ({ id: `n${n}`, do: [] })) };
    expect(() => parsePostedPlan(large)).toThrow('more than 1000 steps');
  });

  it('whatever it is, is understood or refused', () => {
    const key = fc.constantFrom(
      ...[
        'id',
        'do',
        'task',
        'get',
        'put',
        'in_parallel',
        'ensure',
        'across',
        'vars',
        'when',
        'timeout',
        'image',
        'get_plan',
      ],
      ...['steps', 'step', 'config', 'name', 'type', 'source', 'version'],
    );
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof({ maxDepth: 5 }, fc.jsonValue(), fc.array(tie('value')), fc.dictionary(key, tie('value'))),
    }));
    fc.assert(
      fc.property(value, (posted) => {
        try {
          parsePostedPlan(posted);
        } catch (error) {
          expect(error).toBeInstanceOf(PostedPlanError);
        }
      }),
      { numRuns: 300 },
    );
  });
});
