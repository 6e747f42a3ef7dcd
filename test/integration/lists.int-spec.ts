import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { PipelineConfig, PipelineId, TeamId } from '../../src/model/index.js';
import { listBuilds, type BuildPageRequest } from '../../src/persistence/index.js';
import { PipelinesService } from '../../src/pipelines/index.js';
import { ResourcesService } from '../../src/resources/index.js';
import { JobsService } from '../../src/scheduling/index.js';
import { seededRandom } from '../support/seeded-random.js';
import { createTestDb, type TestDb } from '../support/test-db.js';

let t: TestDb;
beforeAll(async () => {
  t = await createTestDb();
});
afterAll(() => t.drop());

describe('a page of the builds of several teams and of public pipelines', () => {
  interface Row {
    readonly id: number;
    readonly place: number;
    readonly time: number;
    readonly team: TeamId;
    readonly isPublic: boolean;
  }
  let rows: Row[];
  let teams: TeamId[];

  /** Some pipelines have most of the builds, some none; every seventh build is a rerun; checks are no part of it. */
  beforeAll(async () => {
    await t.db.query(`insert into teams (name) select 'lists-' || n from generate_series(1, 4) n`);
    await t.db.query(
      `insert into pipelines (team_id, name, public) select t.id, 'p' || n, n % 2 = 0
       from teams t, generate_series(1, 4) n where t.name like 'lists-%'`,
    );
    await t.db.query(
      `insert into jobs (pipeline_id, name, config) select id, 'j', '{}' from pipelines where name like 'p_'`,
    );
    await t.db.query(
      `with numbered as (select j.id as job, p.*, row_number() over (order by j.id) - 1 as k
         from jobs j join pipelines p on p.id = j.pipeline_id where p.name like 'p_')
       insert into builds (team_id, pipeline_id, job_id, name, status, created_at, started_at, ended_at)
       select team_id, id, job, n::text, 'succeeded', '2026-01-01', '2026-01-01'::timestamptz + (n * 37 % 400) * interval '1 s', now()
       from numbered, generate_series(1, 400) n where case when k < 3 then n % 2 = 0 when k % 5 = 0 then false else n % 40 = k end
       order by n, k`,
    );
    await t.db.query(
      `insert into builds (team_id, pipeline_id, job_id, name, status, rerun_of, rerun_number, ended_at)
       select team_id, pipeline_id, job_id, name || '.1', 'failed', id, 1, now() from builds where id % 7 = 0`,
    );
    await t.db.query(`update builds set created_at = '2026-01-01' where started_at is null`);
    await t.db.query(
      `insert into resources (pipeline_id, name, type, config) select id, 'r', 'mock', '{}' from pipelines where name like 'p_'`,
    );
    await t.db.query(
      `insert into builds (team_id, pipeline_id, resource_id, name, status, ended_at)
       select p.team_id, p.id, r.id, 'check', 'succeeded', now() from resources r join pipelines p on p.id = r.pipeline_id`,
    );
    rows = await t.db.query<Row>(
      `select b.id, coalesce(b.rerun_of, b.id) as place, floor(extract(epoch from coalesce(b.started_at, b.created_at)))::bigint as time,
         b.team_id as team, p.public as "isPublic" from builds b join pipelines p on p.id = b.pipeline_id where b.resource_id is null`,
    );
    teams = [...new Set(rows.map(({ team }) => team))].sort((a, b) => a - b);
  });

  /** What the page must hold, found by looking at every build. */
  function expected(mine: readonly TeamId[], page: BuildPageRequest): number[] {
    const { from, to, byTime = false, limit = 100 } = page;
    const key = (row: Row): number => (byTime ? row.time : row.place);
    const bound = (n: number): number => (byTime ? n : (rows.find(({ id }) => id === n)?.place ?? n));
    const found = rows
      .filter((row) => mine.includes(row.team) || row.isPublic)
      .filter((row) => (from === undefined || key(row) >= bound(from)) && (to === undefined || key(row) <= bound(to)))
      .sort((a, b) => key(a) - key(b) || a.id - b.id);
    const taken = from === undefined ? found.slice(-limit) : found.slice(0, limit);
    const shown = (row: Row): number => (byTime ? row.id : row.place);
    taken.sort((a, b) => shown(a) - shown(b) || a.id - b.id);
    return (from !== undefined && to !== undefined ? taken : taken.reverse()).map(({ id }) => id);
  }

  it('holds what looking at every build finds, whatever the teams, the bounds and the limit', async () => {
    const random = seededRandom(7);
    const int = (below: number): number => Math.floor(random() * below);
    const ids = rows.map(({ id }) => id);
    for (let n = 0; n < 40; n++) {
      const mine = teams.filter(() => int(2) === 0);
      const byTime = int(2) === 0;
      const bound = (): number => (byTime ? 1_767_225_600 + int(420) - 10 : ids[int(ids.length)]!);
      const [a, b] = [bound(), bound()].sort((x, y) => x - y);
      const page: BuildPageRequest = {
        limit: [1, 3, 20, 100, 1000][int(5)]!,
        ...(int(2) === 0 ? { from: a! } : {}),
        ...(int(2) === 0 ? { to: b! } : {}),
        ...(byTime ? { byTime } : {}),
      };
      const { items } = await listBuilds(t.db, { teamIds: mine, orPublic: true }, page);
      expect({ mine, page, ids: items.map(({ id }) => id) }).toEqual({ mine, page, ids: expected(mine, page) });
    }
  });
});

