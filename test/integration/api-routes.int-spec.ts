import pg from 'pg';
import { parse } from 'yaml';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { BuildEvent, BuildId } from '../../src/model/index.js';
import { appendEvents } from '../../src/persistence/index.js';
import { ApiServer } from '../support/api-server.js';
import { eventually } from '../support/eventually.js';

let server: ApiServer;
beforeAll(async () => {
  server = await ApiServer.start();
});
afterAll(() => server?.stop());

const TEAM = '/api/v1/teams/main';
let pipeline: string;
let count = 0;
beforeEach(() => {
  pipeline = `${TEAM}/pipelines/p${++count}`;
});

/** Uses every kind of field whose form a server might be tempted to change. */
const CONFIG = `
groups:
- name: all
  jobs: [build, "ship-*"]
resources:
- name: repo
  type: mock
  icon: git
  source: {initial_version: "1", nested: {list: [1, 2.5, true, null, "x"], empty: {}}}
  check_every: never
  webhook_token: a-token-of-16-chars
- name: pinned
  type: mock
  source: {}
  check_every: never
  version: {version: "7"}
jobs:
- name: build
  serial: true
  build_log_retention: {days: 2, builds: 0}
  plan:
  - in_parallel:
    - get: repo
      trigger: true
      params: {fast: "((later))"}
    - get: pinned
      version: every
  - task: unit
    timeout: 1h30m
    attempts: 2
    config:
      platform: linux
      run: {path: sh, args: [-c, "echo ((a.b))"]}
      params: {N: 1, T: true, E: ""}
- name: ship-it
  disable_manual_trigger: true
  plan:
  - get: repo
    passed: [build]
  - put: repo
    inputs: detect
    get_params: {x: 1}
user_data: {any: [thing]}
`;

const SMALL = 'jobs: [{name: j, plan: [{task: t, config: {platform: linux, run: {path: ls}}}]}]';

const versionOf = (answer: Response): string | null => answer.headers.get('x-concourse-config-version');

describe('the schema of pipelines', () => {
  it('is served as JSON Schema', async () => {
    const answer = await server.fetch('GET', '/api/v1/schema/pipeline.json');
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ title: 'Weir pipeline', required: ['jobs'] });
  });
});

describe('a config', () => {
  it('comes back field for field, with its version, as it was set', async () => {
    const created = await server.fetch('PUT', `${pipeline}/config`, CONFIG);
    expect([created.status, created.headers.get('content-type'), await created.json()]).toEqual([
      201,
      'application/json',
      {},
    ]);
    const got = await server.fetch('GET', `${pipeline}/config`);
    expect(await got.json()).toEqual({ config: parse(CONFIG) });
    expect(versionOf(got)).toMatch(/^[1-9]\d*$/);
  });

  it('is taken as JSON as well, and answers 200 the second time', async () => {
    const first = await server.fetch('PUT', `${pipeline}/config`, CONFIG);
    const { config } = await server.ask<{ config: object }>('GET', `${pipeline}/config`);
    const second = await server.fetch('PUT', `${pipeline}/config`, { ...config, user_data: 'other' });
    expect([first.status, second.status, second.headers.get('content-type')]).toEqual([201, 200, 'application/json']);
    expect(await server.ask('GET', `${pipeline}/config`)).toMatchObject({ config: { user_data: 'other' } });
  });

  it('is refused when it was changed since it was read', async () => {
    await server.fetch('PUT', `${pipeline}/config`, CONFIG);
    const version = versionOf(await server.fetch('GET', `${pipeline}/config`))!;
    const set = (yaml: string, header: string): Promise<Response> =>
      server.fetch('PUT', `${pipeline}/config`, yaml, { 'x-concourse-config-version': header });
    expect((await set(SMALL, version)).status).toBe(200);
    expect((await set(CONFIG, version)).status).toBe(409);
    expect((await set(CONFIG, '')).status).toBe(409);
    const malformed = await set(CONFIG, 'seven');
    expect([malformed.status, await malformed.json()]).toMatchObject([
      400,
      { errors: [expect.stringContaining('seven')] },
    ]);
  });

  it('with mistakes is refused with a line for each, and nothing changes', async () => {
    await server.fetch('PUT', `${pipeline}/config`, CONFIG);
    const before = await server.ask('GET', `${pipeline}/config`);
    const wrong = 'resources:\n- name: repo\n  type: mock\n  sauce: {}\njobs:\n- name: a\n  plan:\n  - get: repoo\n';
    const answer = await server.fetch('PUT', `${pipeline}/config`, wrong);
    const { errors, code } = (await answer.json()) as { errors: string[]; code: string };
    expect([answer.status, answer.headers.get('content-type'), code]).toEqual([
      400,
      'application/json',
      'invalid-config',
    ]);
    expect(errors).toEqual([
      expect.stringMatching(/^2:3: .*not used/),
      expect.stringMatching(/^4:3: .*sauce/),
      expect.stringMatching(/^8:10: .*repoo.*did you mean/),
    ]);
    expect(await server.ask('GET', `${pipeline}/config`)).toEqual(before);
  });

  it('of another type of content is refused with 415', async () => {
    expect((await server.fetch('PUT', `${pipeline}/config`, SMALL, { 'content-type': 'text/plain' })).status).toBe(415);
  });

  it('under a bad name is refused as a list of errors', async () => {
    const answer = await server.fetch('PUT', `${TEAM}/pipelines/${encodeURIComponent('a/b')}/config`, SMALL);
    expect([answer.status, await answer.json()]).toMatchObject([400, { errors: [expect.stringContaining("'/'")] }]);
  });
});

