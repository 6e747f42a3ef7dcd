import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EventStreams } from '../../src/api/http/event-streams.js';
import {
  AccountsService,
  AuthService,
  BrowserLogins,
  csrfToken,
  RolePolicy,
  type Connector,
  type Identity,
} from '../../src/auth/index.js';
import { listAudit, verifyAudit } from '../../src/persistence/index.js';
import { createLogger, Settings, type Clock } from '../../src/platform/index.js';
import { ApiServer } from '../support/api-server.js';

let server: ApiServer;
let auth: AuthService;
beforeAll(async () => {
  server = await ApiServer.start({
    localUsers: [
      { name: 'test', password: 'test' },
      { name: 'Guest', password: 'guest' },
    ],
    mainTeamUsers: ['test'],
  });
  auth = server.app.get(AuthService);
});
afterAll(() => server?.stop());

const identity = (name: string, groups: string[] = [], connector = 'local'): Identity => ({
  connector,
  subject: name,
  name,
  email: '',
  groups,
});
/** A token for somebody, without asking for a password. */
const tokenOf = async (name: string, groups?: string[], connector?: string): Promise<string> =>
  (await auth.issue(identity(name, groups, connector))).token;
const as = (token: string) => ({ authorization: `Bearer ${token}` });
const setTeam = (name: string, roles: Record<string, { users?: string[]; groups?: string[] }>, token?: string) =>
  server.fetch('PUT', `/api/v1/teams/${name}`, { auth: roles }, token === undefined ? {} : as(token));
const SMALL = 'jobs: [{name: j, plan: [{task: t, config: {platform: linux, run: {path: ls}}}]}]';

describe('users of the settings', () => {
  it('log in with the password they were given, in any case of their name; owners of main are administrators', async () => {
    const view = async (name: string, password: string): Promise<unknown> => {
      const { token } = await auth.login(name, password);
      return (await server.fetch('GET', '/api/v1/user', undefined, as(token))).json();
    };
    expect(await view('test', 'test')).toMatchObject({ name: 'test', is_admin: true, teams: { main: ['owner'] } });
    expect(await view('guest', 'guest')).toMatchObject({ name: 'Guest', user_id: 'Guest', is_admin: false, teams: {} });
  });

  it('stay as they are at the next start, get another password, or may not log in any more', async () => {
    const accounts = (localUsers: Settings['localUsers'], mainTeamUsers: string[] = ['test']): AccountsService =>
      new AccountsService(server.database.db, new Settings({ localUsers, mainTeamUsers }), createLogger('silent'));
    const test = { name: 'test', password: 'test' };
    const guest = await tokenOf('guest');
    await accounts([test, { name: 'guest', password: 'guest' }]).applySettings();
    expect(await auth.access(server.token)).toBeDefined();
    expect(await auth.access(guest)).toBeDefined();
    await accounts([test, { name: 'guest', password: 'other' }]).applySettings();
    expect(await auth.access(guest)).toBeUndefined();
    await auth.login('guest', 'other');
    await accounts([test]).applySettings();
    await expect(auth.login('guest', 'other')).rejects.toThrow('wrong user name or password');
    await accounts([test, { name: 'Guest', password: 'guest' }]).applySettings();
    await auth.login('guest', 'guest');
    await expect(accounts([test], ['nobody']).applySettings()).rejects.toMatchObject({ code: 'no-administrator' });
    await accounts([test, { name: 'Guest', password: 'guest' }]).applySettings();
  });

  it('are listed to administrators once they were here', async () => {
    await auth.login('test', 'test');
    const users = await server.ask<{ username: string }[]>('GET', '/api/v1/users');
    expect(users.find(({ username }) => username === 'test')).toEqual({
      id: expect.any(Number),
      username: 'test',
      connector: 'local',
      last_login: expect.any(Number),
      sub: 'local:test',
    });
    expect(await server.ask('GET', '/api/v1/users?since=2999-01-01')).toEqual([]);
    const wrong = await server.fetch('GET', '/api/v1/users?since=2026-02-30');
    expect([wrong.status, await wrong.json()]).toEqual([400, { error: expect.stringContaining('yyyy-mm-dd') }]);
  });
});

