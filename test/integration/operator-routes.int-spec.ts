import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { BuildId, JobId, ResourceId } from '../../src/model/index.js';
import { taskCacheIds } from '../../src/persistence/index.js';
import { ApiServer } from '../support/api-server.js';
import { eventually } from '../support/eventually.js';

let server: ApiServer;
beforeAll(async () => {
  server = await ApiServer.start();
});
afterAll(() => server?.stop());

const TEAM = '/api/v1/teams/main';
const CONFIG = `
resource_types:
- {name: copy, type: mock, source: {initial_version: "9"}, defaults: {metadata: []}}
- {name: mock, type: mock, source: {initial_version: "1"}}
resources:
- {name: repo, type: copy, source: {}, check_every: never}
jobs:
- name: build
  public: true
  plan: [{get: repo}, {put: repo}, {task: unit, config: {platform: linux, caches: [{path: deps}], run: {path: ls}}}]
- name: ship
  plan: [{get: repo, passed: [build]}]
user_data: {owner: web}
`;
const ask = <Body>(method: string, path: string, body?: unknown): Promise<Body> => server.ask<Body>(method, path, body);

async function set(name: string, query = '', yaml = CONFIG): Promise<string> {
  const path = `${TEAM}/pipelines/${name}`;
  const answer = await server.fetch('PUT', `${path}/config${query}`, yaml);
  if (!answer.ok) throw new Error(await answer.text());
  return path;
}

/** Versions 1 to 4 of the resource `repo`, and a build of job `build` that got 1 and made 2, and of `ship` that got 2. */
async function history(pipeline: string): Promise<{ versionIds: number[]; resource: ResourceId; job: JobId }> {
  const { id } = await ask<{ id: ResourceId }>('GET', `${pipeline}/resources/repo`);
  const jobs = await ask<{ id: JobId }[]>('GET', `${pipeline}/jobs`);
  const versions = await server.database.db.query<{ id: number }>(
    `with h as (insert into histories (config_digest, next_check_order, next_check_at) values ('x', 10, 'infinity') returning id),
       r as (update resources set history_id = (select id from h) where id = $1)
     insert into versions (history_id, digest, version, check_order, origin)
     select h.id, n::text, jsonb_build_object('version', n::text), n, 'check' from h, generate_series(1, 4) n returning id`,
    [id],
  );
  await server.database.db.query(
    `with b as (
       insert into builds (team_id, pipeline_id, job_id, name, status, started_at, ended_at)
       select p.team_id, p.id, j.id, '1', case j.name when 'build' then 'succeeded' else 'failed' end, now(), now()
       from jobs j join pipelines p on p.id = j.pipeline_id where j.id = any($2) order by j.id returning id, job_id, status
     ), pointed as (update jobs set latest_completed_build_id = b.id from b where b.job_id = jobs.id),
     made as (insert into build_outputs (build_id, name, resource_id, digest, version)
       select id, 'repo', $1, '2', '{"version": "2"}' from b where status = 'succeeded')
     insert into build_inputs (build_id, job_id, name, ordinal, resource_id, digest, version, first_occurrence)
     select id, job_id, 'repo', 0, $1, case status when 'succeeded' then '1' else '2' end, '{"version": "1"}', true from b`,
    [id, jobs.map((job) => job.id)],
  );
  return { versionIds: versions.map((version) => version.id), resource: id, job: jobs[0]!.id };
}

describe('instances of a pipeline', () => {
  it('stand in the order that was put, those not named after them', async () => {
    const path = `${TEAM}/pipelines/many`;
    for (const n of [1, 2, 3]) await set('many', `?vars.n=${n}`);
    const order = async (): Promise<unknown[]> =>
      (await ask<{ name: string; instance_vars?: { n: number } }[]>('GET', `${TEAM}/pipelines`))
        .filter(({ name }) => name === 'many')
        .map(({ instance_vars: vars }) => vars?.n);
    await ask('PUT', `${path}/ordering`, [{ n: 3 }, { n: 1 }]);
    expect(await order()).toEqual([3, 1, 2]);
    const unknown = await server.fetch('PUT', `${path}/ordering`, [{ n: 9 }]);
    expect([unknown.status, await unknown.text()]).toEqual([400, expect.stringContaining('{\\"n\\":9}')]);
    expect((await server.fetch('PUT', `${TEAM}/pipelines/none/ordering`, [])).status).toBe(404);
  });
});