describe('a pipeline', () => {
  it('is created paused, and tells who paused it, when and why', async () => {
    await server.fetch('PUT', `${pipeline}/config`, CONFIG);
    expect(await server.ask('GET', pipeline)).toMatchObject({
      paused: true,
      public: false,
      archived: false,
      team_name: 'main',
    });
    await server.ask('PUT', `${pipeline}/unpause`);
    expect(await server.ask('GET', pipeline)).toMatchObject({ paused: false });
    expect(await server.ask('PUT', `${pipeline}/pause`, { reason: 'release day' })).toBeUndefined();
    expect(await server.ask('GET', pipeline)).toEqual({
      id: expect.any(Number),
      name: `p${count}`,
      paused: true,
      paused_by: 'admin',
      paused_at: expect.any(Number),
      pause_reason: 'release day',
      public: false,
      archived: false,
      groups: [{ name: 'all', jobs: ['build', 'ship-*'] }],
      team_name: 'main',
      user_data: { any: ['thing'] },
      last_updated: expect.any(Number),
    });
  });

  it('is exposed, hidden, renamed, ordered, archived and destroyed', async () => {
    await server.fetch('PUT', `${pipeline}/config`, SMALL);
    const other = `${TEAM}/pipelines/${encodeURIComponent(`näme ${count}`)}`;
    await server.ask('PUT', `${pipeline}/expose`);
    expect(await server.ask('GET', pipeline)).toMatchObject({ public: true });
    await server.ask('PUT', `${pipeline}/hide`);
    expect(await server.ask('PUT', `${pipeline}/rename`, { name: `näme ${count}` })).toMatchObject({
      warnings: expect.any(Array),
    });
    expect((await server.fetch('GET', pipeline)).status).toBe(404);
    expect(await server.ask('GET', other)).toMatchObject({ name: `näme ${count}`, public: false });
    await server.ask('PUT', `${TEAM}/pipelines/ordering`, [`näme ${count}`]);
    expect((await server.ask<{ name: string }[]>('GET', `${TEAM}/pipelines`))[0]!.name).toBe(`näme ${count}`);
    expect((await server.fetch('PUT', `${TEAM}/pipelines/ordering`, ['none'])).status).toBe(400);
    await server.ask('PUT', `${other}/archive`);
    expect(await server.ask('GET', other)).toMatchObject({ archived: true, paused: true });
    expect((await server.fetch('GET', `${other}/config`)).status).toBe(404);
    const refused = await server.fetch('PUT', `${other}/unpause`);
    expect([refused.status, await refused.text()]).toEqual([
      409,
      expect.stringContaining('action not allowed for an archived pipeline'),
    ]);
    expect((await server.fetch('DELETE', other)).status).toBe(204);
    expect((await server.fetch('GET', other)).status).toBe(404);
  });

  it('that does not exist names a near one', async () => {
    await server.fetch('PUT', `${TEAM}/pipelines/deploy-${count}/config`, SMALL);
    const answer = await server.fetch('GET', `${TEAM}/pipelines/deplay-${count}`);
    expect([answer.status, await answer.text()]).toEqual([404, expect.stringContaining(`deploy-${count}`)]);
  });

  it('is told apart by instance vars', async () => {
    const branch = (name: string): string =>
      `${pipeline}/config?vars.branch=${encodeURIComponent(JSON.stringify(name))}`;
    await server.fetch('PUT', branch('a'), SMALL);
    await server.fetch(
      'PUT',
      branch('b'),
      'jobs: [{name: other, plan: [{task: t, config: {platform: linux, run: {path: ls}}}]}]',
    );
    expect(await server.ask('GET', branch('a'))).toEqual({ config: parse(SMALL) });
    expect(await server.ask('GET', `${pipeline}?vars=${encodeURIComponent('{"branch":"b"}')}`)).toMatchObject({
      instance_vars: { branch: 'b' },
    });
    expect((await server.fetch('GET', `${pipeline}?vars.branch={`)).status).toBe(400);
    expect((await server.fetch('GET', pipeline)).status).toBe(404);
  });
});

