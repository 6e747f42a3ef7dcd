import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { slotWaitText, type BuildId } from '../../src/model/index.js';
import {
  askForSlot,
  declareRuntimes,
  finishBuild,
  freeSlot,
  listRuntimes,
  noteRuntime,
  slotWaits,
  type RuntimeId,
} from '../../src/persistence/index.js';
import { createTestDb, type TestDb } from '../support/test-db.js';

describe('slots of runtimes', () => {
  let t: TestDb;
  let small: RuntimeId;
  beforeAll(async () => {
    t = await createTestDb();
  });
  afterAll(() => t.drop());
  beforeEach(async () => {
    await t.db.query(`delete from builds`);
    await t.db.query(`delete from runtimes`);
    small = await declare(2);
  });

  const declare = async (slots: number, instance = 'one'): Promise<RuntimeId> => {
    const runtime = { name: 'docker', kind: 'docker', tags: [], slots };
    return (await t.db.tx((tx) => declareRuntimes(tx, instance, [runtime]))).get('docker')!;
  };
  /** A started build that a server runs; `leaseMs` below 0: nobody does. */
  const build = async (leaseMs = 60_000): Promise<BuildId> => {
    const [row] = await t.db.query<{ id: BuildId }>(
      `insert into builds (team_id, name, status, started_at, plan, lease_instance, lease_epoch, lease_until)
       select id, 'b', 'started', now(), '{}', 'one', 1, now() + $1 * interval '1 ms' from teams limit 1 returning id`,
      [leaseMs],
    );
    return row!.id;
  };
  /** @returns has it a slot? Asking again is how a step that waits looks. */
  const ask = async (buildId: BuildId, stepId = 's'): Promise<boolean> =>
    (await t.db.tx((tx) => askForSlot(tx, { buildId, stepId }, { runtime: small }))).hasSlot;
  const free = (buildId: BuildId): Promise<void> => t.db.tx((tx) => freeSlot(tx, { buildId, stepId: 's' }));
  const waits = async (buildId: BuildId): Promise<string[]> => (await slotWaits(t.db, buildId)).map(slotWaitText);

  it('are given in the order in which builds were created, not in that of asking', async () => {
    const [first, second, third, fourth, fifth] = [
      await build(),
      await build(),
      await build(),
      await build(),
      await build(),
    ];
    expect([await ask(first), await ask(second)]).toEqual([true, true]);
    for (const id of [fifth, fourth, third]) expect(await ask(id)).toBe(false);
    expect(await waits(fourth)).toEqual([
      `waits for a slot on docker: position 2 of 3; its 2 slots are taken by build ${first} and build ${second}`,
    ]);
    await free(second);
    expect([await ask(fifth), await ask(fourth), await ask(third)]).toEqual([false, false, true]);
  });

  it('are never more than there are, however many servers ask and free at once', async () => {
    const ids = (await Promise.all(Array.from({ length: 20 }, () => build()))).sort((a, b) => a - b);
    let most = 0;
    const run = async (id: BuildId): Promise<void> => {
      while (!(await ask(id))) await new Promise((resolve) => setTimeout(resolve, 5));
      const [runtime] = await listRuntimes(t.db);
      most = Math.max(most, runtime!.running.length);
      await free(id);
    };
    await Promise.all(ids.map(run));
    expect(most).toBeLessThanOrEqual(2);
    expect(await t.db.query(`select from step_slots`)).toEqual([]);
  });

  it('refuse by constraint to be taken twice', async () => {
    const [first, second] = [await build(), await build()];
    await ask(first);
    await ask(second);
    await expect(t.db.query(`update step_slots set slot = 1 where build_id = $1`, [second])).rejects.toMatchObject({
      constraint: 'a_slot_is_taken_once',
    });
  });

  it('stay with a step that asks again after a restart', async () => {
    const id = await build();
    expect(await ask(id)).toBe(true);
    expect(await ask(id)).toBe(true);
    expect((await listRuntimes(t.db))[0]!.running).toHaveLength(1);
  });

  it('go to the next when the step ends, and when its build ends', async () => {
    const [a, b, c, d] = [await build(), await build(), await build(), await build()];
    for (const id of [a, b, c, d]) await ask(id);
    const running = async (): Promise<BuildId[]> =>
      (await listRuntimes(t.db))[0]!.running.map(({ buildId }) => buildId).sort((x, y) => x - y);
    expect(await running()).toEqual([a, b]);
    await free(a);
    expect(await running()).toEqual([b, c]);
    await t.db.tx((tx) => finishBuild(tx, b, 'errored'));
    expect(await running()).toEqual([c, d]);
  });

  it('are not kept from others by a build that no server runs', async () => {
    const [dead, first, second] = [await build(-1_000), await build(), await build()];
    expect([await ask(dead), await ask(first), await ask(second)]).toEqual([false, true, true]);
  });

  it('are not given while the runtime does not answer', async () => {
    const id = await build();
    await t.db.tx((tx) => noteRuntime(tx, small, { unreachable: 'connection refused' }));
    expect(await ask(id)).toBe(false);
    expect(await waits(id)).toEqual(['waits for runtime docker, which does not answer: connection refused']);
    await t.db.tx((tx) => noteRuntime(tx, small, { capabilities: {} }));
    expect(await waits(id)).toEqual([]);
  });

  it('are of one server each', async () => {
    const other = await declare(1, 'two');
    expect(other).not.toBe(small);
    const id = await build();
    await ask(id);
    expect((await listRuntimes(t.db)).map(({ running }) => running.length)).toEqual([1, 0]);
  });

  it('say why no runtime can take a step, until one can', async () => {
    const id = await build();
    await t.db.tx((tx) => askForSlot(tx, { buildId: id, stepId: 's' }, { noRuntimeBecause: 'no workers satisfying' }));
    expect(await waits(id)).toEqual(['no workers satisfying']);
    expect(await ask(id)).toBe(true);
  });
});