describe('a pipeline', () => {
  it('shows the data that its config brings along', async () => {
    expect(await ask('GET', await set('data'))).toMatchObject({ user_data: { owner: 'web' } });
  });

  it('is refused with check_creds when a var has no value', async () => {
    const yaml =
      'jobs: [{name: j, plan: [{task: t, config: {platform: linux, run: {path: ((tool)), args: [((.:x))]}}}]}]';
    const answer = await server.fetch('PUT', `${TEAM}/pipelines/creds/config?check_creds=`, yaml);
    expect([answer.status, await answer.json()]).toMatchObject([
      400,
      { errors: [expect.stringContaining('((tool))')] },
    ]);
    const sources = `var_sources: [{name: d, type: dummy, config: {vars: {tool: ls}}}]\n${yaml.replace('((tool))', '((d:tool))')}`;
    expect((await server.fetch('PUT', `${TEAM}/pipelines/creds/config?check_creds=`, sources)).status).toBe(201);
  });
});

describe('resource types', () => {
  it('are listed as the config has them, none for an archived pipeline', async () => {
    const path = await set('types');
    expect(await ask('GET', `${path}/resource-types`)).toEqual([
      { name: 'copy', type: 'mock', source: { initial_version: '9' }, defaults: { metadata: [] } },
      { name: 'mock', type: 'mock', source: { initial_version: '1' } },
    ]);
    await ask('PUT', `${path}/archive`);
    expect(await ask('GET', `${path}/resource-types`)).toEqual([]);
  });

  it('are checked in a build, one made of the server’s own type of the same name too', async () => {
    const path = await set('checks');
    const check = await server.fetch('POST', `${path}/resource-types/mock/check`, { from: null, shallow: false });
    expect([check.status, await check.json()]).toMatchObject([201, { status: 'started', pipeline_name: 'checks' }]);
    const unknown = await server.fetch('POST', `${path}/resource-types/moc/check`, {});
    expect([unknown.status, await unknown.text()]).toEqual([404, expect.stringContaining('mock')]);
    expect((await server.fetch('POST', `${path}/prototypes/any/check`, {})).status).toBe(404);
    await ask('PUT', `${path}/archive`);
    expect((await server.fetch('POST', `${path}/resource-types/mock/check`, {})).status).toBe(409);
  });

  it('keep no versions that could be cleared', async () => {
    const path = await set('clears');
    expect(await ask('GET', `${path}/resource-types/copy/shared`)).toEqual({
      resources: [],
      resource_types: [{ name: 'copy', pipeline_name: 'clears', team_name: 'main' }],
    });
    expect(await ask('DELETE', `${path}/resource-types/copy/versions`)).toEqual({ versions_removed: 0 });
    expect((await server.fetch('DELETE', `${path}/resource-types/none/versions`)).status).toBe(404);
  });
});