describe('a job', () => {
  beforeEach(() => server.fetch('PUT', `${pipeline}/config`, CONFIG));

  it('shows its inputs, outputs, pause and why nothing runs', async () => {
    await server.ask('PUT', `${pipeline}/jobs/build/pause`, { reason: 'broken' });
    const job = await server.ask('GET', `${pipeline}/jobs/build`);
    expect(job).toMatchObject({
      name: 'build',
      team_name: 'main',
      pipeline_name: `p${count}`,
      paused: true,
      paused_by: 'admin',
      paused_at: expect.any(Number),
      pause_reason: 'broken',
      groups: ['all'],
      next_build: null,
      finished_build: null,
      inputs: [
        { name: 'repo', resource: 'repo', trigger: true },
        { name: 'pinned', resource: 'pinned', trigger: false },
      ],
      why: expect.any(Array),
    });
    const list = await server.ask<{ name: string }[]>('GET', `${pipeline}/jobs`);
    expect(list.map(({ name }) => name)).toEqual(['build', 'ship-it']);
    expect(list[0]).not.toHaveProperty('next_build');
    await server.ask('PUT', `${pipeline}/jobs/build/unpause`);
    expect(await server.ask('GET', `${pipeline}/jobs/build`)).not.toHaveProperty('paused');
  });

  it('queues a build by hand and says why it waits', async () => {
    const build = await server.fetch('POST', `${pipeline}/jobs/build/builds`);
    expect([build.status, await build.json()]).toMatchObject([
      200,
      { name: '1', status: 'pending', job_name: 'build', pipeline_name: `p${count}`, created_by: 'admin' },
    ]);
    const { id, api_url: url } = await server.ask<{ id: number; api_url: string }>(
      'GET',
      `${pipeline}/jobs/build/builds/1`,
    );
    expect(url).toBe(`/api/v1/builds/${id}`);
    expect(await server.ask('GET', `${url}/preparation`)).toMatchObject({ build_id: id, paused_pipeline: 'blocking' });
    await eventually('the reason on the job', async () => {
      const { why } = await server.ask<{ why: { build_id: number; reasons: string[] }[] }>(
        'GET',
        `${pipeline}/jobs/build`,
      );
      return why.some((w) => w.build_id === id && /the pipeline is paused/.test(w.reasons.join()));
    });
    expect((await server.fetch('GET', `${url}/plan`)).status).toBe(404);
    expect((await server.fetch('PUT', `${url}/abort`)).status).toBe(204);
    await server.ask('PUT', `${url}/comment`, { comment: 'flaky' });
    expect(await server.ask('GET', url)).toMatchObject({ comment: 'flaky' });
  });

  it('that may not be triggered by hand refuses, and unknown inputs are 404', async () => {
    const answer = await server.fetch('POST', `${pipeline}/jobs/ship-it/builds`);
    expect([answer.status, await answer.json()]).toMatchObject([409, { code: 'manual-trigger-disabled' }]);
    expect((await server.fetch('GET', `${pipeline}/jobs/ship-it/inputs`)).status).toBe(404);
    const near = await server.fetch('GET', `${pipeline}/jobs/biuld`);
    expect([near.status, await near.text()]).toEqual([404, expect.stringContaining('build')]);
    await server.ask('PUT', `${pipeline}/jobs/build/schedule`);
  });
});