describe('a team', () => {
  it('is made, changed, renamed and destroyed, as fly asks for it', async () => {
    const owner = { owner: { users: ['local:Owner'], groups: [] } };
    const made = await setTeam('ops', owner);
    expect([made.status, await made.json()]).toEqual([
      201,
      { team: { id: expect.any(Number), name: 'ops', auth: owner } },
    ]);
    const token = await tokenOf('owner');
    const both = { ...owner, viewer: { users: [], groups: ['github:org:all'] } };
    expect((await setTeam('ops', both, token)).status).toBe(200);
    expect(await (await server.fetch('GET', '/api/v1/teams/ops', undefined, as(token))).json()).toMatchObject({
      auth: both,
    });
    expect((await server.fetch('PUT', '/api/v1/teams/ops/rename', { name: 'main' }, as(token))).status).toBe(409);
    expect((await server.fetch('PUT', '/api/v1/teams/ops/rename', { name: 'dev' }, as(token))).status).toBe(200);
    expect((await server.fetch('DELETE', '/api/v1/teams/dev', undefined, as(token))).status).toBe(403);
    expect((await server.fetch('DELETE', '/api/v1/teams/dev')).status).toBe(204);
    expect((await server.fetch('GET', '/api/v1/teams/dev')).status).toBe(404);
  });

  it('is made by administrators only, and theirs can be neither renamed nor destroyed', async () => {
    const token = await tokenOf('guest');
    expect((await setTeam('mine', { owner: { users: ['local:guest'] } }, token)).status).toBe(403);
    expect((await server.fetch('PUT', '/api/v1/teams/main/rename', { name: 'first' })).status).toBe(409);
    expect((await server.fetch('DELETE', '/api/v1/teams/main')).status).toBe(403);
  });

  it.each([
    [{}],
    [{ owner: { users: [], groups: [] } }],
    [{ owner: { users: ['ana'] } }],
    [{ boss: { users: ['local:ana'] } }],
    [{ owner: { users: 'local:ana' } }],
  ])('cannot have the roles %j', async (roles) => {
    const answer = await setTeam('bad', roles as never);
    expect([answer.status, await answer.json()]).toMatchObject([400, { errors: [expect.any(String)] }]);
  });

  it.each(['a/b', ' ', 'x'.repeat(256), 'a\u0000b'])('cannot be called %j', async (name) => {
    const answer = await setTeam(encodeURIComponent(name), { owner: { users: ['local:ana'] } });
    expect(answer.status).toBe(400);
  });

  it('gives roles at once, by user or group, and takes them at once', async () => {
    const token = await tokenOf('7', ['Org:Team'], 'github');
    const names = async (): Promise<string[]> => {
      const teams = await (await server.fetch('GET', '/api/v1/teams', undefined, as(token))).json();
      return (teams as { name: string }[]).map(({ name }) => name);
    };
    expect(await names()).toEqual([]);
    await setTeam('byGroup', { owner: { users: ['local:x'] }, viewer: { groups: ['github:org:team'] } });
    await setTeam('byUser', { owner: { users: ['GitHub:7'] } });
    expect(await names()).toEqual(['byGroup', 'byUser']);
    await setTeam('byUser', { owner: { users: ['local:x'] } });
    expect(await names()).toEqual(['byGroup']);
    for (const name of ['byGroup', 'byUser']) await server.fetch('DELETE', `/api/v1/teams/${name}`);
  });
});