describe('versions', () => {
  it('are cleared after a look at who shares them', async () => {
    const path = await set('shared');
    await history(path);
    expect(await ask('GET', `${path}/resources/repo/shared`)).toEqual({
      resources: [{ name: 'repo', pipeline_name: 'shared', team_name: 'main' }],
      resource_types: [],
    });
    expect(await ask('DELETE', `${path}/resources/repo/versions`)).toEqual({ versions_removed: 4 });
    expect(await ask('GET', `${path}/resources/repo/versions`)).toEqual([]);
    expect(await ask('DELETE', `${path}/resources/repo/versions`)).toEqual({ versions_removed: 0 });
    expect(await ask('DELETE', `${path}/resources/repo/cache`, { version: null })).toEqual({ caches_removed: 0 });
  });

  it('tell what they led to and what they came of', async () => {
    const path = await set('causes');
    const { versionIds, resource } = await history(path);
    const version = `${path}/resources/repo/versions`;
    const down = await ask<Record<string, { id: number; name: string }[]>>(
      'GET',
      `${version}/${versionIds[0]}/downstream`,
    );
    expect(down).toMatchObject({
      jobs: [{ name: 'build' }, { name: 'ship' }],
      builds: [
        { status: 'succeeded', resource_version_ids: [versionIds[1]] },
        { status: 'failed', resource_version_ids: [] },
      ],
      resources: [{ id: resource, name: 'repo', version_ids: [versionIds[0], versionIds[1]] }],
      resource_versions: [
        { id: versionIds[0], version: { version: '1' }, build_ids: [expect.any(Number)] },
        { id: versionIds[1], version: { version: '2' }, build_ids: [expect.any(Number)] },
      ],
    });
    const up = await ask<Record<string, object[]>>('GET', `${version}/${versionIds[1]}/upstream`);
    expect(up).toMatchObject({
      jobs: [{ name: 'build' }],
      builds: [{ status: 'succeeded', resource_version_ids: [versionIds[0]] }],
    });
    const alone = await ask<Record<string, object[]>>('GET', `${version}/${versionIds[3]}/upstream`);
    expect(alone).toMatchObject({ jobs: [], builds: [], resource_versions: [{ id: versionIds[3], build_ids: [] }] });
    expect((await server.fetch('GET', `${version}/999999/upstream`)).status).toBe(404);
  });
});

describe('caches of tasks', () => {
  it('are listed as volumes and cleared, by path or all', async () => {
    const path = await set('caches');
    const { job } = await history(path);
    await server.database.db.tx((tx) =>
      taskCacheIds(tx, { buildId: 0 as BuildId, stepId: '1' }, { jobId: job, stepName: 'unit' }, [
        { path: 'deps' },
        { path: 'more' },
      ]),
    );
    const volumes = await ask<Record<string, unknown>[]>('GET', `${TEAM}/volumes`);
    expect(volumes.filter((volume) => volume.pipeline_name === 'caches')).toEqual(
      ['deps', 'more'].map((cachePath) => ({
        id: expect.stringMatching(/^task-\d+$/),
        worker_name: '',
        type: 'task-cache',
        container_handle: '',
        path: cachePath,
        parent_handle: '',
        resource_type: null,
        base_resource_type: null,
        pipeline_id: expect.any(Number),
        pipeline_name: 'caches',
        pipeline_instance_vars: null,
        job_name: 'build',
        step_name: 'unit',
      })),
    );
    const clear = (query: string): Promise<unknown> => ask('DELETE', `${path}/jobs/build/tasks/unit/cache${query}`);
    expect(await clear('?cache_path=deps')).toEqual({ caches_removed: 1 });
    expect(await clear('')).toEqual({ caches_removed: 1 });
    expect(await clear('')).toEqual({ caches_removed: 0 });
  });
});

describe('a task with a cache', () => {
  it('finds what the task before it left, and nothing once it was cleared', async () => {
    const script = 'echo run $(ls deps | wc -l); touch deps/$(date +%s%N)';
    const path = await set(
      'counts',
      '',
      `jobs: [{name: j, plan: [{task: t, config: {platform: linux, caches: [{path: deps}], run: {path: sh, args: [-c, '${script}']}}}]}]`,
    );
    await ask('PUT', `${path}/unpause`);
    const run = async (): Promise<string> => {
      const { id } = await ask<{ id: number }>('POST', `${path}/jobs/j/builds`);
      await eventually(
        'the end of the build',
        async () => (await ask<{ status: string }>('GET', `/api/v1/builds/${id}`)).status === 'succeeded',
        30_000,
      );
      const rows = await server.database.db.query<{ text: string }>(
        `select data->>'payload' as text from build_events where build_id = $1 and event = 'log' order by seq`,
        [id],
      );
      return rows.map((row) => row.text).join('');
    };
    expect(await run()).toContain('run 0');
    expect(await run()).toContain('run 1');
    expect(await ask('DELETE', `${path}/jobs/j/tasks/t/cache`)).toEqual({ caches_removed: 1 });
    expect(await run()).toContain('run 0');
  });
});

