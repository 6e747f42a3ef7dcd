import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AuthService, matrixRow, namesIn, NOBODYS_HASH, type MatrixRow } from '../../src/auth/index.js';
import { ApiServer } from '../support/api-server.js';

// More of the same is tested where it is made: session fixation, CSRF, redirects and the end of event streams in accounts,
// archives that climb out of their folder in artifacts, lockout in auth, every cell of the role matrix in accounts-matrix.

/** Two teams with the same things; `ours` asks for those of `theirs`, all of which have SECRET somewhere in them. */
const SECRET = 'classified';
const config = (mark: string): string => `
resource_types: [{name: t, type: mock, source: {mirror: ${mark}}}]
resources: [{name: r, type: mock, source: {initial_version: ${mark}}}]
jobs: [{name: j, plan: [{get: r}, {task: t, config: {platform: linux, run: {path: ${mark}}}}]}]`;

let server: ApiServer;
let attacker: string;
interface Things {
  readonly version: string;
  readonly id: string;
  readonly artifact: string;
  readonly robot: string;
}
let theirs: Things;

async function thingsOf(team: string, pipeline: string, mark: string): Promise<Things> {
  const { db } = server.database;
  await server.ask('PUT', `/api/v1/teams/${team}`, { auth: { owner: { users: [`local:${team}`] } } });
  const at = `/api/v1/teams/${team}/pipelines/${pipeline}`;
  await server.ask('PUT', `${at}/config`, config(mark));
  const build = await server.ask<{ id: number }>('POST', `${at}/jobs/j/builds`);
  const [version] = await db.query<{ id: number }>(
    `with h as (insert into histories (config_digest, next_check_order) values ($1, 2) returning id),
       r as (update resources set history_id = (select id from h) where name = 'r' and pipeline_id =
         (select p.id from pipelines p join teams t on t.id = p.team_id where t.name = $2 and p.name = $3))
     insert into versions (history_id, digest, version, check_order, origin)
     select id, $1, jsonb_build_object('ref', $1::text), 1, 'check' from h returning id`,
    [mark, team, pipeline],
  );
  const upload = await fetch(`${server.url}/api/v1/teams/${team}/artifacts`, {
    method: 'POST',
    headers: { authorization: `Bearer ${server.token}`, 'content-type': 'application/octet-stream' },
    body: new Uint8Array(1024),
  });
  const robot = { name: mark, robot: true, team, role: 'member' };
  return {
    version: String(version!.id),
    id: String(build.id),
    artifact: String(((await upload.json()) as { id: number }).id),
    robot: String((await server.ask<{ id: number }>('POST', '/api/v1/tokens', robot)).id),
  };
}

beforeAll(async () => {
  server = await ApiServer.start();
  theirs = await thingsOf('theirs', SECRET, `${SECRET}-mark`);
  await thingsOf('ours', 'own', 'own-mark');
  const identity = { connector: 'local', subject: 'ours', name: 'ours', email: '', groups: [] };
  attacker = (await server.app.get(AuthService).issue(identity)).token;
});
afterAll(() => server?.stop());

interface Try {
  readonly route: string;
  readonly row: MatrixRow;
  readonly method: string;
  readonly url: string;
}

/** Every served route that takes one of these, asked with these values. */
function tries(values: Readonly<Record<string, string>>, foreign: readonly string[]): Try[] {
  return server.routes.flatMap((route) => {
    const [method = '', path = ''] = route.split(' ');
    const row = matrixRow(method, path);
    if (!row || row.route.startsWith('* ') || row.rule.gate === 'free') return [];
    const named = row.route.startsWith('DELETE /api/v1/tokens') ? ['robot'] : row.parameters;
    if (!named.some((name) => foreign.includes(name))) return [];
    const names = namesIn(path);
    const url = path.replace(/:(\w+)/g, (_, name: string) => values[named[names.indexOf(name)] ?? ''] ?? 'x');
    return [{ route, row, method, url }];
  });
}

/** What went wrong: another status than 403 or 404, or something of theirs in the answer. */
async function leaks({ row, method, url }: Try): Promise<string | undefined> {
  const answer = await server.app.inject({
    method: method as 'GET',
    url,
    headers: { authorization: `Bearer ${attacker}`, accept: 'application/json', 'content-type': 'application/json' },
    ...(method === 'GET' ? {} : { payload: '{}' }),
  });
  const isOpen = row.rule.gate === 'open';
  const isRefused = [403, 404].includes(answer.statusCode) || (isOpen && answer.statusCode < 500);
  // An answer may repeat what the caller has sent, but nothing more.
  const told = answer.body.replaceAll(decodeURIComponent(url), '').replaceAll(`"${SECRET}"`, '');
  const isSilent = !told.includes(`${SECRET}-mark`);
  return isRefused && isSilent ? undefined : `${method} ${url}: ${answer.statusCode} ${answer.body.slice(0, 200)}`;
}

