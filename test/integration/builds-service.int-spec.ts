import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BuildsService } from '../../src/builds/index.js';
import type { Build, BuildId, FinalStatus, JobId } from '../../src/model/index.js';
import { finishBuild, refreshJobPointers } from '../../src/persistence/index.js';
import { EngineWorld } from '../support/engine-world.js';

let world: EngineWorld;
let builds: BuildsService;
beforeAll(async () => {
  world = await EngineWorld.create();
  builds = new BuildsService(world.db, world.artifacts);
  world.engine(1).start();
});
afterAll(() => world.close());

const TASK = '{task: t, config: {platform: linux, run: {path: ok}}}';

async function job(extra = ''): Promise<JobId> {
  const { id } = await world.pipeline(`jobs: [{name: j, plan: [${TASK}]${extra}}]`);
  const [row] = await world.db.query<{ id: JobId }>(`select id from jobs where pipeline_id = $1`, [id]);
  return row!.id;
}
async function finished(jobId: JobId, status: FinalStatus): Promise<Build> {
  const build = await builds.triggerJob(jobId, 'ann');
  await world.db.query(`update builds set inputs_ready = true where id = $1`, [build.id]);
  await world.db.tx((tx) => finishBuild(tx, build.id, status));
  return builds.getBuild(build.id);
}
async function rerun(build: Build, status: FinalStatus): Promise<Build> {
  const again = await builds.rerunBuild(build.id, 'bob');
  await world.db.tx((tx) => finishBuild(tx, again.id, status));
  return builds.getBuild(again.id);
}
const names = (page: { items: readonly Build[] }): string => page.items.map((b) => b.name).join(' ');

async function pointers(jobId: JobId): Promise<Record<'latest' | 'next' | 'transition', string | null>> {
  const [row] = await world.db.query<Record<'latest' | 'next' | 'transition', string | null>>(
    `select l.name as latest, n.name as next, t.name as transition from jobs j
     left join builds l on l.id = j.latest_completed_build_id
     left join builds n on n.id = j.next_build_id
     left join builds t on t.id = j.transition_build_id where j.id = $1`,
    [jobId],
  );
  return row!;
}

describe('triggering a job', () => {
  it('adds a pending build under the next number and asks to schedule', async () => {
    const id = await job();
    const [first, second] = [await builds.triggerJob(id, 'ann'), await builds.triggerJob(id, 'ann')];
    expect([first.name, second.name, first.status, first.createdBy]).toEqual(['1', '2', 'pending', 'ann']);
    const [row] = await world.db.query<{ n: number }>(`select schedule_requested as n from jobs where id = $1`, [id]);
    expect(row!.n).toBe(3);
  });

  it('is refused when the config says so, and for an archived pipeline', async () => {
    await expect(builds.triggerJob(await job(', disable_manual_trigger: true'))).rejects.toMatchObject({ status: 409 });
    const id = await job();
    await world.db.query(
      `update pipelines set archived = true where id = (select pipeline_id from jobs where id = $1)`,
      [id],
    );
    await expect(builds.triggerJob(id)).rejects.toMatchObject({ code: 'pipeline-archived' });
  });

  it('never gives a number twice', async () => {
    const id = await job();
    const made = await Promise.all(Array.from({ length: 20 }, () => builds.triggerJob(id)));
    expect(new Set(made.map((b) => b.name)).size).toBe(20);
  });
});

describe('running a build again', () => {
  it('is named after the first original and counts up', async () => {
    const id = await job();
    const build = await finished(id, 'failed');
    const first = await rerun(build, 'failed');
    const second = await builds.rerunBuild(first.id);
    expect([first.name, second.name, second.rerunOf]).toEqual(['1.1', '1.2', { id: build.id, name: '1' }]);
  });

  it('is refused without recorded inputs, and when the config says so', async () => {
    const build = await builds.triggerJob(await job());
    await expect(builds.rerunBuild(build.id)).rejects.toMatchObject({ code: 'inputs-unknown' });
    const other = await finished(await job(', disable_reruns: true'), 'failed');
    await expect(builds.rerunBuild(other.id)).rejects.toMatchObject({ code: 'reruns-disabled' });
  });
});

describe('the pointers of a job', () => {
  it('name the latest completed build, the next one and the one that changed the colour', async () => {
    const id = await job();
    await finished(id, 'succeeded');
    await finished(id, 'succeeded');
    const red = await finished(id, 'failed');
    await builds.triggerJob(id);
    expect(await pointers(id)).toEqual({ latest: '3', next: '4', transition: '3' });
    await rerun(red, 'succeeded');
    expect(await pointers(id)).toEqual({ latest: '3.1', next: '4', transition: '3.1' });
    await world.db.tx((tx) => refreshJobPointers(tx, id));
    expect(await pointers(id)).toEqual({ latest: '3.1', next: '4', transition: '3.1' });
  });

  it('do not move for a rerun of an old build', async () => {
    const id = await job();
    const old = await finished(id, 'failed');
    await finished(id, 'succeeded');
    await rerun(old, 'failed');
    expect(await pointers(id)).toEqual({ latest: '2', next: null, transition: '2' });
  });
});