describe('the wall', () => {
  it('is empty, set for a time or for ever, and cleared', async () => {
    expect(await ask('GET', '/api/v1/wall')).toEqual({});
    await ask('PUT', '/api/v1/wall', { message: 'maintenance at 5', TTL: 0 });
    expect(await (await fetch(`${server.url}/api/v1/wall`)).json()).toEqual({ message: 'maintenance at 5' });
    await ask('PUT', '/api/v1/wall', { message: 'soon', TTL: 3_600e9 });
    const { TTL: left } = await ask<{ TTL: number }>('GET', '/api/v1/wall');
    expect([Number.isInteger(left), left > 3_500e9, left <= 3_600e9]).toEqual([true, true, true]);
    expect((await server.fetch('PUT', '/api/v1/wall', { message: ' ', TTL: 0 })).status).toBe(400);
    await server.database.db.query(`update wall set expires_at = now() - interval '1 s'`);
    expect(await ask('GET', '/api/v1/wall')).toEqual({});
    await ask('DELETE', '/api/v1/wall');
  });
});

describe('the operator', () => {
  it('reads and sets the log level as plain text', async () => {
    expect(await (await server.fetch('GET', '/api/v1/log-level')).text()).toBe('fatal');
    const put = (level: string): Promise<Response> =>
      server.fetch('PUT', '/api/v1/log-level', level, { 'content-type': 'text/plain' });
    expect((await put('loud')).status).toBe(400);
    expect((await put('fatal')).status).toBe(200);
    expect(await (await server.fetch('GET', '/api/v1/log-level')).text()).toBe('fatal');
  });

  it('sees the loops, which cannot be paused', async () => {
    const components = await ask<Record<string, unknown>[]>('GET', '/api/v1/components');
    expect(components.length).toBeGreaterThan(3);
    for (const component of components) {
      expect(component).toEqual({
        name: expect.any(String),
        interval: expect.any(Number),
        last_ran: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
        paused: false,
      });
    }
    const name = String(components[0]!.name);
    expect((await server.fetch('PUT', `/api/v1/components/${name}/pause`)).status).toBe(501);
    expect((await server.fetch('PUT', `/api/v1/components/${name}/unpause`)).status).toBe(200);
    expect((await server.fetch('PUT', '/api/v1/components/none/unpause')).status).toBe(404);
    expect((await server.fetch('PUT', '/api/v1/components/pause')).status).toBe(501);
  });

  it('has no fly to give away and no credential manager unless one is set', async () => {
    const cli = (query: string): Promise<Response> => fetch(`${server.url}/api/v1/cli${query}`);
    expect((await cli('?arch=amd64&platform=linux')).status).toBe(404);
    expect((await cli('?arch=amd64&platform=Linux!')).status).toBe(400);
    expect((await cli('')).status).toBe(400);
    expect(await ask('GET', '/api/v1/info/creds')).toEqual({});
  });
});

