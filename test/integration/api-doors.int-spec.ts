import { eventually } from '../support/eventually.js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiServer } from '../support/api-server.js';

let server: ApiServer;
beforeAll(async () => {
  server = await ApiServer.start();
});
afterAll(() => server?.stop());

describe('without a token', () => {
  it('what is not public is closed', async () => {
    for (const path of ['/api/v1/user', '/api/v1/tokens', '/api/v1/teams/main', '/api/v1/nothing', '/metrics']) {
      const answer = await fetch(server.url + path, { headers: { accept: '*/*' } });
      expect([path, answer.status, await answer.json()]).toMatchObject([
        path,
        401,
        { code: 'not-authorized', message: 'not authorized' },
      ]);
    }
  });

  it('names that are near are not told', async () => {
    await server.ask(
      'PUT',
      '/api/v1/teams/main/pipelines/secret/config',
      'jobs: [{name: j, plan: [{get: r}]}]\nresources: [{name: r, type: mock, source: {}}]',
    );
    for (const path of ['/api/v1/teams/main/pipelines/secrett', '/api/v1/teams/mian/pipelines'])
      expect(await (await fetch(server.url + path, { headers: { accept: '*/*' } })).text()).not.toMatch(/did you mean/);
  });

  it('a webhook does not tell names either', async () => {
    const path = '/api/v1/teams/main/pipelines/none/resources/none/check/webhook?webhook_token=x';
    const answer = await fetch(server.url + path, { method: 'POST' });
    expect([answer.status, await answer.json()]).toMatchObject([404, { message: 'there is no such resource' }]);
  });
});

describe('with a bad token', () => {
  it.each(['/api/v1/info', '/api/v1/user', '/api/v1/pipelines'])('%s is refused, open or not', async (path) => {
    const answer = await fetch(server.url + path, { headers: { authorization: 'Bearer nonsense' } });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="weir"');
  });
});

