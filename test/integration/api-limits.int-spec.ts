import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AuthService } from '../../src/auth/index.js';
import { ApiServer } from '../support/api-server.js';

const JOB = '/api/v1/teams/main/pipelines/p/jobs/j/builds';
const SMALL = 'jobs: [{name: j, plan: [{task: t, config: {platform: linux, run: {path: ls}}}]}]';

let server: ApiServer;
beforeAll(async () => {
  server = await ApiServer.start();
  await server.ask('PUT', '/api/v1/teams/main/pipelines/p/config', SMALL);
});
afterAll(() => server?.stop());

const post = (path: string, key: string, body?: unknown, token = server.token): Promise<Response> =>
  server.fetch('POST', path, body, { 'idempotency-key': key, authorization: `Bearer ${token}` });
const builds = async (): Promise<number> => (await server.ask<unknown[]>('GET', JOB)).length;
const code = async (answer: Response): Promise<unknown> => ((await answer.json()) as { code: string }).code;

describe('a POST with an Idempotency-Key', () => {
  it('is done once; the second gets the answer of the first', async () => {
    const [before, key] = [await builds(), randomUUID()];
    const [first, second] = [await post(JOB, key), await post(JOB, key)];
    expect([first.status, first.headers.get('idempotency-replayed')]).toEqual([200, null]);
    expect([second.status, second.headers.get('idempotency-replayed')]).toEqual([200, 'true']);
    expect(await second.json()).toEqual(await first.json());
    expect(await builds()).toBe(before + 1);
    expect((await post(JOB, randomUUID())).headers.get('idempotency-replayed')).toBeNull();
    expect(await builds()).toBe(before + 2);
  });

  it('is done once also when all come at the same time', async () => {
    const [before, key] = [await builds(), randomUUID()];
    const answers = await Promise.all(Array.from({ length: 8 }, () => post(JOB, key)));
    expect(answers.every(({ status }) => status === 200 || status === 409)).toBe(true);
    for (const answer of answers.filter(({ status }) => status === 409))
      expect([answer.headers.get('retry-after'), await code(answer)]).toEqual(['1', 'idempotency-key-in-use']);
    expect(await builds()).toBe(before + 1);
  });

  it('is refused with another body, and at another place', async () => {
    const key = randomUUID();
    expect((await post('/api/v1/tokens', key, { name: 'one' })).status).toBe(201);
    for (const answer of [await post('/api/v1/tokens', key, { name: 'two' }), await post(JOB, key)])
      expect([answer.status, await code(answer)]).toEqual([422, 'idempotency-key-reused']);
  });

  it('gives a secret that is shown once a second time to its caller only, and keeps it for nobody else to read', async () => {
    const key = randomUUID();
    const first = (await (await post('/api/v1/tokens', key, { name: 'shown' })).json()) as { token: string };
    expect(await (await post('/api/v1/tokens', key, { name: 'shown' })).json()).toEqual(first);
    const rows = await server.database.db.query<{ answer: Buffer }>(`select * from idempotent_requests`);
    expect(Buffer.concat(rows.flatMap(({ answer }) => answer ?? [])).toString('latin1')).not.toContain(first.token);
    expect(JSON.stringify(rows)).not.toMatch(new RegExp(`${key}|${first.token.replaceAll('+', '\\+')}`));
    const other = await server.app.get(AuthService).login(server.login.name, server.login.password);
    expect((await post('/api/v1/tokens', key, { name: 'shown' }, other.token)).status).toBe(409); // the name is taken
  });

  it('that was refused did nothing, so the key may be used again', async () => {
    const key = randomUUID();
    expect((await post('/api/v1/teams/main/pipelines/p/jobs/none/builds', key)).status).toBe(404);
    expect((await post(JOB, key)).status).toBe(200);
  });

  it('is not done again when nobody knows whether it was', async () => {
    const key = randomUUID();
    await post(JOB, key);
    await server.database.db.query(
      `update idempotent_requests set status = null, answer = null where created_at = (select max(created_at) from idempotent_requests)`,
    );
    const before = await builds();
    expect(await code(await post(JOB, key))).toBe('idempotency-key-in-use');
    expect(await builds()).toBe(before);
  });

  it('forgets it after a day', async () => {
    const [before, key] = [await builds(), randomUUID()];
    await post(JOB, key);
    await server.database.db.query(`update idempotent_requests set created_at = now() - interval '24 hours 1 second'`);
    await post(JOB, key);
    expect(await builds()).toBe(before + 2);
  });

  it('that uploads files is known by their bytes', async () => {
    const upload = (key: string, bytes: Buffer): Promise<Response> =>
      fetch(`${server.url}/api/v1/teams/main/artifacts?platform=linux`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${server.token}`,
          'content-type': 'application/octet-stream',
          'idempotency-key': key,
        },
        body: new Uint8Array(bytes),
      });
    const [key, empty] = [randomUUID(), Buffer.alloc(1024)];
    const first = (await (await upload(key, empty)).json()) as { id: number };
    expect(first).toMatchObject({ id: expect.any(Number) });
    expect(await (await upload(key, empty)).json()).toEqual(first);
    expect((await upload(key, Buffer.alloc(2048))).status).toBe(422);
  });

  it.each(['', 'a b', 'x'.repeat(256)])('is refused with the key %j', async (key) => {
    expect((await post(JOB, key)).status).toBe(400);
  });

  it('is put on record once', async () => {
    const key = randomUUID();
    const entries = async (): Promise<number> =>
      (await server.ask<unknown[]>('GET', '/api/v1/audit?action=CreateJobBuild')).length;
    await post(JOB, key);
    const before = await entries();
    await post(JOB, key);
    expect(await entries()).toBe(before);
  });
});

describe('a request id', () => {
  it('is the caller’s if it can stand in a log, on the answer and on record', async () => {
    const id = 'trace-0123456789.abc';
    const answer = await server.fetch('PUT', '/api/v1/teams/main/pipelines/p/pause', undefined, { 'x-request-id': id });
    expect(answer.headers.get('x-request-id')).toBe(id);
    expect(await server.ask('GET', '/api/v1/audit?action=PausePipeline&limit=1')).toMatchObject([{ request_id: id }]);
  });

  it.each(['short', 'x'.repeat(129), 'a b c d e f g', '<script>alert(1)</script>', '${jndi:ldap://x}'])(
    'is ours instead of %j',
    async (given) => {
      const answer = await server.fetch('GET', '/api/v1/info', undefined, { 'x-request-id': given });
      expect(answer.headers.get('x-request-id')).toMatch(/^[\da-f-]{36}$/);
    },
  );
});

describe('who asks more often than the rate limit grants', () => {
  it('waits as long as Retry-After says; others do not', async () => {
    const slow = await ApiServer.start({ rateLimit: 1 });
    try {
      const info = (token?: string): Promise<Response> =>
        fetch(`${slow.url}/api/v1/info`, { headers: token === undefined ? {} : { authorization: `Bearer ${token}` } });
      const { token: other } = await slow.app.get(AuthService).login(slow.login.name, slow.login.password);
      const answers = await Promise.all(Array.from({ length: 15 }, () => info(slow.token)));
      const refused = answers.filter(({ status }) => status === 429);
      expect(refused.length).toBeGreaterThan(0);
      expect(Number(refused[0]!.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
      expect(await refused[0]!.text()).toMatch(/too many requests/);
      expect((await info(other)).status).toBe(200);
      // Made-up tokens are charged to the address, which is then as far as they get.
      const guesses = await Promise.all(Array.from({ length: 25 }, (_, number) => info(`guess${number}`)));
      expect(guesses.map(({ status }) => status)).toEqual(expect.arrayContaining([401, 429]));
      expect((await info(other)).status).toBe(200);
    } finally {
      await slow.stop();
    }
  });
});

describe('behind a proxy', () => {
  const forwarded = { 'x-forwarded-for': '203.0.113.7, 198.51.100.9', 'x-forwarded-proto': 'https' };

  it('that is trusted, the address is the one before it, and cookies are for https only', async () => {
    const proxied = await ApiServer.start({
      trustedProxies: ['127.0.0.0/8', '198.51.100.9'],
      externalUrl: 'http://ci',
    });
    try {
      await proxied.fetch('PUT', '/api/v1/wall', { message: 'x' }, forwarded);
      expect(await proxied.ask('GET', '/api/v1/audit?action=SetWall')).toMatchObject([
        { remote_address: '203.0.113.7' },
      ]);
      const cookies = async (headers: Record<string, string>): Promise<string> =>
        (await fetch(`${proxied.url}/sky/login`, { headers })).headers.getSetCookie().join();
      expect(await cookies(forwarded)).toContain('; Secure');
      expect(await cookies({})).not.toContain('; Secure');
    } finally {
      await proxied.stop();
    }
  });

  it('that is not, nobody can say to be elsewhere', async () => {
    await server.fetch('PUT', '/api/v1/wall', { message: 'x' }, forwarded);
    expect(await server.ask('GET', '/api/v1/audit?action=SetWall')).toMatchObject([{ remote_address: '127.0.0.1' }]);
  });
});
