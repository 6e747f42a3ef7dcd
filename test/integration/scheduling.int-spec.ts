import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { BuildBlockers, BuildId, JobId, PipelineConfig, ResourceId } from '../../src/model/index.js';
import {
  createManualBuild,
  createRerun,
  finishBuild,
  readJobSnapshot,
  requestAbort,
  requestFreshChecks,
  scheduleRequests,
} from '../../src/persistence/index.js';
import { ConfigCache } from '../../src/scheduling/config-cache.js';
import { JobsService } from '../../src/scheduling/index.js';
import { planOnPostgres } from '../../src/scheduling/plan-on-postgres.js';
import { requestOf, Round, type RoundOutcome } from '../../src/scheduling/round.js';
import { insertPipeline, recordVersions, type PipelineRows } from '../support/pipeline-rows.js';
import { createTestDb, type TestDb } from '../support/test-db.js';

let t: TestDb;
let service: JobsService;
let count = 0;
const round = new Round(planOnPostgres, new ConfigCache());
beforeAll(async () => {
  t = await createTestDb();
  service = new JobsService(t.db);
});
afterAll(() => t.drop());
afterEach(async () => {
  const rows = await t.db.query(
    `select job_id from builds where status = 'pending' and not manually_triggered and rerun_of is null group by job_id having count(*) > 1`,
  );
  expect(rows).toEqual([]); // the law of this file: never two pending automatic builds
});

const set = (config: PipelineConfig): Promise<PipelineRows> => insertPipeline(t.db, `p${++count}`, config);
const oneJob = (job: Partial<PipelineConfig['jobs'][number]> = {}): Promise<PipelineRows> =>
  set({
    resources: [{ name: 'repo', type: 'mock' }],
    jobs: [{ name: 'test', plan: [{ get: 'repo', trigger: true }], ...job }],
  });
const record = (p: PipelineRows, ...refs: string[]): Promise<void> => recordVersions(t.db, p.resources.repo!, ...refs);
const runRound = (job: JobId): Promise<RoundOutcome> => t.db.tx((tx) => round.run(tx, job));

/** Rounds until nothing more is requested, with the checks that builds wait for left undone. */
async function settle(...jobs: JobId[]): Promise<void> {
  for (let i = 0; i < 50; i++) {
    const outcomes = [];
    for (const job of jobs) outcomes.push(await runRound(job));
    if (outcomes.every(({ kind }) => kind === 'idle')) return;
  }
  throw new Error('the jobs ask for ever');
}
const wake = (job: JobId): Promise<void> => t.db.tx((tx) => scheduleRequests.jobs(tx, [job]));
const trigger = (job: JobId): Promise<BuildId> => t.db.tx((tx) => createManualBuild(tx, job, 'ann'));
const finish = (id: BuildId): Promise<boolean> => t.db.tx((tx) => finishBuild(tx, id, 'succeeded'));

/** `name:status:ref` per build in order of ids. */
async function builds(job: JobId): Promise<string[]> {
  const rows = await t.db.query<{ text: string }>(
    `select b.name || ':' || b.status || coalesce(':' || (i.version->>'ref'), '') as text
     from builds b left join build_inputs i on i.build_id = b.id and i.ordinal = 0 where b.job_id = $1 order by b.id`,
    [job],
  );
  return rows.map((row) => row.text);
}
async function buildNamed(job: JobId, name: string): Promise<BuildId> {
  const [row] = await t.db.query<{ id: BuildId }>(`select id from builds where job_id = $1 and name = $2`, [job, name]);
  return row!.id;
}
async function blockers(job: JobId): Promise<BuildBlockers[]> {
  const [row] = await t.db.query<{ blockers: BuildBlockers[] }>(`select blockers from jobs where id = $1`, [job]);
  return row!.blockers;
}
async function pause(what: 'pipelines' | 'jobs' | 'resources', id: number): Promise<void> {
  await t.db.query(
    `update ${what} set paused = true, paused_by = 'ann', paused_at = now(), pause_reason = 'release' where id = $1`,
    [id],
  );
}
async function unpause(what: 'pipelines' | 'jobs', id: number, p: PipelineRows): Promise<void> {
  await t.db.query(
    `update ${what} set paused = false, paused_by = null, paused_at = null, pause_reason = null where id = $1`,
    [id],
  );
  await t.db.tx((tx) => scheduleRequests.pipeline(tx, p.id));
}
/** As the checking loop would when a check finds nothing new. */
async function checkEnds(resource: ResourceId): Promise<void> {
  await t.db.tx(async (tx) => {
    const [row] = await tx.query<{ id: never }>(
      `update histories h set check_started_at = clock_timestamp(), check_ended_at = clock_timestamp(), check_succeeded = true,
         next_check_at = clock_timestamp() + interval '1 minute'
       from resources r where r.id = $1 and h.id = r.history_id returning h.id`,
      [resource],
    );
    await scheduleRequests.checkEnded(tx, [row!.id]);
  });
}

