import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { isResolved, readScenarios } from '../../src/planner/index.js';
import { NotificationListener } from '../../src/persistence/index.js';
import { createLogger, Metrics } from '../../src/platform/index.js';
import { SchedulingLoop } from '../../src/scheduling/index.js';
import { planOnPostgres } from '../../src/scheduling/plan-on-postgres.js';
import { planWorld } from '../support/compare-with-oracle.js';
import { eventually } from '../support/eventually.js';
import { StoredWorld } from '../support/stored-world.js';
import { createTestDb, type TestDb } from '../support/test-db.js';
import { rules } from '../scenarios/planner/rules.js';

/** The planner's table, stored in PostgreSQL and decided by the real trigger loop: what is planned is what is written. */
let t: TestDb;
let listener: NotificationListener;
let loop: SchedulingLoop;
beforeAll(async () => {
  const log = createLogger('silent');
  t = await createTestDb();
  listener = new NotificationListener(t.url, log);
  await listener.start();
  loop = new SchedulingLoop(t.db, listener, planOnPostgres, log, new Metrics());
  loop.onApplicationBootstrap();
});
afterAll(async () => {
  await loop.onModuleDestroy();
  await listener.stop();
  await t.drop();
});

interface NextInput {
  name: string;
  digest: string | null;
  first: boolean | null;
  error: string | null;
}
const samples = path.join(import.meta.dirname, '../scenarios/planner/samples.json');

describe('the trigger loop writes what the planner chose', () => {
  for (const scenario of readScenarios([...(JSON.parse(readFileSync(samples, 'utf8')) as unknown[]), ...rules])) {
    it(scenario.name, async () => {
      const stored = await t.db.tx((tx) => StoredWorld.write(tx, scenario));
      const before = await t.db.query<{ id: number }>(`select id from builds where job_id = $1`, [
        stored.request.jobId,
      ]);
      const jobId = await t.db.tx((tx) => stored.askLoop(tx));
      const isDone = `select from jobs where id = $1 and schedule_done = schedule_requested`;
      await eventually('the round', async () => (await t.db.query(isDone, [jobId])).length > 0);

      const plan = planWorld(scenario);
      const inputs = await t.db.query<NextInput>(
        `select name, digest, first_occurrence as first, error_text as error from next_inputs where job_id = $1 order by ordinal`,
        [jobId],
      );
      const expected = await planOnPostgres(t.db, stored.request);
      expect(stored.inOwnIds(expected)).toEqual(plan);
      expect(inputs).toEqual(
        expected.inputs.map((input) =>
          isResolved(input)
            ? { name: input.name, digest: input.digest, first: input.firstOccurrence, error: null }
            : { name: input.name, digest: null, first: null, error: input.text },
        ),
      );
      const [job] = await t.db.query<{ determined: boolean }>(
        `select inputs_determined as determined from jobs where id = $1`,
        [jobId],
      );
      expect(job?.determined).toBe(plan.resolved);
      const pipes = await t.db.query<{ id: number }>(
        `select from_build_id as id from next_pipes where job_id = $1 order by 1`,
        [jobId],
      );
      const vouching = new Set(expected.inputs.flatMap((input) => (isResolved(input) ? input.passedBuildIds : [])));
      expect(pipes.map(({ id }) => id)).toEqual([...vouching].sort((a, b) => a - b));
      const made = await t.db.query<{ status: string }>(
        `select status from builds where job_id = $1 and id <> all($2::bigint[])`,
        [jobId, before.map(({ id }) => id)],
      );
      const isNew = plan.resolved && plan.inputs.some((input) => isResolved(input) && input.firstOccurrence);
      expect(made).toEqual(isNew ? [{ status: 'pending' }] : []);
    });
  }
});