describe('pages', () => {
  it('link to the older and the newer one in two headers', async () => {
    await server.fetch('PUT', `${pipeline}/config`, CONFIG);
    for (let i = 0; i < 5; i++) await server.fetch('POST', `${pipeline}/jobs/build/builds`);
    const page = async (query: string): Promise<{ names: string; links: string[] }> => {
      const answer = await server.fetch('GET', `${pipeline}/jobs/build/builds?${query}`);
      const builds = (await answer.json()) as { name: string }[];
      const links = (answer.headers.get('link') ?? '').split(/, (?=<)/).filter(Boolean);
      return { names: builds.map(({ name }) => name).join(' '), links };
    };
    const follow = (links: string[], rel: string): string => {
      const [, path, query] = /^<https:\/\/ci\.example\/weir(.*)\?(.*)>; rel="\w+"$/.exec(
        links.find((l) => l.endsWith(`rel="${rel}"`))!,
      )!;
      expect(path).toBe(`${pipeline}/jobs/build/builds`);
      return query!;
    };
    const newest = await page('limit=2');
    expect(newest).toMatchObject({ names: '5 4', links: [expect.stringMatching(/\?to=\d+&limit=2>; rel="next"$/)] });
    const middle = await page(follow(newest.links, 'next'));
    expect(middle.names).toBe('3 2');
    expect(middle.links).toHaveLength(2);
    expect((await page(follow(middle.links, 'next'))).names).toBe('1');
    expect((await page(follow(middle.links, 'previous'))).names).toBe('5 4');
    expect(await page('')).toEqual({ names: '5 4 3 2 1', links: [] });
  });

  it('refuse bounds that make no sense', async () => {
    expect((await server.fetch('GET', '/api/v1/builds?from=9&to=3')).status).toBe(400);
    expect((await server.fetch('GET', '/api/v1/builds?limit=many')).status).toBe(400);
    expect((await server.fetch('GET', '/api/v1/builds?timestamps=true&from=1&to=9999999999')).status).toBe(200);
  });
});

