import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AuthService, Gatekeeper, matrixRow, namesIn, ROLE_MATRIX, type MatrixRow } from '../../src/auth/index.js';
import { UserError } from '../../src/platform/index.js';
import { ApiServer } from '../support/api-server.js';

/** Who asks. Team `own` has the pipelines; `other` is another; the administrator has no role in either. */
const CALLERS = ['anonymous', 'stranger', 'viewer', 'pipeline-operator', 'member', 'owner', 'other', 'admin'] as const;
type Caller = (typeof CALLERS)[number];
const PIPELINES = ['private', 'public', 'missing'] as const;
type Target = (typeof PIPELINES)[number];

let server: ApiServer;
let gatekeeper: Gatekeeper;
const tokens = new Map<Caller, string>();
const builds: Record<string, number> = {};

beforeAll(async () => {
  server = await ApiServer.start();
  gatekeeper = server.app.get(Gatekeeper);
  const { db } = server.database;
  const holders = (name: string): object => ({ users: [`local:${name}`], groups: [] });
  const own = Object.fromEntries(
    ['viewer', 'pipeline-operator', 'member', 'owner'].map((role) => [role, holders(role)]),
  );
  await db.query(`insert into teams (name, auth) values ('own', $1), ('other', $2)`, [
    JSON.stringify(own),
    JSON.stringify({ owner: holders('other') }),
  ]);
  for (const name of ['private', 'public']) {
    const [pipeline] = await db.query<{ id: number; team_id: number }>(
      `insert into pipelines (team_id, name, public) select id, $1, $2 from teams where name = 'own' returning id, team_id`,
      [name, name === 'public'],
    );
    for (const job of ['private', 'public']) {
      const [row] = await db.query<{ id: number }>(
        `with j as (insert into jobs (pipeline_id, name, config, schedule_done) values ($1, $2, $3, 1) returning id)
         insert into builds (team_id, pipeline_id, job_id, name, status, ended_at)
         select $4, $1, j.id, '1', 'succeeded', now() from j returning id`,
        [pipeline!.id, job, JSON.stringify({ name: job, plan: [], public: job === 'public' }), pipeline!.team_id],
      );
      builds[`${name}/${job}`] = row!.id;
    }
  }
  const auth = server.app.get(AuthService);
  for (const caller of CALLERS) {
    if (caller === 'anonymous') continue;
    const name = caller;
    const identity = { connector: 'local', subject: name, name, email: '', groups: [] };
    tokens.set(caller, (await auth.issue(identity)).token);
  }
});
afterAll(() => server?.stop());

/** What the design says of a gate, in words of its own: the guard must come to the same end. */
function expected({ rule: { gate, role } }: MatrixRow, caller: Caller, target: Target, isJobPublic: boolean): number {
  const rank = ['viewer', 'pipeline-operator', 'member', 'owner'];
  const holdsRole = rank.indexOf(caller) >= rank.indexOf(role);
  const refused = caller === 'anonymous' ? 401 : 403;
  const byRole = caller === 'admin' || holdsRole ? 200 : refused;
  switch (gate) {
    case 'free':
    case 'open':
      return 200;
    case 'authenticated':
      return caller === 'anonymous' ? 401 : 200;
    case 'any-team':
      return caller === 'other' ? 200 : byRole;
    case 'admin':
    case 'worker':
      return caller === 'admin' ? 200 : refused;
    case 'system':
      return refused;
    case 'team':
      return byRole;
    case 'pipeline':
      // The team's own hear from the controller what there is instead.
      if (target === 'missing') return byRole === 200 ? 200 : 404;
      return target === 'public' ? 200 : byRole;
    case 'build':
      if (target === 'missing') return 404;
      return target === 'public' ? 200 : byRole;
    case 'private-build':
      if (target === 'missing') return 404;
      return target === 'public' && isJobPublic ? 200 : byRole;
    case 'build-change':
      if (caller === 'anonymous') return 401;
      return target === 'missing' ? 404 : byRole;
  }
}

