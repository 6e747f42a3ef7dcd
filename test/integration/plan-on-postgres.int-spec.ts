import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { describePlan } from '../../src/cli/commands/plan.js';
import {
  describeVerdict,
  explainInputs,
  readScenarios,
  runOn,
  World,
  type InputsExplanation,
  type WorldBuild,
} from '../../src/planner/index.js';
import { EffectiveSetCache } from '../../src/scheduling/effective-set-cache.js';
import { explainRequest } from '../../src/scheduling/explain-inputs.js';
import { askPostgres, planOnPostgres } from '../../src/scheduling/plan-on-postgres.js';
import { planWorld } from '../support/compare-with-oracle.js';
import { randomWorld } from '../support/random-worlds.js';
import { StoredWorld } from '../support/stored-world.js';
import type { BuildId, Digest, JobId, ResourceId } from '../../src/model/index.js';
import { readRecordedInputs, type Queryable } from '../../src/persistence/index.js';
import { createTestDb, type TestDb } from '../support/test-db.js';
import { rules } from '../scenarios/planner/rules.js';

let t: TestDb;
beforeAll(async () => {
  t = await createTestDb();
});
afterAll(() => t.drop());

const PLENTY = 1_000_000_000;
/** So small that most questions reach behind the window. */
const SMALL = { first: 2, largest: 3 };
const WORLDS = Number(process.env.WEIR_PLANNER_STORED_WORLDS ?? 60);

describe('planning on PostgreSQL', () => {
  const samples = path.join(import.meta.dirname, '../scenarios/planner/samples.json');
  for (const scenario of readScenarios([...JSON.parse(readFileSync(samples, 'utf8')), ...rules])) {
    it(`agrees with the scenario: ${scenario.name}`, async () => {
      const stored = await t.db.tx((tx) => StoredWorld.write(tx, scenario));
      const plan = stored.inOwnIds(await planOnPostgres(t.db, stored.request));
      expect(describePlan(plan, scenario)).toMatchObject(scenario.expect as object);
    });
  }

  it(`agrees with planning in memory on ${WORLDS} random worlds, without a cache and with windows of any size`, async () => {
    const roomy = new EffectiveSetCache(PLENTY);
    const tight = new EffectiveSetCache(PLENTY, SMALL);
    for (const world of fc.sample(randomWorld, WORLDS)) {
      const stored = await t.db.tx((tx) => StoredWorld.write(tx, world));
      const expected = planWorld(world);
      for (const cache of [undefined, roomy, tight, new EffectiveSetCache(0, SMALL), tight]) {
        const plan = await planOnPostgres(t.db, stored.request, cache ? { cache } : {});
        expect({ world, plan: stored.inOwnIds(plan) }).toEqual({ world, plan: expected });
      }
    }
  }, 120_000);
});

describe('explaining on PostgreSQL', () => {
  it('says the same as in memory', async () => {
    const told = ({ proofs, fixes }: InputsExplanation): unknown => ({
      proofs: proofs.map(({ name, candidates, more }) => ({
        name,
        more,
        candidates: candidates.map(({ version, verdict }) => `${JSON.stringify(version)} ${verdict.kind}`).sort(),
      })),
      fixes: fixes.map(({ changes, resolves }) => ({ changes: changes.map((change) => change.do), resolves })),
    });
    for (const world of fc.sample(randomWorld, WORLDS / 4)) {
      const stored = await t.db.tx((tx) => StoredWorld.write(tx, world));
      const explanation = await askPostgres(t.db, stored.request, explainInputs(stored.request));
      const expected = told(runOn(new World(world.resources, world.builds), explainInputs(world.request)));
      expect({ world, told: told(explanation) }).toEqual({ world, told: expected });
    }
  }, 120_000);

  it('names jobs, builds and versions, and what would help', async () => {
    const [row] = rules.filter(({ name }) => name.startsWith('takes all versions that name a job from one build'));
    const [scenario] = readScenarios([row]);
    const stored = await t.db.tx((tx) => StoredWorld.write(tx, scenario!));
    const { inputs, fixes } = await explainRequest(t.db, stored.request);
    expect(inputs.map(({ candidates }) => candidates.map(({ text }) => text))).toEqual([
      ['passed j1 in j1 #b1, which holds no usable version for input y'],
      ['passed j1 in j1 #b2, which holds no usable version for input x'],
    ]);
    expect(fixes.map(({ text }) => text)).toEqual(['job j1 must pass on r1 x1 and r2 y1']);
  });

  it('says which upstream builds vouched for the versions that a build ran with', async () => {
    const [row] = rules.filter(({ name }) => name.startsWith('goes on, with `every`'));
    const [scenario] = readScenarios([row]);
    const stored = await t.db.tx((tx) => StoredWorld.write(tx, scenario!));
    const [own] = await t.db.query<{ id: BuildId }>(
      `select id from builds where job_id = $1 order by id desc limit 1`,
      [stored.request.jobId],
    );
    expect(await readRecordedInputs(t.db, own!.id)).toMatchObject([
      { name: 'y', resource: 'r2', firstOccurrence: false, vouchedBy: [{ name: 'j2 #b2' }] },
    ]);
  });

  it('tells who disabled a version, when and why', async () => {
    const [row] = rules.filter(({ name }) => name.startsWith('uses the next version for every'));
    const [scenario] = readScenarios([row]);
    const stored = await t.db.tx((tx) => StoredWorld.write(tx, scenario!));
    const marked = `update disabled_versions set disabled_by = 'ann', disabled_at = '2026-03-04T05:06Z', reason = 'broken'`;
    await t.db.query(marked);
    const { proofs } = await askPostgres(t.db, stored.request, explainInputs(stored.request));
    const disabled = proofs[0]!.candidates.find(({ verdict }) => verdict.kind === 'disabled')!;
    const names = { job: String, resource: String, build: String, version: String };
    expect(describeVerdict(disabled.verdict, names)).toBe('disabled by ann on 2026-03-04 05:06 UTC: broken');
  });
});

