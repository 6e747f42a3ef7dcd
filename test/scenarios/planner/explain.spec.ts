import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { BuildId, Digest } from '../../../src/model/index.js';
import {
  changedRequest,
  explainInputs,
  isResolved,
  planInputs,
  readScenarios,
  runOn,
  World,
  type Fix,
  type InputPlan,
  type Scenario,
  type WorldBuild,
  type WorldResource,
} from '../../../src/planner/index.js';
import { explanationOf } from '../../../src/cli/commands/plan.js';
import { historyOf } from '../../support/compare-with-oracle.js';
import { randomWorld, type RandomWorld } from '../../support/random-worlds.js';
import { world } from './rules.js';

/** The world and request after somebody really did what the fix says. */
function done(before: RandomWorld, fix: Fix): RandomWorld {
  let { resources, builds } = before;
  for (const change of fix.changes) {
    if (change.do === 'enable') {
      resources = edit(resources, change.resourceId, (r) => {
        return { ...r, disabled: new Set([...r.disabled].filter((digest) => digest !== change.row.digest)) };
      });
    } else if (change.do === 'find-version') {
      const found = { digest: 'found' as Digest, version: { found: 'yes' }, checkOrder: 1_000 };
      resources = edit(resources, change.resourceId, (r) => ({ ...r, versions: [...r.versions, found] }));
    } else if (change.do === 'pass') {
      const id = (Math.max(0, ...builds.map((b) => b.id)) + 1) as BuildId;
      const outputs = change.versions.map(({ resourceId, digest }) => ({ resourceId, digest }));
      const build: WorldBuild = {
        id,
        jobId: change.jobId,
        status: 'succeeded',
        rerunOf: null,
        outputs,
        inputs: [],
        pipes: [],
      };
      builds = [...builds, build];
    }
  }
  return { resources, builds, request: changedRequest(before.request, fix.changes) };
}
function edit(all: readonly WorldResource[], id: number, change: (r: WorldResource) => WorldResource): WorldResource[] {
  return all.map((r) => (r.id === id ? change(r) : r));
}

function expectFixWorks(before: RandomWorld, fix: Fix): void {
  const after = done(before, fix);
  const plan = runOn(new World(after.resources, after.builds), planInputs(after.request));
  // With nothing open before, what was missing is something new.
  const wasResolved = runOn(new World(before.resources, before.builds), planInputs(before.request)).resolved;
  const isHelped = (input: InputPlan['inputs'][number]): boolean =>
    isResolved(input) && (!wasResolved || input.firstOccurrence);
  const open = plan.inputs.filter((input) => fix.resolves.includes(input.name) && !isHelped(input));
  expect({ fix, open }).toEqual({ fix, open: [] });
  expect(fix.resolves).not.toEqual([]);
}

interface Situation {
  readonly name: string;
  readonly given: object;
  /** What stands behind the versions of an input, newest first, as far as it is said. */
  readonly verdicts: Readonly<Record<string, readonly string[]>>;
  readonly fixes: readonly string[];
}