describe('lists', () => {
  it('hold what is public and what is of the own teams', async () => {
    await setTeam('one', { owner: { users: ['local:one'] } });
    for (const name of ['open', 'shut']) await server.ask('PUT', `/api/v1/teams/one/pipelines/${name}/config`, SMALL);
    await server.ask('PUT', '/api/v1/teams/one/pipelines/open/expose');
    const seen = async (path: string, token?: string): Promise<string[]> => {
      const answer = await fetch(server.url + path, { headers: token === undefined ? {} : as(token) });
      const rows = (await answer.json()) as { name: string; pipeline_name?: string }[];
      return [...new Set(rows.map((row) => row.pipeline_name ?? row.name))].sort();
    };
    const [own, foreign] = [await tokenOf('one'), await tokenOf('two')];
    for (const path of ['/api/v1/pipelines', '/api/v1/jobs', '/api/v1/teams/one/pipelines']) {
      expect([path, await seen(path), await seen(path, foreign)]).toEqual([path, ['open'], ['open']]);
      expect([path, await seen(path, own), await seen(path, server.token)]).toEqual([
        path,
        ['open', 'shut'],
        ['open', 'shut'],
      ]);
    }
    for (const name of ['open', 'shut']) await server.ask('POST', `/api/v1/teams/one/pipelines/${name}/jobs/j/builds`);
    expect([await seen('/api/v1/builds'), await seen('/api/v1/builds', foreign)]).toEqual([['open'], ['open']]);
    expect(await seen('/api/v1/builds', own)).toEqual(['open', 'shut']);
    await server.fetch('DELETE', '/api/v1/teams/one');
  });
});

describe('a stranger', () => {
  it('sees of a public pipeline neither metadata of versions nor comments of builds', async () => {
    const pipeline = '/api/v1/teams/main/pipelines/shown';
    const config = 'resources: [{name: r, type: mock, source: {}}]\njobs: [{name: j, plan: [{get: r}]}]';
    await server.ask('PUT', `${pipeline}/config`, config);
    await server.ask('PUT', `${pipeline}/expose`);
    const { id } = await server.ask<{ id: number }>('POST', `${pipeline}/jobs/j/builds`);
    await server.ask('PUT', `/api/v1/builds/${id}/comment`, { comment: 'internal' });
    await server.database.db.query(
      `with h as (insert into histories (config_digest, next_check_order) values ('shown', 2) returning id),
         r as (update resources set history_id = (select id from h) where name = 'r' and pipeline_id =
           (select id from pipelines where name = 'shown'))
       insert into versions (history_id, digest, version, check_order, origin, metadata)
       select id, 'd', '{"v": "1"}', 1, 'check', '[{"name": "author", "value": "ana"}]' from h`,
    );
    const texts = async (headers: Record<string, string>): Promise<string[]> => {
      const paths = [`${pipeline}/resources/r/versions`, `/api/v1/builds/${id}`, '/api/v1/builds'];
      const more = [`${pipeline}/jobs/j`, `${pipeline}/jobs/j/builds`, `${pipeline}/builds`];
      return Promise.all([...paths, ...more].map(async (path) => (await fetch(server.url + path, { headers })).text()));
    };
    for (const text of await texts(as(server.token))) expect(text).toMatch(/ana|internal/);
    for (const text of await texts({})) expect(text).not.toMatch(/ana|internal/);
    await server.ask('PUT', `${pipeline}/config`, config.replace('type: mock', 'type: mock, public: true'));
    expect((await texts({}))[0]).toMatch(/ana/);
  });
});