describe('the list of jobs', () => {
  const config = (jobs: string[]): PipelineConfig => ({
    groups: [
      { name: 'first', jobs: ['a*'] },
      { name: 'all', jobs: ['*'] },
    ],
    resources: [{ name: 'repo', type: 'mock', source: {} }],
    jobs: jobs.map((name, n) => ({
      name,
      ...(n === 0 ? { disable_manual_trigger: true } : {}),
      plan: [{ get: 'repo', trigger: true, ...(n === 0 ? {} : { passed: [jobs[n - 1]!] }) }],
    })),
  });
  const request = { teamName: 'main', name: 'listed', by: 'ann' };

  it('follows each new config, on a server that did not set it', async () => {
    const [setter, jobs] = [new PipelinesService(t.db), new JobsService(t.db)];
    await setter.setPipeline({ ...request, config: config(['a', 'b']) });
    const { id } = await setter.getPipeline({ teamName: 'main', name: 'listed' });
    const shown = async () =>
      (await jobs.listAll([id])).map(({ name, groups, inputs, disablesManualTrigger }) => [
        name,
        groups.join(),
        inputs.map(({ passed }) => passed.join()).join(),
        disablesManualTrigger,
      ]);
    expect(await shown()).toEqual([
      ['a', 'first,all', '', true],
      ['b', 'all', 'a', false],
    ]);
    await setter.setPipeline({ ...request, config: config(['b', 'a2']) });
    expect(await shown()).toEqual([
      ['b', 'all', '', true],
      ['a2', 'first,all', 'b', false],
    ]);
    expect(await jobs.list(id)).toEqual(await jobs.listAll([id]));
  });

  it('shows at once whatever changes about a job, and keeps the others as they are', async () => {
    const setter = new PipelinesService(t.db);
    await setter.setPipeline({ ...request, name: 'watched', config: config(['a', 'b']) });
    const { id } = await setter.getPipeline({ teamName: 'main', name: 'watched' });
    const jobs = new JobsService(t.db);
    const changes = [
      `update jobs set has_new_inputs = true where name = 'a' and pipeline_id = $1`,
      `update jobs set paused = true, paused_by = 'ana', paused_at = now() where name = 'a' and pipeline_id = $1`,
      `insert into builds (team_id, pipeline_id, job_id, name, status) select p.team_id, p.id, j.id, '1', 'pending'
         from jobs j join pipelines p on p.id = j.pipeline_id where j.name = 'a' and p.id = $1`,
      `update jobs j set next_build_id = b.id from builds b where b.job_id = j.id and j.pipeline_id = $1`,
      `update builds set status = 'started', started_at = now(), plan = '{}', inputs_ready = true where pipeline_id = $1`,
      `update builds set status = 'succeeded', ended_at = now() where pipeline_id = $1`,
      `update jobs set latest_completed_build_id = next_build_id, next_build_id = null, transition_build_id = next_build_id
         where name = 'a' and pipeline_id = $1`,
      `update pipelines set name = 'seen' where id = $1`,
      `update teams set name = 'renamed' where name = 'main' and $1::bigint > 0`,
      `update teams set name = 'main' where name = 'renamed' and $1::bigint > 0`,
    ];
    for (const change of changes) {
      await t.db.query(change, [id]);
      expect(await jobs.listAll([id])).toEqual(await new JobsService(t.db).listAll([id]));
    }
    expect(await jobs.listAll([id])).toMatchObject([
      { pipelineName: 'seen', finishedBuild: { name: '1' } },
      { name: 'b' },
    ]);
    const [before, after] = [await jobs.listAll([id]), await jobs.listAll([id])];
    expect(after.every((job, place) => job === before[place])).toBe(true);
  });

  it('holds jobs of the given pipelines only', async () => {
    const jobs = new JobsService(t.db);
    expect(await jobs.listAll([])).toEqual([]);
    const all = await jobs.listAll();
    const some: PipelineId[] = [...new Set(all.map(({ pipelineId }) => pipelineId))].slice(0, 3);
    expect(await jobs.listAll(some)).toEqual(all.filter(({ pipelineId }) => some.includes(pipelineId)));
    expect(all.length).toBeGreaterThan(some.length);
  });
});