const SITUATIONS: readonly Situation[] = [
  {
    name: 'no version was ever found',
    given: world({ versions: { x: '' }, inputs: [{ name: 'x' }] }),
    verdicts: { x: [] },
    fixes: ['x must find a version'],
  },
  {
    name: 'all versions are disabled',
    given: world({ versions: { x: 'x1! x2!' }, inputs: [{ name: 'x' }] }),
    verdicts: { x: ['x2: disabled', 'x1: disabled'] },
    fixes: ['enable x2 of x', 'enable x1 of x'],
  },
  {
    name: 'every version is disabled for a job that takes every one',
    given: world({ versions: { x: 'x1!' }, builds: ['1 current: | x1'], inputs: [{ name: 'x', version: 'every' }] }),
    verdicts: { x: ['x1: disabled'] },
    fixes: ['enable x1 of x'],
  },
  {
    name: 'the pinned version is not there',
    given: world({ versions: { x: 'x1' }, inputs: [{ name: 'x', version: { pinned: 'x9' } }] }),
    verdicts: { x: ['x1: not the pinned version x9'] },
    fixes: ['take the version from the get step x'],
  },
  {
    name: 'the pinned version passed, but is disabled',
    given: world({
      versions: { x: 'x1!' },
      builds: ['1 a: | x1'],
      inputs: [{ name: 'x', passed: ['a'], version: { pinned: 'x1' } }],
    }),
    verdicts: { x: ['x1: disabled'] },
    fixes: ['enable x1 of x'],
  },
  {
    name: 'the only version that passed is disabled',
    given: world({ versions: { x: 'x1 x2! x3' }, builds: ['1 a: | x2'], inputs: [{ name: 'x', passed: ['a'] }] }),
    verdicts: { x: ['x3: has not passed a', 'x2: disabled', 'x1: has not passed a'] },
    fixes: ['enable x2 of x', 'job a must pass on x x3'],
  },
  {
    name: 'nothing has passed a job yet',
    given: world({ versions: { x: 'x1' }, builds: ['1 a✗: | x1'], inputs: [{ name: 'x', passed: ['a'] }] }),
    verdicts: { x: ['x1: has not passed a'] },
    fixes: ['job a must pass on x x1'],
  },
  {
    name: 'one of two jobs has not let it through',
    given: world({ versions: { x: 'x1 x2' }, builds: ['1 a: | x2'], inputs: [{ name: 'x', passed: ['a', 'b'] }] }),
    verdicts: { x: ['x2: has not passed b', 'x1: has not passed a'] },
    fixes: ['job b must pass on x x2'],
  },
  {
    name: 'two versions passed a job, but not together',
    given: world({
      versions: { x: 'x1', y: 'y1' },
      builds: ['1 a: | x1', '2 a: | y1'],
      inputs: [
        { name: 'x', passed: ['a'] },
        { name: 'y', passed: ['a'] },
      ],
    }),
    verdicts: {
      x: ['x1: passed a in #1, which holds no usable version for input y'],
      y: ['y1: passed a in #2, which holds no usable version for input x'],
    },
    fixes: ['job a must pass on x x1 and y y1'],
  },
  {
    name: 'a newer version passed with one that another job has not let through',
    given: world({
      versions: { x: 'x1 x2', y: 'y1 y2' },
      builds: ['1 a: | x1 y1', '2 a: | x2 y2', '3 b: | y1', '4 current: | x1 y1'],
      inputs: [
        { name: 'x', passed: ['a'] },
        { name: 'y', passed: ['a', 'b'] },
      ],
    }),
    verdicts: {
      x: ['x2: passed a in #2, which holds no usable version for input y', 'x1: chosen, passed #1'],
      y: ['y2: has not passed b', 'y1: chosen, passed #1 and #3'],
    },
    fixes: ['job a must pass on x x2 and y y1', 'job b must pass on y y2'],
  },
  {
    name: 'everything that passed was built already',
    given: world({
      versions: { x: 'x1 x2 x3!' },
      builds: ['1 a: | x1', '2 current: | x1'],
      inputs: [{ name: 'x', passed: ['a'] }],
    }),
    verdicts: { x: ['x3: disabled', 'x2: has not passed a', 'x1: chosen, passed #1'] },
    fixes: ['job a must pass on x x2'],
  },
  {
    name: 'inputs are bound by a chain of jobs',
    given: world({
      versions: { x: 'x1', y: 'y1', z: 'z1 z2' },
      builds: ['1 a: | x1 z1', '2 b: | y1 z2'],
      inputs: [
        { name: 'x', passed: ['a'] },
        { name: 'y', passed: ['b'] },
        { name: 'z', passed: ['a', 'b'] },
      ],
    }),
    verdicts: { z: ['z2: has not passed a', 'z1: has not passed b'] },
    fixes: ['job a must pass on x x1 and z z2', 'job b must pass on y y1 and z z1'],
  },
  {
    name: 'none of several jobs suffices',
    given: world({ versions: { x: 'x1' }, inputs: [{ name: 'x', passed: { any: ['a', 'b'] } }] }),
    verdicts: { x: ['x1: has not passed a and b'] },
    fixes: ['job a must pass on x x1', 'job b must pass on x x1'],
  },
  {
    name: 'what passed has vanished from the history',
    given: world({ versions: { x: 'x2' }, builds: ['1 a: | x1'], inputs: [{ name: 'x', passed: ['a'] }] }),
    verdicts: { x: ['x2: has not passed a'] },
    fixes: ['job a must pass on x x2'],
  },
  {
    name: 'two jobs are missing at once',
    given: world({ versions: { x: 'x1' }, inputs: [{ name: 'x', passed: ['a', 'b'] }] }),
    verdicts: { x: ['x1: has not passed a'] },
    fixes: ['job a must pass on x x1 and job b must pass on x x1'],
  },
  {
    name: 'all is well, and newer versions wait for a reason',
    given: world({
      versions: { x: 'x1 x2 x3!', y: 'y1 y2' },
      builds: ['1 a: | x1', '2 current: | y1'],
      inputs: [
        { name: 'x', passed: ['a'] },
        { name: 'y', version: 'every' },
      ],
    }),
    verdicts: {
      x: ['x3: disabled', 'x2: has not passed a', 'x1: chosen, passed #1'],
      y: ['y2: chosen', 'y1: every version is used in its turn, and another one comes first'],
    },
    fixes: [],
  },
];

describe('the explanation when', () => {
  for (const situation of SITUATIONS) {
    it(situation.name, () => {
      const [scenario] = readScenarios(situation) as [Scenario];
      const told = explanationOf(scenario);
      for (const [input, verdicts] of Object.entries(situation.verdicts)) {
        expect(told.inputs[input]?.candidates).toEqual(verdicts);
      }
      expect(told.fixes).toEqual(situation.fixes);
      const { fixes } = runOn(scenario.world, explainInputs(scenario.request));
      for (const fix of fixes) expectFixWorks(scenario, fix);
    });
  }

  it('a history is long counts what it does not show', () => {
    const versions = Array.from({ length: 30 }, (_, i) => `x${i}!`).join(' ');
    const [scenario] = readScenarios({ given: world({ versions: { x: versions }, inputs: [{ name: 'x' }] }) }) as [
      Scenario,
    ];
    expect(explanationOf(scenario).inputs.x?.more).toBe(22);
  });
});

describe('in every world', () => {
  it('each fix works when it is really made, and some failure gets one', () => {
    let offered = 0;
    fc.assert(
      fc.property(randomWorld, (random) => {
        const { fixes } = runOn(historyOf(random), explainInputs(random.request));
        offered += fixes.length;
        for (const fix of fixes) expectFixWorks(random, fix);
      }),
      { numRuns: 1_000 },
    );
    expect(offered).toBeGreaterThan(250);
  });

  it('the chosen version and no other is called chosen', () => {
    fc.assert(
      fc.property(randomWorld, (random) => {
        const { plan, proofs } = runOn(historyOf(random), explainInputs(random.request));
        plan.inputs.forEach((input, i) => {
          const chosen = proofs[i]!.candidates.filter(({ verdict }) => verdict.kind === 'chosen').map(
            ({ digest }) => digest,
          );
          expect(chosen).toEqual(isResolved(input) ? [input.digest] : []);
        });
      }),
      { numRuns: 500 },
    );
  });
});