describe('the cache of effective sets', () => {
  it('shows each plan what arrived before it, on two servers that know nothing of each other', async () => {
    const servers = [new EffectiveSetCache(PLENTY, SMALL), new EffectiveSetCache(PLENTY, SMALL)];
    for (const world of fc.sample(randomWorld, WORLDS / 6)) {
      const stored = await t.db.tx((tx) => StoredWorld.write(tx, world, false));
      for (const [i, build] of world.builds.entries()) {
        await t.db.tx((tx) => stored.addBuild(tx, build));
        const plan = await planOnPostgres(t.db, stored.request, { cache: servers[i % 3 === 0 ? 0 : 1]! });
        const soFar = { ...world, builds: world.builds.slice(0, i + 1) };
        expect({ soFar, plan: stored.inOwnIds(plan) }).toEqual({ soFar, plan: planWorld(soFar) });
      }
    }
  }, 120_000);

  it('catches up with more news than it keeps', async () => {
    const cache = new EffectiveSetCache(PLENTY, SMALL);
    for (const world of fc.sample(randomWorld, WORLDS / 2)) {
      const stored = await t.db.tx((tx) => StoredWorld.write(tx, world, false));
      await planOnPostgres(t.db, stored.request, { cache });
      const half = Math.floor(world.builds.length / 2);
      for (const [from, to] of [
        [0, half],
        [half, world.builds.length],
      ] as const) {
        await t.db.tx(async (tx) => {
          for (const build of world.builds.slice(from, to)) await stored.addBuild(tx, build);
        });
        const soFar = { ...world, builds: world.builds.slice(0, to) };
        const plan = stored.inOwnIds(await planOnPostgres(t.db, stored.request, { cache }));
        expect({ soFar, plan }).toEqual({ soFar, plan: planWorld(soFar) });
      }
    }
  }, 120_000);

  it('does not show a transaction what it cannot see itself', async () => {
    const world = fc.sample(randomWorld, 400).find((w) => {
      const without = { ...w, builds: w.builds.slice(0, -1) };
      return w.builds.length > 3 && JSON.stringify(planWorld(w)) !== JSON.stringify(planWorld(without));
    })!;
    const before = { ...world, builds: world.builds.slice(0, -1) };
    const stored = await t.db.tx((tx) => StoredWorld.write(tx, before));
    const cache = new EffectiveSetCache(PLENTY);
    await t.db.tx(async (old) => {
      await old.query('select 1 from jobs limit 1');
      await t.db.tx((tx) => stored.addBuild(tx, world.builds.at(-1)!));
      expect(stored.inOwnIds(await planOnPostgres(t.db, stored.request, { cache }))).toEqual(planWorld(world));
      expect(stored.inOwnIds(await planOnPostgres(old, stored.request, { cache }))).toEqual(planWorld(before));
    }, 'REPEATABLE READ');
  });

  it('asks the tables nothing about later candidates while the first one may do', async () => {
    const [git, unit, lint, deploy] = [1 as ResourceId, 11 as JobId, 12 as JobId, 13 as JobId];
    const digests = ['a', 'b', 'c'].map((letter) => letter.repeat(64) as Digest);
    const [a, b, c] = digests as [Digest, Digest, Digest];
    const held = [
      [unit, a],
      [lint, a],
      [unit, b],
      [lint, b],
      [unit, c],
      [lint, c],
      [lint, c],
    ] as const;
    const builds = held.map(([jobId, digest], i): WorldBuild => ({
      id: (i + 1) as BuildId,
      jobId,
      status: 'succeeded',
      rerunOf: null,
      outputs: [{ resourceId: git, digest }],
      inputs: [],
      pipes: [],
    }));
    const versions = digests.map((digest, i) => ({ digest, version: { ref: digest }, checkOrder: i + 1 }));
    const passed = { all: [{ job: unit }, { job: lint }] };
    const world = {
      resources: [{ id: git, versions, disabled: new Set<Digest>() }],
      builds,
      request: {
        jobId: deploy,
        inputs: [{ name: 'git', resourceId: git, trigger: true, passed, version: 'latest' as const }],
      },
    };
    const stored = await t.db.tx((tx) => StoredWorld.write(tx, world));
    let asked = 0;
    const counting = {
      query: <Row>(...query: Parameters<Queryable['query']>): Promise<Row[]> => (asked++, t.db.query<Row>(...query)),
    };
    // The windows hold two builds of each job: of unit c and b, of lint c twice.
    const cache = new EffectiveSetCache(PLENTY, SMALL);
    const plan = await planOnPostgres(counting, stored.request, { cache });
    expect(stored.inOwnIds(plan)).toEqual(planWorld(world));
    expect(plan.inputs[0]).toMatchObject({ version: { ref: c } });
    expect(asked).toBe(2);
  });

  it('keeps no more than its bound, and plans the same with less', async () => {
    const bound = 30_000;
    const cache = new EffectiveSetCache(bound);
    for (const world of fc.sample(randomWorld, 20)) {
      const stored = await t.db.tx((tx) => StoredWorld.write(tx, world));
      expect(stored.inOwnIds(await planOnPostgres(t.db, stored.request, { cache }))).toEqual(planWorld(world));
      expect(cache.sizeBytes).toBeLessThanOrEqual(bound);
    }
    expect(cache.sizeBytes).toBeGreaterThan(0);
  });
});