describe('the list of resources', () => {
  it('shows at once whatever changes about a resource, and keeps the others as they are', async () => {
    const setter = new PipelinesService(t.db);
    const resources = ['one', 'two'].map((name) => ({ name, type: 'mock', icon: 'git', source: {} }));
    const jobs = [{ name: 'j', plan: [{ get: 'one' }, { get: 'two' }] }];
    await setter.setPipeline({ teamName: 'main', name: 'resources', by: 'ann', config: { resources, jobs } });
    const { id } = await setter.getPipeline({ teamName: 'main', name: 'resources' });
    const service = new ResourcesService(t.db);
    const one = `(select id from resources where name = 'one' and pipeline_id = $1)`;
    const changes = [
      `with made as (insert into histories (config_digest) values ('digest-of-one') returning id)
         update resources set history_id = made.id from made where resources.id = ${one}`,
      `update histories set check_started_at = now(), check_claim = 'c', check_claimed_until = now() + interval '1 hour' where config_digest = 'digest-of-one' and $1::bigint > 0`,
      `update histories set check_ended_at = now(), check_claim = null, check_claimed_until = null, check_succeeded = false,
         check_error = 'no' where config_digest = 'digest-of-one' and $1::bigint > 0`,
      `insert into pins (resource_id, version, origin, comment, pinned_by) select ${one}, '{"a": "b"}', 'api', '', 'ana'`,
      `update pins set comment = 'because' where resource_id = ${one}`,
      `delete from pins where resource_id = ${one}`,
      `insert into builds (team_id, pipeline_id, resource_id, name, status) select team_id, id, ${one}, 'check', 'pending' from pipelines where id = $1`,
      `update resources set paused = true, paused_by = 'ana', paused_at = now() where id = ${one}`,
      `update pipelines set name = 'known' where id = $1`,
    ];
    for (const change of changes) {
      const before = await service.listAll([id]);
      await t.db.query(change, [id]);
      const after = await service.listAll([id]);
      expect(after).toEqual(await new ResourcesService(t.db).listAll([id]));
      expect({ change, isSame: after[0] === before[0] }).toEqual({ change, isSame: false });
      if (!change.startsWith('update pipelines')) expect(after[1]).toBe(before[1]);
    }
    expect(await service.listAll([id])).toMatchObject([
      { name: 'one', pipeline_name: 'known', check_error: 'no', paused: true, build: { status: 'failed' } },
      { name: 'two' },
    ]);
    expect(await service.list(id)).toEqual(await service.listAll([id]));
  });
});
