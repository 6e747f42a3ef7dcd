import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { BuildId, JobConfig, JobId } from '../../src/model/index.js';
import {
  createManualBuild,
  finishBuild,
  NotificationListener,
  pendingWithoutBlocker,
} from '../../src/persistence/index.js';
import { createLogger, Metrics } from '../../src/platform/index.js';
import { SchedulingLoop } from '../../src/scheduling/index.js';
import { planOnPostgres } from '../../src/scheduling/plan-on-postgres.js';
import { eventually } from '../support/eventually.js';
import { insertPipeline, recordVersions, type PipelineRows } from '../support/pipeline-rows.js';
import { createTestDb, type TestDb } from '../support/test-db.js';

let t: TestDb;
let count = 0;
const log = createLogger('silent');
const running: { loop: SchedulingLoop; listener: NotificationListener }[] = [];
beforeAll(async () => {
  t = await createTestDb();
});
afterEach(async () => {
  for (const { loop, listener } of running.splice(0)) {
    await loop.onModuleDestroy();
    await listener.stop();
    expect(loop.violations).toBe(0);
  }
});
afterAll(() => t.drop());

async function start(): Promise<SchedulingLoop> {
  const listener = new NotificationListener(t.url, log);
  await listener.start();
  const loop = new SchedulingLoop(t.db, listener, planOnPostgres, log, new Metrics());
  running.push({ loop, listener });
  loop.onApplicationBootstrap();
  return loop;
}
const oneJob = (job: Partial<JobConfig> = {}): Promise<PipelineRows> =>
  insertPipeline(t.db, `p${++count}`, {
    resources: [{ name: 'repo', type: 'mock' }],
    jobs: [{ name: 'test', plan: [{ get: 'repo', trigger: true }], ...job }],
  });
interface Row {
  id: BuildId;
  status: string;
  ref: string | null;
}
const builds = (job: JobId): Promise<Row[]> =>
  t.db.query<Row>(
    `select b.id, b.status, i.version->>'ref' as ref from builds b left join build_inputs i on i.build_id = b.id
     where b.job_id = $1 order by b.id`,
    [job],
  );
const isCalm = async (): Promise<boolean> =>
  (await t.db.query(`select from jobs where schedule_requested > schedule_done`)).length === 0;