describe('creating builds', () => {
  it('starts one build for a new version of an input that triggers, with that version', async () => {
    const p = await oneJob();
    await record(p, 'v1', 'v2');
    await settle(p.jobs.test!);
    expect(await builds(p.jobs.test!)).toEqual(['1:started:v2']);
    const [build] = await t.db.query(`select plan, inputs_ready, started_at from builds where job_id = $1`, [
      p.jobs.test,
    ]);
    expect(build).toMatchObject({ inputs_ready: true, plan: { step: { kind: 'do' } }, started_at: expect.any(Date) });
    const events = await t.db.query(`select event, data->>'status' as status from build_events where build_id = $1`, [
      await buildNamed(p.jobs.test!, '1'),
    ]);
    expect(events).toEqual([{ event: 'status', status: 'started' }]);
  });

  it('builds nothing, and says so, when no version is new', async () => {
    const p = await oneJob();
    await record(p, 'v1');
    await settle(p.jobs.test!);
    await wake(p.jobs.test!);
    await settle(p.jobs.test!);
    expect(await builds(p.jobs.test!)).toHaveLength(1);
    expect(await blockers(p.jobs.test!)).toEqual([{ build: null, reasons: [{ kind: 'nothing-new' }] }]);
  });

  it('does not build for an input that does not trigger, but shows that it is new', async () => {
    const p = await oneJob({ plan: [{ get: 'repo' }] });
    await record(p, 'v1');
    await settle(p.jobs.test!);
    expect(await builds(p.jobs.test!)).toEqual([]);
    expect(await service.get(p.jobs.test!)).toMatchObject({ hasNewInputs: true });
  });

  it('builds every version of a backlog, in order', async () => {
    const p = await oneJob({ plan: [{ get: 'repo', trigger: true, version: 'every' }] });
    await record(p, 'v1');
    await settle(p.jobs.test!);
    await record(p, 'v2', 'v3', 'v4');
    await settle(p.jobs.test!);
    expect(await builds(p.jobs.test!)).toEqual(['1:started:v1', '2:started:v2', '3:started:v3', '4:started:v4']);
  });

  it('keeps one pending automatic build and uses each number once under 20 rounds at once', async () => {
    const p = await oneJob({ serial: true });
    await record(p, 'v0');
    await settle(p.jobs.test!);
    for (let n = 1; n <= 20; n++) {
      await record(p, `v${n}`);
      await Promise.all(Array.from({ length: n === 20 ? 20 : 4 }, () => runRound(p.jobs.test!)));
    }
    await settle(p.jobs.test!);
    expect(await builds(p.jobs.test!)).toEqual(['1:started:v0', '2:pending']);
    await finish(await buildNamed(p.jobs.test!, '1'));
    await settle(p.jobs.test!);
    expect(await builds(p.jobs.test!)).toEqual(['1:succeeded:v0', '2:started:v20']);
  });

  it('applies nothing of a decision that has become stale', async () => {
    const p = await oneJob();
    await record(p, 'v1');
    const old = (await readJobSnapshot(t.db, p.jobs.test!))!;
    const plan = await planOnPostgres(t.db, requestOf(old));
    await settle(p.jobs.test!);
    await wake(p.jobs.test!);
    for (const mayLag of [false, true])
      expect(await t.db.tx((tx) => round.apply(tx, old, plan, mayLag))).toEqual({ kind: 'stale' });
    expect(await builds(p.jobs.test!)).toEqual(['1:started:v1']);
  });

  it('applies nothing when the job was paused between reading and writing', async () => {
    const p = await oneJob();
    await record(p, 'v1');
    const old = (await readJobSnapshot(t.db, p.jobs.test!))!;
    const plan = await planOnPostgres(t.db, requestOf(old));
    await pause('jobs', p.jobs.test!);
    expect(await t.db.tx((tx) => round.apply(tx, old, plan))).toEqual({ kind: 'stale' });
    await settle(p.jobs.test!);
    expect(await builds(p.jobs.test!)).toEqual(['1:pending']);
  });
});

