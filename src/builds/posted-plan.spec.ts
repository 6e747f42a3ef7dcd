import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { PostedPlanError, parsePostedPlan } from './posted-plan.js';

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
    ['an unknown kind', { id: 'a', do: [{ id: 'b', put: {} }] }, 'plan.do[0].put: a one-off build cannot do this'],
    ['a plan that sets pipelines', { id: 'a', set_pipeline: {} }, 'plan.set_pipeline: a one-off build cannot do this'],
    ['an upload, which is missing', { id: 'a', artifact_input: {} }, 'plan.artifact_input.name'],
    ['two kinds', { id: 'a', do: [], task: {} }, 'plan: a step is of one kind, this has: do, task'],
    ['no kind', { id: 'a' }, 'plan: a step is of one kind, this has: none'],
    ['an id that is used twice', { id: 'a', do: [{ id: 'a', do: [] }] }, "plan.do[0]: the id 'a' is used twice"],
    ['an id that could leave its folder', { id: '../x', do: [] }, "plan: every step needs an 'id'"],
    ['no id', { task: task('a').task }, "plan: every step needs an 'id'"],
    ['a get without a version', get('a', { version: null }), 'plan.get.version: '],
    [
      'a type of the pipeline',
      get('a', { image: { get_plan: {} } }),
      "plan.get: not supported yet: type 'git' that is an",
    ],
    ['a bad task', task('a', { platform: 'linux', runs: {} }), 'plan.task.config: '],
    ['no object', 'do', 'plan: '],
  ])('is refused with its place: %s', (_what, posted, message) => {
    expect(() => parsePostedPlan(posted)).toThrow(PostedPlanError);
    expect(() => parsePostedPlan(posted)).toThrow(message);
  });

  it('is refused when it is too deep or too large', () => {
    let deep: unknown = { id: 'x', do: [] };
    for (let n = 0; n < 60; n++) deep = { id: `n${n}`, do: [deep] };
    expect(() => parsePostedPlan(deep)).toThrow('nested more than 50 deep');
    const large = { id: 'x', do: Array.from({ length: 1_001 }, (_, n) => ({ id: `n${n}`, do: [] })) };
    expect(() => parsePostedPlan(large)).toThrow('more than 1000 steps');
  });

  it('whatever it is, is understood or refused', () => {
    const key = fc.constantFrom('id', 'do', 'task', 'get', 'in_parallel', 'ensure', 'steps', 'step', 'config', 'name');
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