describe('a browser', () => {
  const get = (path: string, cookie?: string): Promise<Response> =>
    fetch(server.url + path, { redirect: 'manual', headers: { accept: 'text/html', ...(cookie ? { cookie } : {}) } });
  const cookiesOf = (answer: Response): string =>
    answer.headers
      .getSetCookie()
      .map((cookie) => cookie.split(';')[0])
      .join('; ');

  /** Fills in the form as a browser would. */
  async function logIn(password: string, redirect = '/', cookie = '', change: Record<string, string> = {}) {
    const form = await get(`/sky/login?redirect_uri=${encodeURIComponent(redirect)}`);
    const page = await form.text();
    const inputs = page.matchAll(/name="(\w+)" value="([^"]*)"/g);
    const fields: Record<string, string> = Object.fromEntries([...inputs].map(([, n, v]) => [n!, v!]));
    return fetch(`${server.url}/sky/login`, {
      method: 'POST',
      redirect: 'manual',
      headers: { cookie: `${cookiesOf(form)}; ${cookie}` },
      body: new URLSearchParams({ username: 'test', password, ...fields, ...change }),
    });
  }

  it('is led by fly to the form and, logged in, back to where fly listens', async () => {
    const start = await get('/login?fly_port=1234');
    expect([start.status, start.headers.get('location')]).toEqual([
      302,
      '/weir/sky/login?redirect_uri=%2Ffly_success%3Ffly_port%3D1234',
    ]);
    const done = await logIn('test', '/fly_success?fly_port=1234');
    expect(done.status).toBe(303);
    expect(done.headers.get('location')).toMatch(/^\/weir\/fly_success\?fly_port=1234&csrf_token=[\w-]{43}$/);
    const session = cookiesOf(done);
    const page = await get('/fly_success?fly_port=1234', session);
    expect(page.headers.get('content-security-policy')).toMatch(/connect-src http:\/\/127\.0\.0\.1:\*;/);
    const text = await page.text();
    const [, token] = /<meta name="auth-token" content="bearer ([\w+/]{38})">/.exec(text)!;
    expect((await server.fetch('GET', '/api/v1/user', undefined, as(token!))).status).toBe(200);
    expect(text).toContain('<meta name="fly-port" content="1234">');
    expect(await (await get('/fly_success?noop=true')).text()).not.toContain('bearer');
    expect((await get('/fly_success?fly_port=1')).headers.get('location')).toMatch(/^\/weir\/sky\/login\?/);
    expect((await get('/sky/login?redirect_uri=/x', session)).headers.get('location')).toMatch(
      /^\/weir\/x\?csrf_token=/,
    );
  });

  it('is told of a wrong password on the form, which holds nothing of what was sent', async () => {
    const answer = await logIn('<script>', '/"><script>alert(1)</script>');
    expect(answer.status).toBe(401);
    const text = await answer.text();
    expect(text).toContain('wrong user name or password');
    expect(text).not.toMatch(/<script/);
    expect(answer.headers.get('content-security-policy')).toMatch(/form-action 'self'/);
  });

  it('cannot be logged in by another site', async () => {
    expect((await logIn('test', '/', '', { state: 'guessed' })).status).toBe(403);
    const bare = await fetch(`${server.url}/sky/login`, {
      method: 'POST',
      body: new URLSearchParams({ username: 'test', password: 'test', state: '' }),
    });
    expect([bare.status, bare.headers.getSetCookie().join()]).toEqual([403, expect.not.stringContaining('skymarshal')]);
  });

  it.each(['https://evil.example', '//evil.example', '/%2Fevil.example', '/\\evil.example'])(
    'is never led to %s',
    async (redirect) => {
      const answer = await logIn('test', redirect);
      expect(answer.headers.get('location')).toMatch(/^\/weir\/\?csrf_token=/);
    },
  );

  it('gets a new session with each login, and the one it brought ends', async () => {
    const fixed = await tokenOf('test');
    const answer = await logIn('test', '/', `skymarshal_auth="bearer ${fixed}"`);
    expect(cookiesOf(answer)).not.toContain(fixed);
    expect(await auth.access(fixed)).toBeUndefined();
  });

  it('changes something only from a page of ours', async () => {
    await server.ask('PUT', '/api/v1/teams/main/pipelines/p/config', SMALL);
    const session = cookiesOf(await logIn('test'));
    const token = /bearer ([\w+/]+)/.exec(session)![1]!;
    const put = (headers: Record<string, string>): Promise<Response> =>
      fetch(`${server.url}/api/v1/teams/main/pipelines/p/unpause`, { method: 'PUT', headers });
    expect((await get('/api/v1/user', session)).status).toBe(200);
    const refused = await put({ cookie: session });
    expect([refused.status, refused.headers.getSetCookie().join()]).toEqual([
      401,
      expect.stringMatching(/skymarshal_auth=; Max-Age=0.*skymarshal_csrf=; Max-Age=0/),
    ]);
    const other = csrfToken('another');
    const forged = session.replace(/skymarshal_csrf=[\w-]+/, `skymarshal_csrf=${other}`);
    expect((await put({ cookie: forged, 'x-csrf-token': other })).status).toBe(401);
    expect((await put({ cookie: session, 'x-csrf-token': csrfToken(token) })).status).toBe(200);
  });

  it('is logged out by a quoted cookie, and a stale one keeps nobody from the form', async () => {
    const session = cookiesOf(await logIn('test'));
    expect((await get('/logout')).headers.get('location')).toBe('/weir/sky/logout');
    expect((await get('/sky/logout', session)).status).toBe(200);
    expect((await get('/sky/logout', session)).status).toBe(401);
    expect((await get('/api/v1/info', session)).status).toBe(401);
    expect((await get('/sky/login', session)).status).toBe(200);
  });
});