describe('paused', () => {
  const cases = [false, true].flatMap((resource) =>
    [false, true].flatMap((job) => [false, true].map((pipeline) => ({ resource, job, pipeline }))),
  );
  it.each(cases)(
    'resource $resource, job $job, pipeline $pipeline: queues one build, starts it only when neither job nor pipeline is paused',
    async (paused) => {
      const p = await oneJob();
      const job = p.jobs.test!;
      if (paused.resource) await pause('resources', p.resources.repo!);
      if (paused.job) await pause('jobs', job);
      if (paused.pipeline) await pause('pipelines', p.id);
      // A put still brings versions while everything is paused.
      await record(p, 'v1');
      await settle(job);
      const isStopped = paused.job || paused.pipeline;
      expect(await builds(job)).toEqual([isStopped ? '1:pending' : '1:started:v1']);
      if (!isStopped) return;
      await record(p, 'v2');
      await settle(job);
      expect(await builds(job)).toEqual(['1:pending']);
      const kinds = (await blockers(job)).flatMap((each) => each.reasons.map((reason) => reason.kind));
      expect(kinds).toEqual([...(paused.pipeline ? ['pipeline-paused'] : []), ...(paused.job ? ['job-paused'] : [])]);
      if (paused.pipeline) await unpause('pipelines', p.id, p);
      if (paused.job) await unpause('jobs', job, p);
      await settle(job);
      expect(await builds(job)).toEqual(['1:started:v2']);
    },
  );

  it('leaves running builds alone', async () => {
    const p = await oneJob();
    await record(p, 'v1');
    await settle(p.jobs.test!);
    await pause('pipelines', p.id);
    await record(p, 'v2');
    await settle(p.jobs.test!);
    expect(await builds(p.jobs.test!)).toEqual(['1:started:v1', '2:pending']);
  });

  it('still ends an aborted build', async () => {
    const p = await oneJob();
    await pause('jobs', p.jobs.test!);
    const build = await trigger(p.jobs.test!);
    await t.db.tx((tx) => requestAbort(tx, build, 'ann'));
    await settle(p.jobs.test!);
    expect(await builds(p.jobs.test!)).toEqual(['1:aborted']);
  });

  it('does not hold up a manual build for a check that cannot come', async () => {
    const p = await oneJob({ plan: [{ get: 'repo' }] });
    await record(p, 'v1');
    await pause('resources', p.resources.repo!);
    await trigger(p.jobs.test!);
    await settle(p.jobs.test!);
    expect(await builds(p.jobs.test!)).toEqual(['1:started:v1']);
  });
});

