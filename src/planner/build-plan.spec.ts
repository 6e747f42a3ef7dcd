import { describe, expect, it } from '@jest/globals';
import type { JobConfig, PipelineConfig, PlanNode, StepConfig, Version } from '../model/index.js';
import { BuildPlanError, makeBuildPlan } from './build-plan.js';
import { mapNodes, renumberPlan } from './plan-nodes.js';
import { publicPlan } from './public-plan.js';

const config = (plan: StepConfig[], job: Partial<JobConfig> = {}): PipelineConfig => ({
  resources: [{ name: 'repo', type: 'git', source: { uri: 'x' } }],
  jobs: [{ name: 'j', plan, ...job }],
});
const versions = new Map<string, Version>([['repo', { ref: 'v1' }]]);
const planOf = (plan: StepConfig[], job: Partial<JobConfig> = {}): PlanNode => {
  const pipeline = config(plan, job);
  return makeBuildPlan(pipeline.jobs[0]!, pipeline, versions);
};
const task = (name: string): StepConfig => ({ task: name, config: { platform: 'linux', run: { path: 'x' } } });
/** Kinds from the outside in, along the first child. */
const kinds = (node: PlanNode): string[] => {
  let inner: PlanNode | undefined;
  mapNodes(node.step, (child) => (inner ??= child));
  return [node.step.kind, ...(inner ? kinds(inner) : [])];
};
const ids = (node: PlanNode): string[] => {
  const found = [node.id];
  mapNodes(node.step, (child) => {
    found.push(...ids(child));
    return child;
  });
  return found;
};

describe('the plan of a build', () => {
  it('wraps a step in its modifiers in the order of the language', () => {
    const step = {
      do: [task('a')],
      timeout: '1m',
      attempts: 2,
      across: [{ var: 'x', values: [1] }],
      on_success: task('s'),
      on_failure: task('f'),
      on_abort: task('b'),
      on_error: task('e'),
      ensure: task('n'),
    };
    expect(kinds(planOf([step]))).toEqual(
      'do ensure on_error on_abort on_failure on_success across retry timeout do task'.split(' '),
    );
  });

  it('gives every node, each attempt included, an id of its own, in the order of reading', () => {
    const plan = planOf([
      { ...task('a'), attempts: 2, ensure: { put: 'repo' } },
      { in_parallel: [task('b'), task('c')] },
    ]);
    expect(ids(plan)).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b']);
  });

  it('is the same for the same job and versions', () => {
    const steps: StepConfig[] = [{ get: 'repo' }, { ...task('a'), attempts: 3 }];
    expect(planOf(steps)).toEqual(planOf(steps));
  });

  it('fetches what a put made unless it says no_get', () => {
    const plan = planOf([{ put: 'repo' }, { put: 'repo', no_get: true }]);
    expect(publicPlan(plan)).toEqual({
      id: '1',
      do: [
        {
          id: '2',
          on_success: {
            step: { id: '3', put: { name: 'repo', type: 'git', resource: 'repo' } },
            on_success: { id: '4', get: { name: 'repo', type: 'git', resource: 'repo', version: undefined } },
          },
        },
        { id: '5', put: { name: 'repo', type: 'git', resource: 'repo' } },
      ],
    });
  });

  it('keeps sources and params out of the public plan', () => {
    const plan = planOf([{ get: 'repo', params: { depth: 1 } }]);
    expect(JSON.stringify(publicPlan(plan))).not.toMatch(/uri|depth/);
  });

  it('puts the hooks of a job around one do', () => {
    expect(kinds(planOf([task('a')], { on_success: task('s'), ensure: task('n') }))).toEqual([
      'ensure',
      'on_success',
      'do',
      'task',
    ]);
  });

  it('hands tags down to steps that have none', () => {
    const plan = planOf([{ do: [task('a'), { ...task('b'), tags: ['own'] }], tags: ['do'] }, task('c')], {
      tags: ['job'],
    });
    expect(JSON.stringify(plan).match(/"tags":\["\w+"\]/g)).toEqual([
      '"tags":["do"]',
      '"tags":["own"]',
      '"tags":["job"]',
    ]);
  });

  it('lays the defaults of a type under the source', () => {
    const pipeline: PipelineConfig = {
      resource_types: [{ name: 'git', type: 'registry-image', defaults: { uri: 'd', branch: 'main' } }],
      ...config([{ get: 'repo' }]),
    };
    const plan = makeBuildPlan(pipeline.jobs[0]!, pipeline, versions);
    expect(plan.step.kind === 'do' && plan.step.steps[0]?.step).toMatchObject({
      source: { uri: 'x', branch: 'main' },
      resourceTypes: [{ name: 'git' }],
    });
  });

  it('is refused when a get has no version or a resource is unknown', () => {
    const pipeline = config([{ get: 'other', resource: 'repo' }]);
    expect(() => makeBuildPlan(pipeline.jobs[0]!, pipeline, versions)).toThrow(BuildPlanError);
    expect(() => planOf([{ put: 'nowhere' }])).toThrow("put 'nowhere' uses the unknown resource 'nowhere'");
  });

  it('keeps a put and its get together when ids are made anew, whatever the order of keys', () => {
    const plan = planOf([{ put: 'repo' }]);
    const stored = JSON.parse(
      JSON.stringify(plan, (_key, value: unknown) =>
        value && typeof value === 'object' && !Array.isArray(value)
          ? Object.fromEntries(Object.entries(value).reverse())
          : value,
      ),
    ) as PlanNode;
    const fresh = renumberPlan(stored, 'x');
    expect(ids(fresh)).toEqual(['x/0', 'x/1', 'x/2', 'x/3']);
    expect(JSON.stringify(fresh)).toContain('"versionFrom":"x/2"');
  });
});