const valuesFor = (target: Target, isJobPublic: boolean): Record<string, string> => ({
  team: 'own',
  pipeline: target,
  id: String(builds[`${target}/${isJobPublic ? 'public' : 'private'}`] ?? 999_999),
});

async function outcome(row: MatrixRow, caller: Caller, values: Record<string, string>): Promise<number> {
  const [method = '', route = ''] = row.route.split(' ');
  const token = tokens.get(caller);
  const params = Object.fromEntries(row.parameters.map((name) => [name, values[name] ?? '1']));
  try {
    await gatekeeper.admit({
      method,
      route,
      params,
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      instanceVars: () => undefined,
    });
    return 200;
  } catch (error) {
    if (error instanceof UserError) return error.status;
    throw error;
  }
}

it('has a row for every route that is served', () => {
  const served = server.routes.filter((route) => /^(GET|POST|PUT|DELETE|PATCH) /.test(route));
  expect(served.length).toBeGreaterThan(80);
  expect(served.filter((route) => matrixRow(...(route.split(' ') as [string, string])) === undefined)).toEqual([]);
});

it('refuses a route without a row, also to administrators', async () => {
  const ask = { method: 'GET', route: '/new', params: {}, instanceVars: () => undefined };
  await expect(gatekeeper.admit({ ...ask, authorization: `Bearer ${server.token}` })).rejects.toMatchObject({
    status: 403,
  });
});

describe('every cell', () => {
  it.each(CALLERS)('is as the design says for %s', async (caller) => {
    const wrong: string[] = [];
    for (const row of ROLE_MATRIX) {
      for (const target of PIPELINES) {
        for (const isJobPublic of row.rule.gate.endsWith('build') ? [false, true] : [false]) {
          const is = await outcome(row, caller, valuesFor(target, isJobPublic));
          const should = expected(row, caller, target, isJobPublic);
          if (is !== should) wrong.push(`${row.route} (${target}, job public: ${isJobPublic}): ${is}, not ${should}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it('that refuses does so over HTTP, in the words of the contract', async () => {
    const wrong: string[] = [];
    for (const served of server.routes) {
      const [method = '', path = ''] = served.split(' ');
      const row = matrixRow(method, path);
      if (!row || row.route.startsWith('* ')) continue;
      const named = namesIn(path);
      const values = valuesFor('private', false);
      const url = path.replace(
        /:(\w+)/g,
        (_, name: string) => values[row.parameters[named.indexOf(name)] ?? ''] ?? '1',
      );
      for (const caller of ['anonymous', 'stranger', 'viewer', 'other'] as const) {
        const should = expected(row, caller, 'private', false);
        if (should === 200) continue;
        const token = tokens.get(caller);
        const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
        const answer = await server.app.inject({ method: method as 'GET', url, headers });
        const words = { 401: 'not authorized', 403: 'forbidden' }[should];
        if (answer.statusCode !== should || answer.body !== words)
          wrong.push(`${served} as ${caller}: ${answer.statusCode} ${answer.body}, not ${should}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});

// People read it in the documentation; the diff of a change shows who may do more.
it('stands in docs/reference/roles.md (npx jest accounts-matrix -u writes it)', () => {
  const file = new URL('../../docs/reference/roles.md', import.meta.url);
  const lines = ROLE_MATRIX.map(({ route, rule: { action, gate, role } }) => {
    const hasRole = !['free', 'open', 'authenticated', 'admin', 'worker', 'system'].includes(gate);
    return `${route}  ${action}  ${gate}${hasRole ? `  ${role}` : ''}`;
  });
  const table = ['```text', ...lines, '```'].join('\n');
  if (process.argv.includes('-u'))
    writeFileSync(
      file,
      readFileSync(file, 'utf8').replace(/```text\n[^]*?```/, () => table),
    );
  expect(readFileSync(file, 'utf8')).toContain(table);
});