describe('workers', () => {
  it('end builds of interruptible jobs when they are landed', async () => {
    const job = (name: string, more: string): string =>
      `- {name: ${name}, ${more}plan: [{task: t, config: {platform: linux, run: {path: sleep, args: ['600']}}}]}`;
    const yaml = `jobs:\n${job('yields', 'interruptible: true, ')}\n${job('stays', '')}\n`;
    const pipeline = await set('interrupted', '', yaml);
    await ask('PUT', `${pipeline}/unpause`);
    const statusOf = async (id: number): Promise<string> =>
      (await ask<{ status: string }>('GET', `/api/v1/builds/${id}`)).status;
    const [yields, stays] = await Promise.all(
      ['yields', 'stays'].map((name) => ask<{ id: number }>('POST', `${pipeline}/jobs/${name}/builds`)),
    );
    await eventually('both have a slot', async () => {
      const [{ count }] = (await server.database.db.query<{ count: number }>(
        `select count(*) from step_slots where slot is not null`,
      )) as [{ count: number }];
      return count === 2;
    });
    const [worker] = await ask<{ name: string }[]>('GET', '/api/v1/workers');
    await ask('PUT', `/api/v1/workers/${worker!.name}/land`);
    await eventually('it is aborted', async () => (await statusOf(yields!.id)) === 'aborted');
    expect(await statusOf(stays!.id)).toBe('started');
    await ask('PUT', `/api/v1/builds/${stays!.id}/abort`);
    await eventually('the other ends', async () => (await statusOf(stays!.id)) === 'aborted');
    await server.database.db.query(`update runtimes set landing = false`);
  });

  it('are landed, and pruned once their server is gone', async () => {
    const workers = (): Promise<{ name: string; state: string }[]> => ask('GET', '/api/v1/workers');
    const [worker] = await eventually('the worker', async () => {
      const list = await workers();
      return list.length > 0 && list;
    });
    expect(worker!.state).toBe('running');
    const path = `/api/v1/workers/${worker!.name}`;
    await ask('PUT', `${path}/land`);
    expect(await workers()).toMatchObject([{ state: 'landed' }]);
    const alive = await server.fetch('PUT', `${path}/prune`);
    expect([alive.status, await alive.json()]).toEqual([400, { stderr: expect.stringContaining('alive') }]);
    await server.database.db.query(
      `insert into runtimes (instance, name, kind, tags, slots, capabilities, server_seen_at)
       values ('gone', 'old', 'host', '{}', 1, '{}', now() - interval '1 minute')`,
    );
    expect(await workers()).toContainEqual(expect.objectContaining({ name: 'old', state: 'stalled' }));
    await ask('PUT', '/api/v1/workers/old/prune');
    expect(await workers()).toHaveLength(1);
    expect((await server.fetch('PUT', '/api/v1/workers/old/prune')).status).toBe(404);
    expect((await server.fetch('PUT', '/api/v1/workers/old/land')).status).toBe(404);
  });
});

describe('badges and the feed', () => {
  it('tell the worst of the last builds', async () => {
    const path = await set('badges');
    expect(await (await server.fetch('GET', `${path}/badge`)).text()).toContain('>unknown<');
    await history(path);
    const badge = await server.fetch('GET', `${path}/badge?title=${encodeURIComponent('a<b')}`);
    expect([badge.headers.get('content-type'), await badge.text()]).toEqual([
      'image/svg+xml',
      expect.stringMatching(/a&#60;b.*failing/s),
    ]);
    expect(await (await server.fetch('GET', `${path}/jobs/build/badge`)).text()).toContain('>passing<');
    const old = await fetch(`${server.url}/api/v1/pipelines/badges/jobs/build/badge?title=x`, { redirect: 'manual' });
    expect([old.status, old.headers.get('location')]).toEqual([
      301,
      'https://ci.example/weir/api/v1/teams/main/pipelines/badges/jobs/build/badge?title=x',
    ]);
  });

  it('list every job with a finished build, to strangers those of public pipelines', async () => {
    const path = await set('feed');
    await history(path);
    const feed = async (own: boolean): Promise<string> => {
      const url = `${TEAM}/cc.xml`;
      const answer = own ? await server.fetch('GET', url) : await fetch(server.url + url);
      expect(answer.headers.get('content-type')).toContain('application/xml');
      return answer.text();
    };
    expect(await feed(true)).toMatch(
      /<Project activity="Sleeping" lastBuildLabel="1" lastBuildStatus="Failure" lastBuildTime="\d{4}-[^"]+Z" name="feed\/ship" webUrl="https:\/\/ci\.example\/weir\/teams\/main\/pipelines\/feed\/jobs\/ship"\/>/,
    );
    expect(await feed(false)).not.toContain('feed/');
    await ask('PUT', `${path}/expose`);
    expect(await feed(false)).toContain('name="feed/build"');
  });
});