describe('starting pending builds', () => {
  it('holds a manual build until its inputs were checked after it was created, then takes the newest', async () => {
    const p = await oneJob({ plan: [{ get: 'repo' }] });
    const job = p.jobs.test!;
    await record(p, 'v1');
    await settle(job);
    const build = await trigger(job);
    const outcome = await runRound(job);
    expect(outcome).toMatchObject({ kind: 'done', started: [], checks: [p.resources.repo] });
    await t.db.tx((tx) => requestFreshChecks(tx, [p.resources.repo!]));
    const [history] = await t.db.query(
      `select check_requested_at > check_started_at as asked from histories h join resources r on r.history_id = h.id where r.id = $1`,
      [p.resources.repo],
    );
    expect(history).toEqual({ asked: true });
    const preparation = await service.preparation(build);
    expect(preparation).toMatchObject({
      inputs: { repo: 'blocking' },
      missing_input_reasons: { repo: 'checking for latest available versions' },
      paused_job: 'not_blocking',
    });
    expect(preparation.reasons).toEqual([expect.stringMatching(/^input repo waits for a check of resource repo/)]);
    await record(p, 'v2');
    await checkEnds(p.resources.repo!);
    await settle(job);
    expect(await builds(job)).toEqual(['1:started:v2']);
  });

  it('lets a waiting manual build take the new version instead of making an automatic one', async () => {
    const p = await oneJob();
    const job = p.jobs.test!;
    await trigger(job);
    await settle(job);
    await record(p, 'v1');
    await settle(job);
    expect(await builds(job)).toEqual(['1:pending']);
    await checkEnds(p.resources.repo!);
    await settle(job);
    expect(await builds(job)).toEqual(['1:started:v1']);
  });

  it('gives two manual builds of one backlog different versions', async () => {
    const p = await oneJob({ plan: [{ get: 'repo', version: 'every' }] });
    const job = p.jobs.test!;
    await record(p, 'v1');
    for (let i = 0; i < 3; i++) await trigger(job);
    await checkEnds(p.resources.repo!);
    await runRound(job);
    await record(p, 'v2', 'v3');
    await settle(job);
    expect(await builds(job)).toEqual(['1:started:v1', '2:started:v2', '3:started:v3']);
  });

  it('waits for a check of an input that does not trigger when its interval is over', async () => {
    const p = await set({
      resources: [
        { name: 'repo', type: 'mock' },
        { name: 'tools', type: 'mock' },
      ],
      jobs: [{ name: 'test', plan: [{ get: 'repo', trigger: true }, { get: 'tools' }] }],
    });
    const job = p.jobs.test!;
    await recordVersions(t.db, p.resources.tools!, 't1');
    await settle(job);
    await t.db.query(
      `update histories set next_check_at = now() - interval '1 minute' where id = (select history_id from resources where id = $1)`,
      [p.resources.tools],
    );
    await record(p, 'v1');
    await settle(job);
    expect(await builds(job)).toEqual(['1:pending']);
    expect((await blockers(job))[0]?.reasons).toMatchObject([{ kind: 'waiting-for-check', resource: 'tools' }]);
    await checkEnds(p.resources.tools!);
    await settle(job);
    expect(await builds(job)).toEqual(['1:started:v1']);
  });

  it('finishes an aborted pending build and goes on with the next', async () => {
    const p = await oneJob({ plan: [] });
    const job = p.jobs.test!;
    const first = await trigger(job);
    await trigger(job);
    await t.db.tx((tx) => requestAbort(tx, first, 'ann'));
    await settle(job);
    expect(await builds(job)).toEqual(['1:aborted', '2:started']);
  });

  it("fixes the inputs of a rerun as its original had them, and starts it at the original's place", async () => {
    const p = await oneJob({ serial: true });
    const job = p.jobs.test!;
    await record(p, 'v1');
    await settle(job);
    await finish(await buildNamed(job, '1'));
    await record(p, 'v2');
    await settle(job);
    await record(p, 'v3');
    await settle(job);
    await t.db.tx(async (tx) => createRerun(tx, await buildNamed(job, '1'), 'ann'));
    await settle(job);
    expect(await builds(job)).toEqual(['1:succeeded:v1', '2:started:v2', '3:pending', '1.1:pending']);
    await finish(await buildNamed(job, '2'));
    await settle(job);
    expect(await builds(job)).toEqual(['1:succeeded:v1', '2:succeeded:v2', '3:pending', '1.1:started:v1']);
    const [input] = await t.db.query(`select first_occurrence from build_inputs where build_id = $1`, [
      await buildNamed(job, '1.1'),
    ]);
    expect(input).toEqual({ first_occurrence: false });
  });

  it('aborts a rerun whose version is gone and says which', async () => {
    const p = await oneJob();
    const job = p.jobs.test!;
    await record(p, 'v1');
    await settle(job);
    await finish(await buildNamed(job, '1'));
    await t.db.query(`delete from versions where history_id = (select history_id from resources where id = $1)`, [
      p.resources.repo,
    ]);
    await t.db.tx(async (tx) => createRerun(tx, await buildNamed(job, '1'), 'ann'));
    await settle(job);
    expect(await builds(job)).toEqual(['1:succeeded:v1', '1.1:aborted']);
    const events = await t.db.query(
      `select event, data->>'message' as message from build_events where build_id = $1 order by seq`,
      [await buildNamed(job, '1.1')],
    );
    expect(events[0]).toEqual({ event: 'error', message: 'chosen version of input repo not available' });
  });

  it('makes the plan of the config as it is now, and ends the build as errored when it makes none', async () => {
    const p = await oneJob({ plan: [{ put: 'gone' }] });
    const job = p.jobs.test!;
    await trigger(job);
    await settle(job);
    expect(await builds(job)).toEqual(['1:errored']);
  });
});

