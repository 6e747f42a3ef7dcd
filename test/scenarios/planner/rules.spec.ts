import { describe, expect, it } from '@jest/globals';
import { readScenarios, type Scenario } from '../../../src/planner/index.js';
import { planLine } from '../../../src/cli/commands/plan.js';
import { rules, world } from './rules.js';

describe('the compact form of a scenario', () => {
  it('means the same as the long one', () => {
    const compact = {
      name: 'compact',
      given: {
        job: 'deploy',
        jobs: [
          [1, 'unit'],
          [2, 'deploy'],
        ],
        resources: [
          [1, 'repo', 7],
          [2, 'never', null],
        ],
        versions: [
          [7, 101, 1],
          [7, 102, 2],
          [7, 103, 3],
        ],
        disabled: [[1, 103]],
        builds: [
          [1, 1, 's', 0, [[1, 101]], []],
          [2, 1, 'f', 0, [], [[1, 102]]],
          [3, 1, 's', 1, [], [[1, 102]]],
          [4, 2, 's', 0, [], [[1, 101]]],
        ],
        pipes: [[1, 4]],
        inputs: [
          { name: 'repo', resource: 'repo', passed: ['unit'], version: 'latest' },
          { name: 'newest', resource: 'repo', version: 'latest' },
          { name: 'every', resource: 'repo', passed: ['uni?'], version: 'every' },
          { name: 'never', resource: 'never', version: 'every' },
          { name: 'unseen', resource: 'repo', passed: ['no-such-*'] },
        ],
      },
    };
    const [scenario] = readScenarios(compact) as [Scenario];
    expect(planLine(scenario)).toMatchObject({
      ok: false,
      inputs: {
        repo: { version: 102, firstOccurrence: true, passedBuildIds: [3] },
        newest: { version: 102, firstOccurrence: true, passedBuildIds: [] },
        every: { version: 102, passedBuildIds: [3] },
        never: { error: 'no_versions_every', text: 'version of resource not found' },
      },
    });
  });

  it('says where it cannot be read', () => {
    const broken = world({ versions: { x: 'x1' }, inputs: [{ name: 'x', passed: ['nobody'] }] });
    expect(() => readScenarios([{ given: broken }])).toThrow(
      'scenario 1.given.inputs[0].passed[0] names no job of the scenario',
    );
    expect(() => readScenarios([{ given: { inputs: [] } }])).toThrow('scenario 1.given.job is missing');
    expect(() => readScenarios(3)).toThrow('scenario 1');
  });
});

describe('the planner', () => {
  for (const row of rules) {
    it(row.name, () => {
      const [scenario] = readScenarios(row) as [Scenario];
      expect(planLine(scenario)).toMatchObject(row.expect);
    });
  }
});
