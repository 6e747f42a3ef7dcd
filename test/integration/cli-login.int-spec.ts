import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ApiServer } from '../support/api-server.js';
import { CliRunner } from '../support/cli-runner.js';

let server: ApiServer;
let cli: CliRunner;
beforeAll(async () => {
  server = await ApiServer.start();
});
afterAll(() => server?.stop());
beforeEach(() => {
  cli = new CliRunner();
  cli.env.WEIR_TARGET_URL = server.url;
  cli.env.WEIR_TOKEN = server.token;
});

const PIPELINE = `
resource_types: [{name: kind, type: mock, source: {}}]
resources: [{name: clock, type: mock, source: {}, check_every: never}]
jobs:
- name: unit
  plan: [{get: clock}]
`;

describe('logging in with a browser', () => {
  /** What the server's page does, or somebody else's. */
  const visit = (from: string, token: string, headers: Record<string, string> = {}): Promise<Response>[] => {
    const visits: Promise<Response>[] = [];
    cli.onErr = (text) => {
      const port = /fly_port=(\d+)/.exec(text)?.[1];
      const query = new URLSearchParams({ token: `bearer ${token}` }).toString();
      if (port === undefined) return;
      visits.push(
        fetch(`http://127.0.0.1:${port}/?${query}`, { headers: { origin: from, ...headers }, redirect: 'manual' }),
      );
    };
    return visits;
  };

  beforeEach(() => {
    for (const name of Object.keys(cli.env)) delete cli.env[name];
  });

  it('prints the page and takes the token that the page hands over', async () => {
    const visits = visit(server.url, server.token);
    expect(await cli.run('-t', 'ci', 'login', '-b', server.url)).toEqual({
      code: 0,
      out: `logged in to ${server.url} as admin, team main; target ci\n`,
      err: expect.stringContaining(`${server.url}/login?fly_port=`),
    });
    const answer = await visits[0]!;
    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([200, server.url]);
    expect((await stat(path.join(cli.home, '.weirrc'))).mode & 0o777).toBe(0o600);
    expect(await cli.json('userinfo')).toMatchObject({ name: 'admin', is_admin: true });
  });

  it('leaves who followed the link on a page of the server', async () => {
    const visits = visit(server.url, server.token, { 'upgrade-insecure-requests': '1' });
    expect(await cli.run('login', '-b', server.url)).toMatchObject({ code: 0 });
    expect((await visits[0]!).headers.get('location')).toBe(`${server.url}/fly_success?noop=true`);
  });

  it('takes no token from a page of somebody else', async () => {
    const visits = visit('https://evil.example', server.token);
    const running = cli.run('login', '-b', server.url);
    while (visits.length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect((await visits[0]!).status).toBe(403);
    cli.interruption.abort();
    expect(await running).toMatchObject({ code: 130 });
    await expect(stat(path.join(cli.home, '.weirrc'))).rejects.toThrow('ENOENT');
  });

  it('takes a token that is pasted', async () => {
    cli.answers = [`bearer ${server.token}`];
    expect(await cli.run('login', server.url)).toMatchObject({ code: 0, out: expect.stringContaining('as admin') });
    cli.answers = ['what?'];
    expect(await cli.run('login', server.url)).toMatchObject({ code: 1, err: expect.stringContaining('no token') });
  });

  it('where nobody can answer asks for a user or a token', async () => {
    expect(await cli.run('login', server.url)).toMatchObject({ code: 1, err: expect.stringContaining('pass -u NAME') });
    expect(await cli.run('login', server.url, '--token', server.token)).toMatchObject({ code: 0 });
  });
});

describe('targets', () => {
  beforeEach(async () => {
    for (const name of Object.keys(cli.env)) delete cli.env[name];
    await cli.run('-t', 'ci', 'login', server.url, '--token', server.token);
  });

  it('are listed, edited and forgotten', async () => {
    expect(await cli.run('-t', 'ci', 'edit-target', '--target-name', 'lab', '-n', 'other')).toEqual({
      code: 0,
      out: `target lab is now ${server.url}, team other\n`,
      err: '',
    });
    expect(await cli.json('targets')).toMatchObject([{ name: 'lab', team: 'other', current: true, logged_in: true }]);
    expect((await stat(path.join(cli.home, '.weirrc'))).mode & 0o777).toBe(0o600);
    expect(await cli.run('-t', 'lap', 'delete-target')).toMatchObject({
      code: 1,
      err: expect.stringContaining('did you mean "lab"?'),
    });
    expect(await cli.run('-t', 'lab', 'delete-target')).toMatchObject({ code: 0 });
    expect(await cli.json('targets')).toEqual([]);
  });

  it('do not take a token to another server', async () => {
    await cli.run('-t', 'ci', 'etg', '-u', 'http://127.0.0.1:9');
    expect(await readFile(path.join(cli.home, '.weirrc'), 'utf8')).not.toContain(server.token);
  });

  it('are completed from the file, jobs and pipelines from the server', async () => {
    await cli.run('sp', '-p', 'completed', '-c', await cli.file('p.yml', PIPELINE), '-n');
    expect((await cli.run('__complete', '--', '-t', '')).out).toBe('ci\n');
    expect((await cli.run('__complete', '--', 'jobs', '-p', 'compl')).out).toBe('completed\n');
    expect((await cli.run('__complete', '--', '-t', 'ci', 'tj', '-j', 'completed/')).out).toBe('completed/unit\n');
    expect((await cli.run('__complete', '--', '-t', 'none', 'tj', '-j', '')).out).toBe('');
  });
});

describe('a server with a certificate of its own', () => {
  const folder = new CliRunner().home;
  const [key, cert] = [path.join(folder, 'key.pem'), path.join(folder, 'cert.pem')];
  let hasOpenssl = true;
  try {
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'];
    const files = ['-keyout', key, '-out', cert];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...files, ...subject], {
      stdio: 'ignore',
    });
  } catch {
    hasOpenssl = false;
    console.warn('SKIPPED: certificates of servers: there is no openssl here');
  }

  (hasOpenssl ? it : it.skip)(
    'is believed when its certificate is given, or with -k, and else not',
    async () => {
      const proxy = https.createServer(
        { key: await readFile(key), cert: await readFile(cert) },
        (request, response) => {
          const { method, url, headers } = request;
          const inner = http.request(server.url + url, { method, headers }, (answer) => {
            response.writeHead(answer.statusCode!, answer.headers);
            answer.pipe(response);
          });
          request.pipe(inner);
        },
      );
      await once(proxy.listen(0, '127.0.0.1'), 'listening');
      const url = `https://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
      try {
        for (const name of Object.keys(cli.env)) delete cli.env[name];
        const login = ['login', url, '-u', server.login.name, '-p', server.login.password];
        expect(await cli.run(...login)).toMatchObject({
          code: 1,
          err: expect.stringContaining('self-signed certificate'),
        });
        expect(await cli.run(...login, '--ca-cert', cert)).toMatchObject({ code: 0 });
        // The target remembers it, for requests with and without a body, and for events.
        expect(await cli.run('sp', '-p', 'secure', '-c', await cli.file('p.yml', PIPELINE), '-n')).toMatchObject({
          code: 0,
        });
        await cli.run('up', '-p', 'secure');
        expect(await cli.run('check-resource', '-r', 'secure/clock')).toMatchObject({
          code: 0,
          out: expect.stringMatching(/succeeded\n$/),
        });
        expect(await cli.run('-t', 'loose', ...login, '-k')).toMatchObject({ code: 0 });
        expect(await cli.run('-t', 'loose', 'logout')).toMatchObject({ code: 0 });
      } finally {
        proxy.close();
        proxy.closeAllConnections();
      }
    },
    40_000,
  );
});