describe('a login at a provider', () => {
  let now = new Date('2026-11-21T12:00:00Z');
  const clock: Clock = { now: () => now, random: () => 0.5 };
  const provider: Connector = {
    id: 'far',
    title: 'Far',
    browser: {
      begin: async ({ callbackUrl, state }) => ({
        url: `https://far.example/auth?back=${callbackUrl}&state=${state}`,
        secret: { verifier: 'v' },
      }),
      finish: async ({ query, secret }) => identity(`${query.code}-${JSON.stringify(secret)}`, ['g'], 'far'),
    },
  };
  const logins = (): BrowserLogins => {
    const own = new AuthService(server.database.db, clock, [provider], RolePolicy.standard);
    return new BrowserLogins(server.database.db, clock, own, [provider]);
  };

  it('comes back once, to the browser that began it, with the path it asked for', async () => {
    const { url, state } = await logins().begin('far', '/teams', 'https://ci/cb');
    expect(url).toContain(state);
    const rows = await server.database.db.query(`select * from login_flows`);
    expect(JSON.stringify(rows)).not.toContain(state);
    const finish = (kept?: string) => logins().finish({ state, code: 'ana' }, kept, 'https://ci/cb', {});
    await expect(finish()).rejects.toMatchObject({ code: 'login-flow-over' });
    await expect(finish('another')).rejects.toMatchObject({ code: 'login-flow-over' });
    const { issued, redirectPath } = await finish(state);
    expect(redirectPath).toBe('/teams');
    const own = new AuthService(server.database.db, clock, [provider], RolePolicy.standard);
    expect((await own.access(issued.token))?.identity).toMatchObject({
      connector: 'far',
      name: 'ana-{"verifier":"v"}',
      groups: ['g'],
    });
    await expect(finish(state)).rejects.toMatchObject({ code: 'login-flow-over' });
  });

  it('is over after an hour, and leads nowhere else', async () => {
    const { state } = await logins().begin('far', '//evil.example', 'https://ci/cb');
    const [flow] = await server.database.db.query<{ redirect_path: string }>(`select redirect_path from login_flows`);
    expect(flow!.redirect_path).toBe('/');
    now = new Date(now.getTime() + 3_600_000);
    await expect(logins().finish({ state }, state, '', {})).rejects.toMatchObject({ code: 'login-flow-over' });
    await expect(logins().begin('near', '/', '')).rejects.toMatchObject({ status: 404 });
  });
});

