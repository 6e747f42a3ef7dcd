import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { OpenApiDocument } from '../../src/api/openapi/types.js';
import { apiDocument } from '../../src/api/index.js';
import { AuthService } from '../../src/auth/index.js';
import { ApiServer } from '../support/api-server.js';
import { eventually } from '../support/eventually.js';
import { badRequest, type WireRequest } from '../support/fuzz-request.js';

/** Requests per route; more by `FUZZ_RUNS`, others by `FUZZ_SEED`. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 4);
const SEED = Number(process.env.FUZZ_SEED ?? 1);
const HANGS_AFTER_MS = 10_000;

const CONFIG = {
  resources: [
    {
      name: 'r',
      type: 'mock',
      source: { initial_version: '1' },
      check_every: 'never',
      webhook_token: 'a-token-of-16-chars',
    },
  ],
  jobs: [{ name: 'j', plan: [{ get: 'r' }, { task: 't', config: { platform: 'linux', run: { path: 'true' } } }] }],
};
const TASK = {
  task: { name: 't', privileged: false, config: { platform: 'linux', run: { path: 'true', args: ['a'] } } },
};

/** Bodies of routes whose document has no schema for them. */
const GOOD_BODIES: Readonly<Record<string, readonly unknown[]>> = {
  SaveConfig: [CONFIG],
  CreateBuild: [
    { id: '1', ...TASK },
    { id: '1', do: [{ id: '2', ...TASK }] },
  ],
  CreatePipelineBuild: [{ id: '1', ...TASK }],
  SetTeam: [{ auth: { owner: { users: ['local:x'], groups: [] } } }],
};

let server: ApiServer;
const document = apiDocument();
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
);
const known: Record<string, string> = { team: 'own', pipeline: 'p', job: 'j', build: '1', resource: 'r', step: 't' };
const tokens: (string | undefined)[] = [];

beforeAll(async () => {
  server = await ApiServer.start({ rateLimit: 0 });
  tokens.push(server.token, await memberOfAnotherTeam(), undefined);
  const holders = { owner: { users: [`local:${server.login.name}`], groups: [] } };
  await server.ask('PUT', '/api/v1/teams/own', { auth: holders });
  const pipeline = '/api/v1/teams/own/pipelines/p';
  await server.ask('PUT', `${pipeline}/config`, CONFIG);
  await server.ask('PUT', `${pipeline}/expose`);
  await server.ask('PUT', `${pipeline}/unpause`);
  const build = await server.ask<{ id: number }>('POST', `${pipeline}/jobs/j/builds`);
  await server.ask('POST', `${pipeline}/resources/r/check`, {});
  const version = await eventually('a version', async () => {
    const [newest] = await server.ask<{ id: number }[]>('GET', `${pipeline}/resources/r/versions`);
    return newest?.id;
  });
  Object.assign(known, { id: String(build.id), version: String(version) });
}, 120_000);
afterAll(() => server?.stop());

async function memberOfAnotherTeam(): Promise<string> {
  const auth = JSON.stringify({ member: { users: ['local:guest'], groups: [] } });
  await server.database.db.query(`insert into teams (name, auth) values ('other', $1)`, [auth]);
  const identity = { connector: 'local', subject: 'guest', name: 'guest', email: '', groups: [] };
  return (await server.app.get(AuthService).issue(identity)).token;
}

describe('the document', () => {
  it('has every route that is served, and no other', () => {
    const served = server.routes
      .filter((route) => !route.endsWith('*'))
      .map((route) => route.replace(/:(\w+)/g, '{$1}'));
    const told = operations.map(({ method, path }) => `${method} ${path}`);
    expect(told.sort()).toEqual(served.filter((route) => /^(GET|POST|PUT|DELETE|PATCH) /.test(route)).sort());
  });

  it('is given to everybody, with the address of the server', async () => {
    const answer = await fetch(`${server.url}/api/v1/openapi.json`);
    expect(answer.headers.get('content-type')).toBe('application/json');
    const { servers, paths } = (await answer.json()) as OpenApiDocument;
    expect(servers).toEqual([{ url: 'https://ci.example/weir' }]);
    expect(Object.keys(paths)).toEqual(Object.keys(document.paths));
  });

  it('is given as a page to everybody, which the content policy lets stand', async () => {
    const answer = await fetch(`${server.url}/api/v1/docs`);
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(await answer.text()).toContain('GET /api/v1/builds/{id}/explain');
  });
});

/** The answer's status and body; of a stream only the status. @throws when none comes in time. */
async function ask({ method, path, headers, body }: WireRequest, token: string | undefined): Promise<[number, string]> {
  const answer = await fetch(server.url + path, {
    method,
    redirect: 'manual',
    signal: AbortSignal.timeout(HANGS_AFTER_MS),
    headers: { ...headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
    ...(body === undefined ? {} : { body }),
  });
  if (answer.headers.get('content-type')?.startsWith('text/event-stream')) {
    await answer.body?.cancel();
    return [answer.status, ''];
  }
  return [answer.status, await answer.text()];
}

describe('whatever is sent to whichever route by whomever', () => {
  it(
    `is answered at once, never with a fault, and as the document says (${RUNS} requests a route, FUZZ_RUNS for more)`,
    async () => {
      const failures: string[] = [];
      for (const [index, { method, path, operation }] of operations.entries()) {
        const { operationId, requestBody } = operation;
        const example = requestBody?.content['application/json']?.['example'];
        const good = GOOD_BODIES[operationId] ?? (example === undefined ? [] : [example]);
        const who = fc.constantFrom(...(operationId === 'LogOut' ? [undefined] : tokens));
        const property = fc.asyncProperty(
          badRequest(method, path, operation, known, good),
          who,
          async (request, token) => {
            const [status, text] = await ask(request, token);
            // Pausing a component is refused with 501, which is no fault.
            if (status >= 500 && status !== 501) throw new Error(`${status} ${text}`);
            if (server.untrue.size > 0) throw new Error([...server.untrue].join('\n'));
          },
        );
        const { counterexample, errorInstance } = await fc.check(property, {
          numRuns: RUNS,
          seed: SEED + index,
          endOnFailure: true,
        });
        if (!counterexample) continue;
        const [request, token] = counterexample;
        const shown = JSON.stringify(request).slice(0, 600);
        failures.push(`${operationId} as caller ${tokens.indexOf(token)}: ${String(errorInstance)}\n  ${shown}`);
        (server.untrue as Set<string>).clear();
      }
      expect(failures).toEqual([]);
    },
    60_000 + RUNS * 60_000,
  );

  it.each(['source: {a: "x\\0"}', 'source: {"\\0": 1}', 'icon: "\\ud800"', 'source: {a: "\\ud800"}'])(
    'is refused in a config when no row can hold it: %s',
    async (field) => {
      const config = `resources: [{name: r, type: mock, ${field.includes('source') ? '' : 'source: {}, '}${field}}]\njobs: [{name: j, plan: [{get: r}]}]`;
      const answer = await server.fetch('PUT', '/api/v1/teams/own/pipelines/odd/config', config);
      expect([answer.status, await answer.text()]).toEqual([400, expect.stringMatching(/NUL|Unicode/)]);
    },
  );

  it('leaves the server as it was', async () => {
    expect((await server.fetch('GET', '/api/v1/user')).status).toBe(200);
    expect(await server.ask('GET', '/api/v1/health')).toMatchObject({ status: 'ok' });
  });
});
