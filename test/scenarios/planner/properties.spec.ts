import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { BuildId, Digest, JobId } from '../../../src/model/index.js';
import { isResolved, planInputs, runOn, World, type InputPlan, type WorldBuild } from '../../../src/planner/index.js';
import { planWorld } from '../../support/compare-with-oracle.js';
import { randomWorld, type RandomWorld } from '../../support/random-worlds.js';

const RUNS = Number(process.env.WEIR_PLANNER_PROPERTY_WORLDS ?? 3_000);
const check = (property: (world: RandomWorld, seed: number) => void): void =>
  fc.assert(fc.property(randomWorld, fc.nat(), property), { numRuns: RUNS });

const versions = (plan: InputPlan): unknown[] =>
  plan.inputs.map((input) => (isResolved(input) ? input.digest : input.error));

function shuffled<Item>(items: readonly Item[], seed: number): Item[] {
  return [...items].sort((a, b) => hash(a, seed) - hash(b, seed));
}
function hash(item: unknown, seed: number): number {
  let h = seed | 1;
  for (const char of JSON.stringify(item)) h = (Math.imul(h, 31) + char.charCodeAt(0)) | 0;
  return h;
}

/** The world after the planned job took the plan: one more pending build that recorded it. */
function applied(world: RandomWorld, plan: InputPlan): RandomWorld {
  const resolved = plan.inputs.filter(isResolved);
  const build: WorldBuild = {
    id: (Math.max(0, ...world.builds.map((b) => b.id)) + 1) as BuildId,
    jobId: world.request.jobId,
    status: 'pending',
    rerunOf: null,
    outputs: [],
    inputs: resolved.map(({ name, resourceId, digest }) => ({ name, resourceId, digest })),
    pipes: [...new Set(resolved.flatMap((input) => input.passedBuildIds))],
  };
  return { ...world, builds: [...world.builds, build] };
}

describe('in every world the planner', () => {
  it('gives equal plans for equal worlds, and asks the same', () => {
    check((world) => {
      const asked = (): unknown => {
        const history = new World(world.resources, world.builds);
        const log: unknown[] = [];
        const answer = runOn(
          { answer: (query) => (log.push(query), history.answer(query)) },
          planInputs(world.request),
        );
        return { answer, log };
      };
      expect(asked()).toEqual(asked());
    });
  });

  it('does not depend on the order in which rows are read', () => {
    check((world, seed) => {
      const resources = world.resources.map((r) => ({ ...r, versions: shuffled(r.versions, seed) }));
      const other = { ...world, resources: shuffled(resources, seed), builds: shuffled(world.builds, seed) };
      expect(planWorld(other)).toEqual(planWorld(world));
    });
  });

  it('does not depend on whether questions asked ahead are answered', () => {
    let left = 0;
    check((world) => {
      expect(planWorld(world, () => (left++, false))).toEqual(planWorld(world, () => true));
    });
    expect(left).toBeGreaterThan(RUNS / 50);
  });

  it('does not choose a version after it was disabled, unless a free input pins it', () => {
    check((world, seed) => {
      const chosen = planWorld(world).inputs.filter(isResolved);
      const victim = chosen[seed % Math.max(1, chosen.length)];
      if (victim === undefined) return;
      const resources = world.resources.map((r) => {
        return r.id === victim.resourceId ? { ...r, disabled: new Set([...r.disabled, victim.digest]) } : r;
      });
      const after = planWorld({ ...world, resources });
      after.inputs.forEach((input, i) => {
        const asked = world.request.inputs[i]!;
        const mayStay = typeof asked.version === 'object' && asked.passed === null;
        if (isResolved(input) && input.resourceId === victim.resourceId && !mayStay)
          expect(input.digest).not.toBe(victim.digest);
      });
    });
  });

  it('does not mind a build of a job that nobody names', () => {
    check((world, seed) => {
      const model = world.builds[seed % Math.max(1, world.builds.length)];
      if (model === undefined) return;
      const id = (Math.max(...world.builds.map((b) => b.id)) + 1) as BuildId;
      const unrelated: WorldBuild = { ...model, id, jobId: 99 as JobId, rerunOf: null, status: 'succeeded' };
      expect(planWorld({ ...world, builds: [...world.builds, unrelated] })).toEqual(planWorld(world));
    });
  });

  it('does not mind an upstream build that did not succeed', () => {
    check((world, seed) => {
      const upstream = world.builds.filter((b) => b.jobId !== world.request.jobId);
      const model = upstream[seed % Math.max(1, upstream.length)];
      if (model === undefined) return;
      const id = (Math.max(...world.builds.map((b) => b.id)) + 1) as BuildId;
      const failed: WorldBuild = { ...model, id, rerunOf: null, status: 'failed' };
      expect(planWorld({ ...world, builds: [...world.builds, failed] })).toEqual(planWorld(world));
    });
  });

  it('chooses the same again, and nothing new, once a plan was taken and nothing happened', () => {
    check((world) => {
      const inputs = world.request.inputs.map((i) => ({
        ...i,
        version: i.version === 'every' ? ('latest' as const) : i.version,
      }));
      const steady = { ...world, request: { ...world.request, inputs } };
      const plan = planWorld(steady);
      const again = planWorld(applied(steady, plan));
      expect(versions(again)).toEqual(versions(plan));
      expect(again.inputs.filter(isResolved).some((input) => input.firstOccurrence)).toBe(false);
    });
  });

  it('comes to an end with `every`: after as many rounds as there are builds and versions nothing is new', () => {
    check((world) => {
      let now = world;
      const rounds = world.builds.length + world.resources.reduce((sum, r) => sum + r.versions.length, 0) + 2;
      for (let round = 0; round < rounds; round++) {
        const plan = planWorld(now);
        if (!plan.resolved || !plan.inputs.filter(isResolved).some((input) => input.firstOccurrence)) return;
        now = applied(now, plan);
      }
      throw new Error('every round had a first occurrence');
    });
  });

  it('chooses, for each job passed, versions that one succeeded build holds together', () => {
    check((world) => {
      const plan = planWorld(world);
      const byJob = new Map<JobId, Set<BuildId>>();
      plan.inputs.filter(isResolved).forEach((input) => {
        for (const id of input.passedBuildIds) {
          const build = world.builds.find((b) => b.id === id)!;
          expect(build.status).toBe('succeeded');
          const holds = (digest: Digest): boolean =>
            [...build.outputs, ...build.inputs].some((p) => p.resourceId === input.resourceId && p.digest === digest);
          expect(holds(input.digest)).toBe(true);
          byJob.set(build.jobId, (byJob.get(build.jobId) ?? new Set()).add(id));
        }
      });
      for (const builds of byJob.values()) expect(builds.size).toBe(1);
    });
  });
});