describe('a resource', () => {
  const resource = (): string => `${pipeline}/resources/repo`;
  const versions = (query = ''): Promise<{ id: number; version: { version: string }; enabled: boolean }[]> =>
    server.ask('GET', `${resource()}/versions${query}`);
  beforeEach(async () => {
    await server.fetch('PUT', `${pipeline}/config`, CONFIG);
    const { id } = await server.ask<{ id: number }>('GET', resource());
    await server.database.db.query(
      `with h as (insert into histories (config_digest, next_check_order) values ('x', 10) returning id),
         r as (update resources set history_id = (select id from h) where id = $1)
       insert into versions (history_id, digest, version, check_order, origin)
       select h.id, n::text, jsonb_build_object('version', n::text), n, 'check' from h, generate_series(1, 4) n`,
      [id],
    );
  });

  it('is paused and unpaused with a reason, idempotently', async () => {
    await server.ask('PUT', `${resource()}/pause`, { reason: 'flood' });
    await server.ask('PUT', `${resource()}/pause`);
    expect(await server.ask('GET', resource())).toMatchObject({
      paused: true,
      paused_by: 'admin',
      pause_reason: 'flood',
    });
    await server.ask('PUT', `${resource()}/unpause`);
    await server.ask('PUT', `${resource()}/unpause`);
    expect(await server.ask('GET', resource())).not.toHaveProperty('paused');
  });

  it('lists its versions newest first, by page and by filter', async () => {
    expect((await versions()).map((v) => v.version.version)).toEqual(['4', '3', '2', '1']);
    const answer = await server.fetch(
      'GET',
      `${resource()}/versions?limit=2&filter=${encodeURIComponent('version:3')}`,
    );
    expect(await answer.json()).toEqual([{ id: expect.any(Number), version: { version: '3' }, enabled: true }]);
    const page = await server.fetch('GET', `${resource()}/versions?limit=2`);
    expect(page.headers.get('link')).toMatch(/\/versions\?to=\d+&limit=2>; rel="next"$/);
    expect((await server.fetch('GET', `${resource()}/versions?filter=version`)).status).toBe(400);
  });

  it('has versions disabled and enabled, with who and why', async () => {
    const [newest] = await versions();
    await server.ask('PUT', `${resource()}/versions/${newest!.id}/disable`, { reason: 'broken' });
    expect((await versions())[0]).toMatchObject({ enabled: false, disabled_by: 'admin', disabled_reason: 'broken' });
    await server.ask('PUT', `${resource()}/versions/${newest!.id}/enable`);
    expect((await versions())[0]).toMatchObject({ enabled: true });
  });

  it('is pinned with a comment and unpinned', async () => {
    const [, second] = await versions();
    await server.ask('PUT', `${resource()}/versions/${second!.id}/pin`, { reason: 'wait for 5' });
    expect(await server.ask('GET', resource())).toMatchObject({
      pinned_version: second!.version,
      pin_comment: 'wait for 5',
    });
    await server.ask('PUT', `${resource()}/pin_comment`, { pin_comment: 'still' });
    expect(await server.ask('GET', resource())).toMatchObject({ pin_comment: 'still' });
    await server.ask('PUT', `${resource()}/unpin`);
    expect(await server.ask('GET', resource())).not.toHaveProperty('pinned_version');
    expect(await server.ask('GET', `${pipeline}/resources/pinned`)).toMatchObject({ pinned_in_config: true });
  });

  it('does not answer for versions of another resource', async () => {
    const [version] = await versions();
    for (const [method, path] of [
      ['GET', ''],
      ['PUT', '/disable'],
      ['PUT', '/enable'],
      ['PUT', '/pin'],
    ] as const) {
      const answer = await server.fetch(method, `${pipeline}/resources/pinned/versions/${version!.id}${path}`);
      expect([path, answer.status]).toEqual([path, 404]);
    }
    expect(await server.ask('GET', `${resource()}/versions/${version!.id}/input_to`)).toEqual([]);
    expect(await server.ask('GET', `${resource()}/versions/${version!.id}/output_of`)).toEqual([]);
  });

  it('is checked by hand and by a webhook with its own token', async () => {
    await server.ask('PUT', `${pipeline}/unpause`);
    const check = await server.fetch('POST', `${resource()}/check`, { from: null, shallow: false });
    expect([check.status, await check.json()]).toMatchObject([201, { name: 'check', resource_name: 'repo' }]);
    const webhook = (query: string): Promise<Response> =>
      fetch(`${server.url}${resource()}/check/webhook${query}`, {
        method: 'POST',
        body: '{"push": 1}',
        headers: { 'content-type': 'application/json' },
      });
    expect((await webhook('')).status).toBe(400);
    expect((await webhook('?webhook_token=wrong')).status).toBe(401);
    expect((await webhook('?webhook_token=a-token-of-16-chars')).status).toBe(201);
  });
});