async function allLeaks(all: readonly Try[]): Promise<string[]> {
  const found: string[] = [];
  for (const one of all) found.push(...[(await leaks(one)) ?? []].flat());
  return found;
}

describe('somebody of another team', () => {
  const names = { job: 'j', resource: 'r', type: 't', build: '1', step: 't', source: 's' };

  it('gets nothing from any route of the team itself', async () => {
    const all = tries({ ...names, ...theirs, team: 'theirs', pipeline: SECRET }, ['team', 'id', 'robot']);
    expect(all.length).toBeGreaterThan(70);
    expect(await allLeaks(all)).toEqual([]);
  });

  it('gets nothing by the ids of its things under the own team and pipeline', async () => {
    const all = tries({ ...names, ...theirs, team: 'ours', pipeline: 'own' }, ['version', 'id', 'artifact', 'robot']);
    expect(all.length).toBeGreaterThan(15);
    expect(await allLeaks(all)).toEqual([]);
  });

  it('finds none of its pipelines under the own team', async () => {
    const all = tries({ ...names, ...theirs, team: 'ours', pipeline: SECRET }, ['pipeline']).filter(
      // Of its own the team hears what is wrong with what it sends before what is not there.
      ({ method, url }) => !(method === 'PUT' && /\/(config|rename|ordering|pin_comment)$/.test(url)),
    );
    expect(all.length).toBeGreaterThan(40);
    expect(await allLeaks(all)).toEqual([]);
  });

  it('has changed nothing by all that', async () => {
    expect(await server.ask('GET', `/api/v1/teams/theirs/pipelines/${SECRET}`)).toMatchObject({
      paused: true,
      public: false,
      archived: false,
    });
    expect(await server.ask('GET', `/api/v1/builds/${theirs.id}`)).not.toMatchObject({ status: 'aborted' });
    const tokens = await server.ask<{ id: number }[]>('GET', '/api/v1/tokens');
    expect(tokens.map(({ id }) => String(id))).toContain(theirs.robot);
  });

  it('does not see it in lists', async () => {
    for (const list of ['pipelines', 'jobs', 'resources', 'builds', 'teams', 'tokens']) {
      const answer = await server.fetch('GET', `/api/v1/${list}`, undefined, { authorization: `Bearer ${attacker}` });
      expect([list, answer.status, await answer.text()]).toEqual([list, 200, expect.not.stringContaining(SECRET)]);
    }
  });
});

describe('headers', () => {
  it.each([
    '/login?redirect_uri=/a%0d%0aset-cookie:%20a=b',
    '/sky/login?redirect_uri=%0d%0aset-cookie:a=b',
    '/auth/x/callback?a=%0d%0aset-cookie:a=b',
  ])('are not injected by %s', async (path) => {
    const answer = await fetch(server.url + path, { redirect: 'manual' });
    expect(answer.status).toBeLessThan(500);
    expect(answer.headers.getSetCookie().join()).not.toMatch(/(^|,)\s*a=b/);
    expect(answer.headers.get('location') ?? '').not.toMatch(/[\r\n]/);
  });

  it('do not hold what a name holds', async () => {
    const name = encodeURIComponent('x\r\nset-cookie: a=b');
    const answer = await server.fetch('GET', `/api/v1/teams/main/pipelines/${name}/builds?limit=1`);
    expect([answer.status, answer.headers.get('set-cookie')]).toEqual([404, null]);
  });
});

describe('a guess', () => {
  it('of a token finds it by a digest, whose place in an index tells nothing of the token', async () => {
    const [plan] = await server.database.db.query<{ columns: string }>(
      `select string_agg(column_name, ',') as columns from information_schema.columns
       where table_name = 'tokens' and column_name in ('digest', 'token', 'value')`,
    );
    expect(plan!.columns).toBe('digest');
  });

  it('of a name costs the work of a password that is wrong', async () => {
    const [user] = await server.database.db.query<{ hash: string }>(
      `select password_hash as hash from users where password_hash is not null limit 1`,
    );
    const cost = (hash: string): string[] => hash.split('$').slice(0, 4);
    expect(cost(NOBODYS_HASH)).toEqual(cost(user!.hash));
  });
});