describe('the trigger loop', () => {
  it('starts a build soon after a version is recorded, woken by NOTIFY', async () => {
    const p = await oneJob();
    await start();
    await recordVersions(t.db, p.resources.repo!, 'v1');
    // Well before the sweep, which comes every 5 s.
    await eventually('the build starts', async () => (await builds(p.jobs.test!))[0]?.status === 'started', 3_000);
  });

  it('finds a request whose NOTIFY was lost', async () => {
    const p = await oneJob();
    await recordVersions(t.db, p.resources.repo!, 'v1'); // nobody listens
    const loop = await start();
    await eventually('the build starts', async () => (await builds(p.jobs.test!))[0]?.status === 'started');
    await t.db.query(`update jobs set schedule_requested = schedule_requested + 1 where id = $1`, [p.jobs.test]);
    await loop.sweep();
    await eventually('the request is done', isCalm);
  });

  it('looks again at a pending build that everybody forgot', async () => {
    const p = await oneJob({ plan: [] });
    await t.db.tx((tx) => createManualBuild(tx, p.jobs.test!, 'ann'));
    await t.db.query(
      `update jobs set schedule_done = schedule_requested, scheduled_at = now() - interval '2 minutes' where id = $1`,
      [p.jobs.test],
    );
    await start();
    await eventually('the build starts', async () => (await builds(p.jobs.test!))[0]?.status === 'started');
  });

  it('counts a pending build that has no reason to wait', async () => {
    const p = await oneJob({ plan: [] });
    const id = await t.db.tx((tx) => createManualBuild(tx, p.jobs.test!, 'ann'));
    await t.db.query(
      `update jobs set schedule_done = schedule_requested, scheduled_at = clock_timestamp() where id = $1`,
      [p.jobs.test],
    );
    const metrics = new Metrics();
    const loop = new SchedulingLoop(t.db, new NotificationListener(t.url, log), planOnPostgres, log, metrics);
    await loop.sweep();
    expect(loop.violations).toBe(1);
    expect(await metrics.text()).toContain('weir_pending_builds_without_reason_total 1\n');
    await t.db.tx((tx) => finishBuild(tx, id, 'aborted'));
    await loop.sweep();
    await loop.onModuleDestroy();
    expect(loop.violations).toBe(1);
  });

  it('makes one build of the newest version of a storm, with two servers at it, and never two pending ones', async () => {
    const p = await oneJob({ serial: true });
    await recordVersions(t.db, p.resources.repo!, 'v0');
    await Promise.all([start(), start()]);
    await eventually('the first build runs', async () => (await builds(p.jobs.test!))[0]?.status === 'started');
    for (let n = 1; n <= 200; n++) {
      await recordVersions(t.db, p.resources.repo!, `v${n}`);
      if (n % 20 === 0)
        expect((await builds(p.jobs.test!)).filter(({ status }) => status === 'pending').length).toBeLessThanOrEqual(1);
    }
    await eventually('all requests are done', isCalm);
    const [first, ...others] = await builds(p.jobs.test!);
    expect(others).toEqual([{ id: expect.any(Number), status: 'pending', ref: null }]);
    await t.db.tx((tx) => finishBuild(tx, first!.id, 'succeeded'));
    await eventually('the last version is built', async () => (await builds(p.jobs.test!))[1]?.ref === 'v200');
    expect(await builds(p.jobs.test!)).toHaveLength(2);
  });

  it('builds every version once, in order, with two servers at it', async () => {
    const p = await oneJob({ plan: [{ get: 'repo', trigger: true, version: 'every' }], max_in_flight: 3 });
    await recordVersions(t.db, p.resources.repo!, 'v0');
    await Promise.all([start(), start()]);
    await eventually('the first build runs', async () => (await builds(p.jobs.test!))[0]?.status === 'started');
    for (let n = 1; n <= 30; n++) await recordVersions(t.db, p.resources.repo!, `v${n}`);
    await eventually('all are built', async () => {
      const all = await builds(p.jobs.test!);
      const started = all.filter(({ status }) => status === 'started');
      expect(started.length).toBeLessThanOrEqual(3);
      for (const { id } of started) await t.db.tx((tx) => finishBuild(tx, id, 'succeeded'));
      return all.length === 31 && started.length === 0 && all.every(({ status }) => status === 'succeeded');
    });
    expect((await builds(p.jobs.test!)).map(({ ref }) => ref)).toEqual(Array.from({ length: 31 }, (_, n) => `v${n}`));
  });

  it('wakes the next build of a serial group at once when a slot is freed', async () => {
    const p = await insertPipeline(t.db, `p${++count}`, {
      jobs: ['a', 'b'].map((name) => ({ name, plan: [], serial_groups: ['g'] })),
    });
    await start();
    const [a, b] = [
      await t.db.tx((tx) => createManualBuild(tx, p.jobs.a!, 'ann')),
      await t.db.tx((tx) => createManualBuild(tx, p.jobs.b!, 'ann')),
    ];
    const status = async (id: BuildId): Promise<string | undefined> =>
      (await t.db.query<{ status: string }>(`select status from builds where id = $1`, [id]))[0]?.status;
    await eventually('a runs', async () => (await status(a)) === 'started');
    await eventually('b is looked at', isCalm);
    expect(await status(b)).toBe('pending');
    expect(await pendingWithoutBlocker(t.db)).toEqual([]);
    await t.db.tx((tx) => finishBuild(tx, a, 'succeeded'));
    await eventually('b runs', async () => (await status(b)) === 'started', 3_000);
  });
});