describe('logging in', () => {
  const form = (fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${server.url}/sky/issuer/token`, { method: 'POST', headers, body: new URLSearchParams(fields) });
  const basic = { authorization: `Basic ${Buffer.from('fly:Zmx5').toString('base64')}` };
  const grant = (password: string): Record<string, string> => ({
    grant_type: 'password',
    username: server.login.name,
    password,
    scope: 'openid profile email federated:id groups',
  });

  it.each([
    ['HTTP Basic', basic, {}],
    ['form fields', {}, { client_id: 'fly', client_secret: 'Zmx5' }],
  ])('takes the client from %s', async (_title, headers, fields) => {
    const answer = await form({ ...grant(server.login.password), ...(fields as Record<string, string>) }, headers);
    expect(answer.status).toBe(200);
    const body = (await answer.json()) as { access_token: string };
    expect(body).toEqual({ access_token: expect.any(String), token_type: 'bearer', expires_in: 86_400 });
    expect(Buffer.from(body.access_token, 'base64')).toHaveLength(28);
  });

  it('refuses in OAuth words', async () => {
    const wrong = await form(grant('wrong'), basic);
    expect([wrong.status, await wrong.json()]).toEqual([
      401,
      { error: 'access_denied', error_description: 'wrong user name or password' },
    ]);
    expect((await form(grant(server.login.password))).status).toBe(401);
    const code = await form({ grant_type: 'authorization_code' }, basic);
    expect([code.status, await code.json()]).toMatchObject([400, { error: 'unsupported_grant_type' }]);
  });

  it('says who is logged in, every field of it', async () => {
    expect(await server.ask('GET', '/api/v1/user')).toEqual({
      sub: expect.any(String),
      name: 'admin',
      user_id: 'admin',
      user_name: 'admin',
      email: 'admin',
      is_admin: true,
      is_system: false,
      teams: { main: ['owner'] },
      connector: 'local',
      display_user_id: 'admin',
    });
    expect(await server.ask('GET', '/api/v1/teams')).toMatchObject([
      { name: 'main', auth: { owner: { users: ['local:admin'], groups: [] } } },
    ]);
  });

  it('ends the token that comes in a quoted cookie, as fly sends it', async () => {
    const { access_token: token } = (await (await form(grant(server.login.password), basic)).json()) as {
      access_token: string;
    };
    const logout = (): Promise<Response> =>
      fetch(`${server.url}/sky/logout`, { headers: { cookie: `a=b; skymarshal_auth="bearer ${token}"` } });
    expect((await logout()).status).toBe(200);
    expect((await logout()).status).toBe(401);
    const answer = await fetch(`${server.url}/api/v1/user`, { headers: { authorization: `Bearer ${token}` } });
    expect(answer.status).toBe(401);
  });
});

describe('every answer', () => {
  it('carries security headers, versions and a request id', async () => {
    for (const path of ['/', '/api/v1/info', '/api/v1/nothing']) {
      const { headers } = await server.fetch('GET', path);
      expect(Object.fromEntries(headers)).toMatchObject({
        'x-frame-options': 'deny',
        'content-security-policy': expect.stringContaining("frame-ancestors 'none'"),
        'x-content-type-options': 'nosniff',
        'x-download-options': 'noopen',
        'cache-control': 'no-store, private',
        'x-concourse-version': '8.3.0',
        'x-weir-version': expect.stringMatching(/^\d+\.\d+\.\d+/),
        'x-request-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
      });
    }
  });

  it('tells the version that fly compares, and ours', async () => {
    expect(await server.ask('GET', '/api/v1/info')).toMatchObject({
      version: '8.3.0',
      worker_version: '',
      feature_flags: expect.any(Object),
      external_url: 'https://ci.example/weir',
    });
  });

  it('to the root is a page that needs nothing else', async () => {
    const answer = await fetch(`${server.url}/`);
    const page = await answer.text();
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(page).toContain('weir login https://ci.example/weir');
    expect(page).not.toMatch(/<script|src=/);
  });
});

describe('errors', () => {
  it('have code, message and request id for clients that accept something', async () => {
    const answer = await server.fetch('GET', '/api/v1/builds/999');
    expect(answer.headers.get('content-type')).toBe('application/json');
    expect(await answer.json()).toEqual({
      code: 'not-found',
      message: expect.stringContaining('999'),
      requestId: answer.headers.get('x-request-id'),
      errors: [{ title: 'Not Found', detail: expect.stringContaining('999'), status: '404' }],
    });
  });

  it('are plain text for clients that say nothing, as fly', async () => {
    const inject = (url: string, headers = {}) => server.app.inject({ method: 'GET', url, headers });
    const anonymous = await inject('/api/v1/user');
    expect([anonymous.statusCode, anonymous.body]).toEqual([401, 'not authorized']);
    const id = await inject('/api/v1/builds/x', { authorization: `Bearer ${server.token}` });
    expect([id.statusCode, id.headers['content-type'], id.body]).toEqual([
      400,
      'text/plain; charset=utf-8',
      'the path: "x" is not an id (a whole number)',
    ]);
    const missing = await inject('/api/v1/builds/999', { authorization: `Bearer ${server.token}` });
    expect(JSON.parse(missing.body)).toMatchObject({ errors: [{ title: 'Not Found' }] });
  });

  it('list every problem of a body', async () => {
    const answer = await server.fetch('POST', '/api/v1/teams/main/sources', {
      name: '../x',
      branch: '',
      colour: 'red',
    });
    expect(answer.status).toBe(400);
    const { message, details } = (await answer.json()) as { message: string; details: unknown[] };
    expect(details).toHaveLength(4);
    expect(message).toMatch(/name: .*uri: .*branch: .*colour/);
  });

  it.each([
    ['not JSON', '{', 'application/json', 400],
    ['too large', ' '.repeat(17 * 1024 * 1024), 'application/x-yaml', 413],
  ])('name a body that is %s', async (_title, body, type, status) => {
    const answer = await fetch(`${server.url}/api/v1/teams/main/sources`, {
      method: 'POST',
      headers: { authorization: `Bearer ${server.token}`, 'content-type': type },
      body,
    });
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ message: expect.stringMatching(/body/i) });
  });

  it('of unknown paths are JSON below /api and elsewhere', async () => {
    for (const path of ['/api/v1/nothing', '/api/v2/x', '/nowhere']) {
      const answer = await server.fetch('POST', path);
      expect([answer.status, await answer.json()]).toMatchObject([404, { code: 'not-found' }]);
    }
  });

  it('of our own do not show their words', async () => {
    await server.database.db.query('alter table teams rename to hidden_teams');
    try {
      const answer = await server.fetch('GET', '/api/v1/teams');
      expect(answer.status).toBe(500);
      expect(await answer.json()).toEqual({
        code: 'internal',
        message: expect.not.stringContaining('teams'),
        requestId: answer.headers.get('x-request-id'),
      });
    } finally {
      await server.database.db.query('alter table hidden_teams rename to teams');
    }
  });
});

describe('health', () => {
  it('tells of database and loops', async () => {
    // A loop whose round the outage above hit says so until its next round.
    const health = await eventually('health', async () => {
      const answer = await server.ask<{ status: string }>('GET', '/api/v1/health');
      return answer.status === 'ok' && answer;
    });
    expect(health).toMatchObject({
      status: 'ok',
      timestamp: expect.any(String),
      database: { status: 'healthy' },
      workers: { status: 'healthy', total: 1, running: 1 },
      components: expect.any(Array),
    });
  });
});