describe('finishing a build', () => {
  it('happens once', async () => {
    const build = await builds.triggerJob(await job());
    const ends = await Promise.all(
      (['succeeded', 'failed', 'aborted'] as const).map((s) => world.db.tx((tx) => finishBuild(tx, build.id, s))),
    );
    expect(ends.filter(Boolean)).toHaveLength(1);
    expect((await world.events(build.id)).map(({ event }) => event)).toEqual(['status']);
  });

  it('records the effective set of a success: outputs before inputs, each version once', async () => {
    const pipeline = await world.pipeline(
      `{resources: [{name: repo, type: git, source: {uri: x}}], jobs: [{name: j, plan: [{get: repo}, {put: repo}, {put: repo, params: {ref: v1}}]}]}`,
    );
    const { id } = await world.start(pipeline);
    expect(await world.finished(id)).toBe('succeeded');
    const [set] = await world.db.query<{ refs: string[] }>(
      `select (select array_agg(v.version->>'ref' order by d.place) from effective_sets e,
          jsonb_each(e.versions) r, jsonb_array_elements_text(r.value) with ordinality as d(digest, place)
          join (select digest, version from build_outputs where build_id = $1
                union select digest, version from build_inputs where build_id = $1) v on v.digest = d.digest
        where e.build_id = $1) as refs`,
      [id],
    );
    expect(set!.refs).toEqual(['v2', 'v1']);
  });

  it('asks downstream jobs to schedule', async () => {
    const id = await job();
    const other = await job();
    await world.db.query(
      `with r as (insert into resources (pipeline_id, name, type, config)
         select pipeline_id, 'r', 'git', '{}' from jobs where id = $1 returning id)
       insert into job_inputs (job_id, name, ordinal, resource_id, trigger, passed, passed_job_ids)
       select $1, 'r', 0, r.id, false, '{}', array[$2::bigint] from r`,
      [other, id],
    );
    await finished(id, 'failed');
    const [row] = await world.db.query<{ n: number }>(`select schedule_requested as n from jobs where id = $1`, [
      other,
    ]);
    expect(row!.n).toBe(2);
  });
});

describe('lists of builds', () => {
  it('are newest first, a rerun next to its original, and pages join without loss', async () => {
    const id = await job();
    const made: Build[] = [];
    for (let n = 0; n < 5; n++) made.push(await finished(id, 'failed'));
    await rerun(made[1]!, 'failed');
    expect(names(await builds.listBuilds({ jobId: id }))).toBe('5 4 3 2.1 2 1');
    const top = await builds.listBuilds({ jobId: id }, { limit: 2 });
    expect([names(top), top.newer]).toEqual(['5 4', undefined]);
    const below = await builds.listBuilds({ jobId: id }, { limit: 3, to: top.older });
    expect([names(below), below.newer, below.older]).toEqual(['3 2.1 2', made[3]!.id, made[0]!.id]);
    expect(names(await builds.listBuilds({ jobId: id }, { limit: 2, from: made[3]!.id }))).toBe('5 4');
    expect(names(await builds.listBuilds({ jobId: id }, { from: made[0]!.id, to: made[2]!.id }))).toBe('1 2 2.1 3');
    expect(names(await builds.listBuilds({ jobId: id }, { limit: 1, from: 0, byTime: true }))).toBe('1');
  });

  it('refuse a range upside down', async () => {
    await expect(builds.listBuilds({ teamIds: [] }, { from: 2, to: 1 })).rejects.toMatchObject({
      code: 'invalid-range',
    });
  });
});

describe('aborting', () => {
  it('of a pending build leaves it to the trigger loop', async () => {
    const build = await builds.triggerJob(await job());
    await builds.abortBuild(build.id, 'ann');
    expect(await builds.getBuild(build.id)).toMatchObject({ status: 'pending', abortedBy: 'ann' });
  });

  it('by force ends the build at once and kills what it ran', async () => {
    const pipeline = await world.pipeline(
      'jobs: [{name: j, plan: [{task: t, config: {platform: linux, run: {path: stubborn}}}]}]',
    );
    const { id } = await world.start(pipeline);
    const [engine] = world.engines;
    await world.until(() => world.machine.processes.size > 0, 'the start');
    await builds.abortBuild(id, 'ann', true);
    expect((await builds.getBuild(id)).status).toBe('aborted');
    await world.until(() => world.machine.processes.size === 0, 'the end of the process');
    await world.until(() => engine!.activeCount === 0, 'the end of the run');
    expect((await world.events(id)).at(-1)?.event).toBe('status');
  });

  it('of a finished build changes nothing, of an unknown one is an error', async () => {
    const build = await finished(await job(), 'succeeded');
    await builds.abortBuild(build.id, 'ann');
    expect((await builds.getBuild(build.id)).status).toBe('succeeded');
    await expect(builds.abortBuild(999_999 as BuildId)).rejects.toMatchObject({ status: 404 });
  });
});