describe('limits', () => {
  it('runs at most max_in_flight builds and names those that run', async () => {
    const p = await oneJob({ plan: [], max_in_flight: 2 });
    const job = p.jobs.test!;
    for (let i = 0; i < 4; i++) await trigger(job);
    await settle(job);
    expect(await builds(job)).toEqual(['1:started', '2:started', '3:pending', '4:pending']);
    const preparation = await service.preparation(await buildNamed(job, '3'));
    expect(preparation.max_running_builds).toBe('blocking');
    expect(preparation.reasons).toEqual([
      'the job runs at most 2 at once; running: test #1, test #2; place 1 in the queue',
    ]);
    await finish(await buildNamed(job, '1'));
    await settle(job);
    expect(await builds(job)).toEqual(['1:succeeded', '2:started', '3:started', '4:pending']);
  });

  const group = (): Promise<PipelineRows> =>
    set({ resources: [], jobs: ['a', 'b', 'c'].map((name) => ({ name, plan: [], serial_groups: ['db'] })) });

  it('starts the builds of a serial group one at a time, oldest first over all jobs', async () => {
    const p = await group();
    const jobs = Object.values(p.jobs);
    const order = [p.jobs.b!, p.jobs.a!, p.jobs.c!];
    const ids: BuildId[] = [];
    for (const job of order) ids.push(await trigger(job));
    for (const [index, id] of ids.entries()) {
      await Promise.all(jobs.map((job) => runRound(job)));
      await settle(...jobs);
      const running = await t.db.query<{ id: BuildId }>(
        `select id from builds where status = 'started' and job_id = any($1)`,
        [jobs],
      );
      expect(running.map((row) => row.id)).toEqual([id]);
      if (index === 0)
        expect((await service.preparation(ids[2]!)).blockers).toMatchObject([
          { kind: 'serial-group', group: 'db', place: 2, builds: [{ job: 'b', name: '1' }] },
        ]);
      await finish(id);
    }
  });

  it('lets a paused job hold up no other job of its serial group', async () => {
    const p = await group();
    await pause('jobs', p.jobs.a!);
    await trigger(p.jobs.a!);
    await trigger(p.jobs.b!);
    await settle(...Object.values(p.jobs));
    expect(await builds(p.jobs.a!)).toEqual(['1:pending']);
    expect(await builds(p.jobs.b!)).toEqual(['1:started']);
  });

  it('lets a job without inputs hold up no other job of its serial group', async () => {
    const p = await set({
      resources: [{ name: 'repo', type: 'mock' }],
      jobs: [
        { name: 'a', plan: [{ get: 'repo' }], serial_groups: ['db'] },
        { name: 'b', plan: [], serial_groups: ['db'] },
      ],
    });
    const first = await trigger(p.jobs.a!);
    await checkEnds(p.resources.repo!);
    await trigger(p.jobs.b!);
    await settle(p.jobs.a!, p.jobs.b!);
    expect(await builds(p.jobs.b!)).toEqual(['1:started']);
    expect((await service.preparation(first)).reasons).toEqual(['input repo: latest version of resource not found']);
    await t.db.query(
      `update histories set check_succeeded = false, check_error = 'no such image'
       where id = (select history_id from resources where id = $1)`,
      [p.resources.repo],
    );
    expect((await service.preparation(first)).reasons).toEqual([
      'input repo: latest version of resource not found',
      'the last check of input repo failed: no such image',
    ]);
  });

  it('never runs two builds of a serial group when its jobs are decided at the same time', async () => {
    const p = await group();
    const jobs = Object.values(p.jobs);
    for (let i = 0; i < 5; i++) for (const job of jobs) await trigger(job);
    for (let left = 15; left > 0; left--) {
      for (let i = 0; i < 3; i++) await Promise.all(jobs.flatMap((job) => [runRound(job), runRound(job)]));
      await settle(...jobs);
      const running = await t.db.query<{ id: BuildId }>(
        `select id from builds where status = 'started' and job_id = any($1)`,
        [jobs],
      );
      expect(running).toHaveLength(1);
      await finish(running[0]!.id);
    }
  });
});