describe('pipeline sources', () => {
  it('are added, shown without their secrets, changed, synced and removed', async () => {
    const created = await server.ask('POST', `${TEAM}/sources`, {
      name: 'home',
      uri: 'https://git.example/none.git',
      branch: 'main',
      credentials: { username: 'robot', password: 'hunter2-hunter2' },
      webhook_token: 'sixteen-letters!',
    });
    expect(created).toMatchObject({ name: 'home', credentials: 'password', has_webhook: true, pipelines: [] });
    expect(JSON.stringify(await server.ask('GET', `${TEAM}/sources`))).not.toContain('hunter2');
    expect((await server.fetch('POST', `${TEAM}/sources`, { name: 'home', uri: 'https://x.example/y' })).status).toBe(
      409,
    );
    await server.ask('PUT', `${TEAM}/sources/home`, { branch: null, interval_seconds: 3600 });
    const changed = await server.ask('GET', `${TEAM}/sources/home`);
    expect(changed).toMatchObject({ interval_seconds: 3600, credentials: 'password' });
    expect(changed).not.toHaveProperty('branch');
    await server.ask('PUT', `${TEAM}/sources/home/sync`);
    const webhook = (token: string): Promise<Response> =>
      fetch(`${server.url}${TEAM}/sources/home/webhook?webhook_token=${token}`, { method: 'POST' });
    expect((await webhook('wrong')).status).toBe(401);
    expect((await webhook('sixteen-letters!')).status).toBe(200);
    expect((await server.fetch('DELETE', `${TEAM}/sources/home`)).status).toBe(204);
    expect((await server.fetch('GET', `${TEAM}/sources/home`)).status).toBe(404);
  });
});

describe('the event stream', () => {
  let build: BuildId;
  beforeEach(async () => {
    const [row] = await server.database.db.query<{ id: BuildId }>(
      `insert into builds (team_id, name, status, plan, started_at, lease_instance, lease_epoch, lease_until)
       select id, 'x', 'started', '{}', now(), 'another server', 1, now() + interval '1 day' from teams returning id`,
    );
    build = row!.id;
  });
  const log = (payload: string): BuildEvent => ({
    event: 'log',
    data: { origin: { id: 's', source: 'stdout' }, time: 1, payload },
  });
  const append = (...events: BuildEvent[]): Promise<void> =>
    server.database.db.tx((tx) => appendEvents(tx, build, events));
  const finish = async (): Promise<void> => {
    await server.database.db.tx(async (tx) => {
      await tx.query(`update builds set status = 'succeeded', ended_at = now() where id = $1`, [build]);
      await appendEvents(tx, build, [{ event: 'status', data: { status: 'succeeded', time: 2 } }]);
    });
  };

  /** Reads frames until `enough` says so; then leaves, or keeps the connection for `leave`. */
  async function frames(
    enough: (text: string) => boolean,
    headers: Record<string, string> = {},
  ): Promise<{ text: string; answer: Response; leave: () => void; over: Promise<string> }> {
    const leaving = new AbortController();
    const answer = await fetch(`${server.url}/api/v1/builds/${build}/events`, {
      headers: { authorization: `Bearer ${server.token}`, ...headers },
      signal: leaving.signal,
    });
    const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    while (!enough(text)) {
      const { value, done } = await reader.read();
      if (done) break;
      text += value;
    }
    const over = reader.read().then(
      ({ done }) => (done ? 'ended' : 'more'),
      () => 'cut',
    );
    return { text, answer, leave: () => leaving.abort(), over };
  }
  const ended = (text: string): boolean => text.includes('event: end\n') && text.endsWith('\n\n');

  it('has the frames and headers of the contract, and stays open after its end', async () => {
    await append({ event: 'status', data: { status: 'started', time: 1 } }, log('one\n'));
    await finish();
    const { text, answer, leave, over } = await frames(ended);
    const parsed = text
      .trimEnd()
      .split('\n\n')
      .map((frame) => /^id: (\d+)\nevent: (\w+)\ndata: (.*)$/.exec(frame)!)
      .map(([, id, event, data]) => [Number(id), event, JSON.parse(data!) as unknown]);
    expect(parsed).toEqual([
      [0, 'event', { data: { status: 'started', time: 1 }, event: 'status', version: '1.0', event_id: '0' }],
      [
        1,
        'event',
        {
          data: { origin: { id: 's', source: 'stdout' }, time: 1, payload: 'one\n' },
          event: 'log',
          version: '5.1',
          event_id: '1',
        },
      ],
      [2, 'event', { data: { status: 'succeeded', time: 2 }, event: 'status', version: '1.0', event_id: '2' }],
      [3, 'end', {}],
    ]);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-store, must-revalidate',
      'x-accel-buffering': 'no',
      'x-atc-stream-version': '2.0',
      'x-request-id': expect.any(String),
    });
    leave();
    expect(await over).toBe('cut');
  });

  it('goes on after Last-Event-ID, with what comes meanwhile, each event once', async () => {
    await append(log('zero'), log('one'), log('two'));
    const first = await frames((text) => text.includes('"one"'));
    first.leave();
    const second = frames(ended, { 'last-event-id': '1' });
    await append(log('three'));
    await finish();
    const { text, leave } = await second;
    expect([...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id))).toEqual([2, 3, 4, 5]);
    leave();
  });

  it('is compressed for those who can read it, without delay', async () => {
    await append(log('now'));
    const { text, answer, leave } = await frames((t) => t.includes('"now"'), { 'accept-encoding': 'gzip' });
    expect(answer.headers.get('content-encoding')).toBe('gzip');
    expect(text).toContain('"now"');
    leave();
  });

  it('refuses a Last-Event-ID that is no number', async () => {
    const answer = await server.fetch('GET', `/api/v1/builds/${build}/events`, undefined, { 'last-event-id': 'x' });
    expect(answer.status).toBe(400);
  });

  it('of a build whose log was removed is only its end', async () => {
    await append(log('gone'));
    await finish();
    await server.database.db.query(`delete from build_events where build_id = $1`, [build]);
    await server.database.db.query(`update builds set reaped_at = now() where id = $1`, [build]);
    const { text, leave } = await frames(ended);
    expect(text).toBe('id: 0\nevent: end\ndata: {}\n\n');
    leave();
  });

  it('loses nothing to a client that reads slowly', async () => {
    const big = 'x'.repeat(50_000);
    for (let i = 0; i < 40; i++) await append(log(`${i}:${big}`));
    await finish();
    const { text, leave } = await frames(ended);
    expect([...text.matchAll(/"payload":"(\d+):/g)].map(([, n]) => Number(n))).toEqual(
      Array.from({ length: 40 }, (_, i) => i),
    );
    leave();
  });
});