describe('a lasting token', () => {
  interface TokenView {
    readonly id: number;
    readonly name: string;
    readonly token: string;
    readonly last_used_at?: string;
  }
  const create = (body: object, headers = {}): Promise<Response> =>
    server.fetch('POST', '/api/v1/tokens', body, headers);
  const created = async (body: object, headers = {}): Promise<TokenView> => {
    const answer = await create(body, headers);
    expect(answer.status).toBe(201);
    return (await answer.json()) as TokenView;
  };
  const list = (): Promise<TokenView[]> => server.ask('GET', '/api/v1/tokens');

  it('is shown once, kept as a digest, and good until it is revoked', async () => {
    const { id, token } = await created({ name: 'laptop' });
    expect(Buffer.from(token, 'base64')).toHaveLength(28);
    expect(await list()).toEqual([
      {
        id,
        name: 'laptop',
        kind: 'personal',
        created_by: 'test',
        created_at: expect.any(String),
        expires_at: expect.any(String),
      },
    ]);
    const rows = await server.database.db.query(`select row_to_json(t)::text from tokens t`);
    expect(JSON.stringify(rows)).not.toContain(token);
    expect(await (await server.fetch('GET', '/api/v1/user', undefined, as(token))).json()).toMatchObject({
      is_admin: true,
    });
    expect((await create({ name: 'laptop' })).status).toBe(409);
    expect((await server.fetch('DELETE', `/api/v1/tokens/${id}`)).status).toBe(204);
    expect((await server.fetch('GET', '/api/v1/user', undefined, as(token))).status).toBe(401);
    expect((await server.fetch('DELETE', `/api/v1/tokens/${id}`)).status).toBe(404);
  });

  it('tells its last use, written at most once a minute', async () => {
    let now = new Date();
    const clock: Clock = { now: () => now, random: () => 0.5 };
    const own = new AuthService(server.database.db, clock, [], RolePolicy.standard);
    const { id, token } = await created({ name: 'used' });
    const usedAt = async (): Promise<string | undefined> => (await list()).find((each) => each.id === id)!.last_used_at;
    expect(await usedAt()).toBeUndefined();
    await own.access(token);
    const first = now.toISOString();
    expect(await usedAt()).toBe(first);
    now = new Date(now.getTime() + 59_000);
    await own.access(token);
    expect(await usedAt()).toBe(first);
    now = new Date(now.getTime() + 2_000);
    await own.access(token);
    expect(await usedAt()).toBe(now.toISOString());
  });

  it('is worth no more than its limits', async () => {
    const config = '/api/v1/teams/main/pipelines/app-1/config';
    await server.ask('PUT', config, SMALL);
    const status = async (token: string, method: string, path: string, body?: string): Promise<number> =>
      (await server.fetch(method, path, body, as(token))).status;
    const { token } = await created({ name: 'limited', team: 'main', role: 'member', pipelines: ['app-*'] });
    expect(await status(token, 'PUT', config, SMALL)).toBe(200);
    expect(await status(token, 'PUT', '/api/v1/teams/main/pipelines/web/config', SMALL)).toBe(403);
    expect(await status(token, 'GET', '/api/v1/users')).toBe(403);
    const { token: trigger } = await created({ name: 'trigger', actions: ['CreateJobBuild'] });
    expect(await status(trigger, 'POST', '/api/v1/teams/main/pipelines/app-1/jobs/j/builds')).toBe(200);
    expect(await status(trigger, 'PUT', config, SMALL)).toBe(403);
    const seen = await (await server.fetch('GET', '/api/v1/pipelines', undefined, as(trigger))).text();
    expect(seen).toBe(await (await fetch(`${server.url}/api/v1/pipelines`)).text());
  });

  it('cannot be used as a session, nor to make or end tokens', async () => {
    const { id, token } = await created({ name: 'sly' });
    const cookie = { cookie: `skymarshal_auth="bearer ${token}"` };
    expect((await fetch(`${server.url}/api/v1/user`, { headers: cookie })).status).toBe(401);
    expect((await create({ name: 'more' }, as(token))).status).toBe(403);
    expect((await server.fetch('DELETE', `/api/v1/tokens/${id}`, undefined, as(token))).status).toBe(403);
  });

  it('of a robot is made by owners of its team, and outlives its maker', async () => {
    await setTeam('robots', { owner: { users: ['local:rita'] }, member: { users: ['local:mia'] } });
    const [rita, mia] = [await tokenOf('rita'), await tokenOf('mia')];
    const request = { name: 'deployer', robot: true, team: 'robots', role: 'member' };
    expect((await create(request, as(mia))).status).toBe(403);
    expect((await create({ ...request, team: undefined }, as(rita))).status).toBe(400);
    const { id, token } = await created(request, as(rita));
    await server.database.db.query(`delete from users where name = 'rita'`);
    const set = await server.fetch('PUT', '/api/v1/teams/robots/pipelines/p/config', SMALL, as(token));
    expect(set.status).toBe(201);
    const paused = await server.fetch('PUT', '/api/v1/teams/robots/pipelines/p/pause', undefined, as(token));
    expect(paused.status).toBe(200);
    expect(await server.ask('GET', '/api/v1/teams/robots/pipelines/p')).toMatchObject({
      paused_by: 'robot:robots/deployer',
    });
    expect(await (await server.fetch('GET', '/api/v1/user', undefined, as(token))).json()).toMatchObject({
      connector: 'robot',
      teams: { robots: ['member'] },
      is_admin: false,
    });
    expect((await server.fetch('DELETE', `/api/v1/tokens/${id}`, undefined, as(mia))).status).toBe(404);
    expect((await server.fetch('DELETE', '/api/v1/teams/robots')).status).toBe(204);
    expect((await server.fetch('GET', '/api/v1/user', undefined, as(token))).status).toBe(401);
  });

  it.each([
    [{}, /name/],
    [{ name: 'x', actions: ['PausePipelin'] }, /did you mean "PausePipeline"/],
    [{ name: 'x', expires_in_seconds: 1 }, /expires_in_seconds/],
    [{ name: 'x', role: 'god' }, /role/],
    [{ name: 'x', scope: 'all' }, /scope/],
  ])('is not made of %j', async (body, message) => {
    const answer = await create(body);
    expect([answer.status, ((await answer.json()) as { message: string }).message]).toEqual([
      400,
      expect.stringMatching(message),
    ]);
  });
});