describe('a server that stops', () => {
  it('cuts event streams in the middle, by which clients know that more is to come', async () => {
    const own = await ApiServer.start();
    await own.database.db.query(
      `insert into builds (team_id, name, status, plan, lease_instance, lease_epoch, lease_until)
       select id, 'x', 'started', '{}', 'another server', 1, now() + interval '1 day' from teams`,
    );
    const answer = await fetch(`${own.url}/api/v1/builds/1/events`, {
      headers: { authorization: `Bearer ${own.token}` },
    });
    const rest = answer.text().then(
      () => 'ended',
      () => 'cut',
    );
    await own.stop();
    expect(await rest).toBe('cut');
  });
});

describe('a database that is away', () => {
  it('is answered with 503 and a clear word, and all is well again by itself', async () => {
    const own = await ApiServer.start();
    const [, admin, name] = /^(.*\/)([^/]+)$/.exec(own.database.url)!;
    const client = new pg.Client({ connectionString: `${admin}postgres` });
    await client.connect();
    try {
      await client.query(`alter database ${name} with allow_connections false`);
      await client.query(`select pg_terminate_backend(pid) from pg_stat_activity where datname = $1`, [name]);
      const answer = await own.fetch('GET', '/api/v1/teams');
      expect(answer.status).toBe(503);
      expect(await answer.json()).toMatchObject({
        code: 'database-unavailable',
        message: expect.stringContaining('by itself'),
      });
      const health = await fetch(`${own.url}/api/v1/health`);
      expect([health.status, await health.json()]).toMatchObject([
        503,
        { status: 'failing', database: { status: 'unhealthy' } },
      ]);
      await client.query(`alter database ${name} with allow_connections true`);
      await eventually('recovery', async () => (await own.fetch('GET', '/api/v1/teams')).ok);
    } finally {
      await client.end();
      await own.stop();
    }
  });
});