describe('an event stream', () => {
  it('ends when its token does, or the role is taken', async () => {
    server.app.get(EventStreams).keepaliveMs = 30;
    await setTeam('tv', { owner: { users: ['local:x'] }, viewer: { users: ['local:viewer'] } });
    const [build] = await server.database.db.query<{ id: number }>(
      `insert into builds (team_id, name, status, plan, started_at, lease_instance, lease_epoch, lease_until)
       select id, 'x', 'started', '{}', now(), 'another server', 1, now() + interval '1 day' from teams where name = 'tv'
       returning id`,
    );
    const watch = async (token: string): Promise<string> => {
      const answer = await fetch(`${server.url}/api/v1/builds/${build!.id}/events`, { headers: as(token) });
      expect(answer.status).toBe(200);
      return answer.text().then(
        () => 'ended',
        () => 'cut',
      );
    };
    const [first, second] = [await tokenOf('viewer'), await tokenOf('viewer')];
    const watching = [watch(first), watch(second)];
    await auth.logout(first);
    expect(await watching[0]).toBe('cut');
    await setTeam('tv', { owner: { users: ['local:x'] } });
    expect(await watching[1]).toBe('cut');
    await server.fetch('DELETE', '/api/v1/teams/tv');
  });
});

describe('the record', () => {
  const newest = async () => (await listAudit(server.database.db, {}, 1))[0]!;

  it('has who did what to what, from where and why', async () => {
    await server.ask('PUT', '/api/v1/teams/main/pipelines/kept/config', SMALL);
    const answer = await server.fetch('PUT', '/api/v1/teams/main/pipelines/kept/pause', { reason: 'release day' });
    expect(await newest()).toMatchObject({
      userName: 'test',
      connector: 'local',
      tokenId: expect.any(Number),
      tokenKind: 'login',
      remoteAddress: '127.0.0.1',
      action: 'PausePipeline',
      team: 'main',
      target: 'pipeline/kept',
      status: 200,
      reason: 'release day',
      requestId: answer.headers.get('x-request-id'),
    });
    await server.fetch('PUT', '/api/v1/teams/main/pipelines/none/pause');
    expect(await newest()).toMatchObject({ action: 'PausePipeline', target: 'pipeline/none', status: 404 });
  });

  it('has what was before and after where the service knows', async () => {
    const roles = (name: string) => ({ owner: { users: [`local:${name}`], groups: [] } });
    await setTeam('told', roles('a'));
    await setTeam('told', roles('b'));
    expect(await newest()).toMatchObject({ action: 'SetTeam', team: 'told', before: roles('a'), after: roles('b') });
    await server.fetch('DELETE', '/api/v1/teams/told');
    expect(await newest()).toMatchObject({ action: 'DestroyTeam', before: roles('b'), after: null });
  });

  it('holds no reads and no secrets', async () => {
    const before = (await newest()).seq;
    await server.ask('GET', '/api/v1/teams');
    expect((await newest()).seq).toBe(before);
    const made = (await (await server.fetch('POST', '/api/v1/tokens', { name: 'hush' })).json()) as { token: string };
    const all = await server.database.db.query(`select row_to_json(a)::text from audit_log a`);
    expect(JSON.stringify(all)).not.toContain(made.token);
  });

  it('is read by administrators, and of a team by its owners; filtered, by page, and as lines', async () => {
    const read = async (path: string, token = server.token): Promise<{ seq: number; action: string }[]> => {
      const answer = await server.fetch('GET', path, undefined, as(token));
      expect([path, answer.status]).toEqual([path, 200]);
      return (await answer.json()) as { seq: number; action: string }[];
    };
    await setTeam('read', { owner: { users: ['local:reader'] } });
    await setTeam('read', { owner: { users: ['local:reader'] }, viewer: { users: ['local:x'] } });
    const reader = await tokenOf('reader');
    const own = await read('/api/v1/teams/read/audit?team=main', reader);
    expect(own.map(({ action }) => action)).toEqual(['SetTeam', 'SetTeam']);
    expect(await read(`/api/v1/teams/read/audit?before=${own[0]!.seq}`, reader)).toEqual([own[1]]);
    expect(await read('/api/v1/audit?action=SetTeam&team=read&limit=1')).toEqual([own[0]]);
    expect(await read('/api/v1/audit?user=nobody')).toEqual([]);
    expect(await read('/api/v1/audit?since=2999-01-01T00:00:00Z')).toEqual([]);
    for (const query of ['since=today', 'limit=0', 'before=x', 'format=xml'])
      expect([query, (await server.fetch('GET', `/api/v1/audit?${query}`)).status]).toEqual([query, 400]);
    const text = await (await server.fetch('GET', '/api/v1/audit?format=jsonl&team=read')).text();
    expect(
      text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([own[1], own[0]]);
    const { hash, ...line } = JSON.parse(text.split('\n')[0]!) as Record<string, unknown>;
    const sorted = JSON.stringify(line, (_, value: unknown) =>
      value !== null && typeof value === 'object' && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
        : value,
    );
    expect(createHash('sha256').update(sorted).digest('hex')).toBe(hash);
    expect(await server.ask('GET', '/api/v1/audit/verify')).toMatchObject({
      intact: true,
      entries: expect.any(Number),
    });
    await server.fetch('DELETE', '/api/v1/teams/read');
  });

  it('is a chain also when changes come at the same time', async () => {
    await Promise.all(
      Array.from({ length: 20 }, () => server.fetch('PUT', '/api/v1/teams/main/pipelines/kept/unpause')),
    );
    const { seq, hash } = await newest();
    expect(await verifyAudit(server.database.db)).toEqual({ entries: seq, lastHash: hash });
  });

  it('cannot be changed, and shows it when somebody who rules the database did', async () => {
    const { db } = server.database;
    await expect(db.query(`update audit_log set user_name = 'x'`)).rejects.toThrow('append-only');
    await expect(db.query(`delete from audit_log`)).rejects.toThrow('append-only');
    const tampered = async (sql: string) => {
      await db.query(`create table kept as select * from audit_log`);
      await db.query(`alter table audit_log disable trigger audit_log_is_append_only`);
      await db.query(sql);
      const verdict = await verifyAudit(db);
      await db.query(`delete from audit_log`);
      await db.query(`insert into audit_log select * from kept`);
      await db.query(`alter table audit_log enable trigger audit_log_is_append_only`);
      await db.query(`drop table kept`);
      return verdict.broken;
    };
    expect(await tampered(`update audit_log set reason = 'x' where seq = 3`)).toEqual({ seq: 3, why: 'was changed' });
    expect(await tampered(`delete from audit_log where seq = 4`)).toEqual({ seq: 5, why: 'entry 4 is missing' });
    expect(await tampered(`update audit_log set hash = repeat('0', 64) where seq = 2`)).toMatchObject({ seq: 2 });
    expect(await tampered(`update audit_log set seq = -seq where seq in (2, 3);`)).toBeDefined();
    expect(await verifyAudit(db)).not.toHaveProperty('broken');
  });
});
