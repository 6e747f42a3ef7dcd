import { readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { parse, stringify } from 'yaml';
import { ApiServer } from '../support/api-server.js';
import { CliRunner } from '../support/cli-runner.js';

let server: ApiServer;
let cli: CliRunner;
beforeAll(async () => {
  server = await ApiServer.start();
});
afterAll(() => server?.stop());
beforeEach(async () => {
  cli = new CliRunner();
  cli.env.WEIR_TARGET_URL = server.url;
  cli.env.WEIR_TOKEN = server.token;
});

const PIPELINE = `
resources:
- name: clock
  type: mock
  source: {}
  check_every: never
jobs:
- name: hello
  plan:
  - task: say
    config:
      platform: linux
      run: {path: sh, args: [-c, "echo hello ((whom)); exit ((code))"]}
- name: watched
  plan: [{get: clock}]
`;

async function file(name: string, text: string): Promise<string> {
  const at = path.join(cli.home, name);
  await writeFile(at, text);
  return at;
}
const set = async (...more: string[]): ReturnType<CliRunner['run']> =>
  cli.run('sp', '-p', 'p', '-c', await file('p.yml', PIPELINE), '-n', ...more);

describe('logging in', () => {
  beforeEach(() => {
    for (const name of Object.keys(cli.env)) delete cli.env[name];
  });

  it('keeps the token in a file that only its owner can read, and forgets it', async () => {
    cli.env.WEIR_PASSWORD = server.login.password;
    expect(await cli.run('-t', 'ci', 'login', '-c', server.url, '-u', 'admin')).toEqual({
      code: 0,
      out: `logged in to ${server.url} as admin, team main; target ci\n`,
      err: '',
    });
    const rc = path.join(cli.home, '.weirrc');
    expect((await stat(rc)).mode & 0o777).toBe(0o600);
    expect(await readFile(rc, 'utf8')).not.toContain(server.login.password);
    expect(await cli.run('status')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/Weir \d.*, ok\nlogged in as admin, team main\n/),
    });
    const [target] = JSON.parse((await cli.run('targets', '--json')).out) as { name: string; expires: number }[];
    expect(target).toMatchObject({ name: 'ci', current: true });
    expect(target!.expires * 1000).toBeGreaterThan(Date.now() + 86_000_000);
    expect(await cli.run('logout')).toMatchObject({ code: 0 });
    expect(await cli.run('get-pipeline', '-p', 'any')).toMatchObject({
      code: 1,
      err: expect.stringContaining('run `weir login`'),
    });
    expect(await cli.run('-t', 'co', 'pipelines')).toMatchObject({
      code: 1,
      err: expect.stringContaining('did you mean "ci"?'),
    });
  });

  it('asks for what it was not told', async () => {
    cli.answers = [server.login.password];
    expect(await cli.run('login', server.url, '-u', 'admin')).toMatchObject({
      code: 0,
      out: expect.stringContaining('password: logged in'),
    });
  });

  it('with a wrong password says so in one line and keeps nothing', async () => {
    expect(await cli.run('login', server.url, '-u', 'admin', '-p', 'wrong')).toEqual({
      code: 1,
      out: '',
      err: 'error: login refused: wrong user name or password\n',
    });
    await expect(stat(path.join(cli.home, '.weirrc'))).rejects.toThrow('ENOENT');
  });

  it('to a server that is not there says where it looked', async () => {
    cli.env.WEIR_TARGET_URL = 'http://127.0.0.1:9';
    expect(await cli.run('pipelines')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^error: no answer from http:\/\/127\.0\.0\.1:9: .*\n$/),
    });
  });
});

describe('setting a pipeline', () => {
  it('shows what changes, asks, sets, and has nothing to do the second time', async () => {
    cli.answers = ['n'];
    const config = await file('p.yml', PIPELINE);
    const argv = ['set-pipeline', '-p', 'asked', '-c', config, '-v', 'whom=you', '-y', 'code=0'];
    expect(await cli.run(...argv)).toMatchObject({ code: 1, err: 'error: nothing was changed\n' });
    cli.answers = ['y'];
    const { code, out } = await cli.run(...argv);
    expect(out).toContain('job hello added\n+ name: hello\n');
    expect([code, out]).toEqual([0, expect.stringContaining('pipeline asked created; it is paused')]);
    expect(await cli.run(...argv, '-n')).toEqual({ code: 0, out: 'no changes to apply\n', err: '' });
    const changed = await cli.run('sp', '-p', 'asked', '-c', config, '-v', 'whom=me', '-y', 'code=0', '-n');
    expect(changed.out).toContain(
      `-           - echo hello you; exit 0\n+           - echo hello me; exit 0\npipeline asked updated\n`,
    );
    const got = await cli.run('gp', '-p', 'asked');
    expect(got.out).toBe(stringify(parse(PIPELINE.replace('((whom))', 'me').replace('((code))', '0'))));
    expect(await cli.run('dp', '-p', 'asked')).toMatchObject({ code: 1 });
    expect(await cli.run('dp', '-p', 'asked', '-n')).toMatchObject({ code: 0, out: 'pipeline asked destroyed\n' });
  });

  it('with mistakes names file, line and column of each, and sends nothing', async () => {
    const config = await file('bad.yml', 'jobs:\n- name: a\n  plan:\n  - gett: x\n  - get: y\n');
    const { code, err } = await cli.run('sp', '-p', 'bad', '-c', config, '-n');
    expect(code).toBe(1);
    expect(err).toContain(`${config}:4:`);
    expect(err).toContain(`${config}:5:`);
    expect(await cli.run('vp', '-c', config)).toMatchObject({ code: 1, err });
    expect((await server.fetch('GET', '/api/v1/teams/main/pipelines/bad')).status).toBe(404);
    expect(await cli.run('vp', '-c', path.join(cli.home, 'none.yml'))).toMatchObject({
      code: 1,
      err: expect.stringContaining('there is no such file'),
    });
  });

  it('is refused when nobody can be asked', async () => {
    expect(await cli.run('sp', '-p', 'unasked', '-c', await file('p.yml', PIPELINE))).toMatchObject({
      code: 1,
      err: expect.stringContaining('pass -n'),
    });
  });
});

describe('a pipeline that runs', () => {
  beforeAll(async () => {
    cli = new CliRunner();
    cli.env.WEIR_TARGET_URL = server.url;
    cli.env.WEIR_TOKEN = server.token;
    await set('-v', 'whom=world', '-y', 'code=0');
    await cli.run('unpause-pipeline', '-p', 'p');
  });

  it('is triggered and watched, with the exit code of its build', async () => {
    const good = await cli.run('trigger-job', '-j', 'p/hello', '-w');
    expect(good.out).toMatch(/^started p\/hello #1\n[^]*hello world\n[^]*succeeded\n$/);
    expect(good.code).toBe(0);
    await set('-v', 'whom=world', '-y', 'code=7');
    const bad = await cli.run('tj', '-j', 'p/hello', '-w');
    expect([bad.code, bad.out]).toEqual([7, expect.stringMatching(/failed\n$/)]);
    expect(await cli.run('watch', '-j', 'p/hello', '-b', '1')).toMatchObject({
      code: 0,
      out: expect.stringContaining('hello world'),
    });
    expect(await cli.run('w', '-j', 'p/hello')).toMatchObject({ code: 7 });
    expect(await cli.run('rerun-build', '-j', 'p/hello', '-b', '1', '-w')).toMatchObject({
      out: expect.stringContaining('started p/hello #1.1'),
    });
    const builds = JSON.parse((await cli.run('builds', '-j', 'p/hello', '--json')).out) as { name: string }[];
    expect(builds.map(({ name }) => name)).toEqual(['2', '1.1', '1']);
    expect((await cli.run('bs', '-p', 'p')).out).toMatch(/^id +name +status[^]*p\/hello #2 +failed/);
    const resumed = await cli.run('rerun-build', '-j', 'p/hello', '-b', '2', '--from-failed', '-w');
    expect([resumed.code, resumed.out]).toEqual([7, expect.stringMatching(/^started p\/hello #2\.1\n[^]*failed\n$/)]);
    expect(await cli.run('rb', '-j', 'p/hello', '-b', '1', '--from-failed')).toMatchObject({
      code: 1,
      err: expect.stringContaining('only a build that failed, errored or was aborted can be resumed'),
    });
    expect(await cli.run('w', '-j', 'p/helo')).toMatchObject({ code: 1, err: expect.stringContaining('hello') });
  }, 40_000);

  it('is checked, pinned, unpinned, disabled and enabled', async () => {
    const checked = await cli.run('check-resource', '-r', 'p/clock');
    expect([checked.code, checked.out]).toEqual([0, expect.stringMatching(/succeeded\n$/)]);
    const [newest] = JSON.parse((await cli.run('versions', '-r', 'p/clock', '--json')).out) as {
      version: Record<string, string>;
    }[];
    const part = Object.entries(newest!.version)
      .map(([key, value]) => `${key}:${value}`)
      .join(',');
    expect(await cli.run('pin', '-r', 'p/clock', '-v', part, '-c', 'wait')).toEqual({
      code: 0,
      out: `pinned p/clock to ${part}\n`,
      err: '',
    });
    expect((await cli.run('resources', '-p', 'p')).out).toContain(`${part}: wait`);
    expect((await cli.run('rvs', '-r', 'p/clock')).out).toMatch(/yes +yes/);
    expect(await cli.run('unpin', '-r', 'p/clock')).toMatchObject({ code: 0 });
    expect(await cli.run('disable', '-r', 'p/clock', '-v', part, '--reason', 'bad')).toMatchObject({ code: 0 });
    expect((await cli.run('versions', '-r', 'p/clock')).out).toContain('no by admin: bad');
    expect(await cli.run('drv', '-r', 'p/clock', '-v', part)).toMatchObject({
      code: 0,
      out: expect.stringContaining('disabled already'),
    });
    expect(await cli.run('enable', '-r', 'p/clock', '-v', part)).toMatchObject({ code: 0 });
    expect(await cli.run('pin', '-r', 'p/clock', '-v', 'x:y')).toMatchObject({
      code: 1,
      err: expect.stringContaining('has no version x:y'),
    });
  }, 40_000);

  it('is paused in all its parts, with reasons that are shown', async () => {
    await cli.run('pause-job', '-j', 'p/hello', '--reason', 'job reason');
    await cli.run('pause-resource', '-r', 'p/clock', '--reason', 'resource reason');
    await cli.run('pp', '-p', 'p', '--reason', 'pipeline reason');
    expect((await cli.run('jobs', '-p', 'p')).out).toMatch(/hello +yes by admin since .*: job reason/);
    expect((await cli.run('resources', '-p', 'p')).out).toContain(': resource reason');
    expect((await cli.run('pipelines')).out).toMatch(/p +paused by admin since .*: pipeline reason/);
    expect((await cli.run('job', '-j', 'p/hello')).out).toMatch(/^p\/hello\npaused by admin since .*: job reason\n/);
    for (const argv of [
      ['up', '-p', 'p'],
      ['uj', '-j', 'p/hello'],
      ['unpause-resource', '-r', 'p/clock'],
    ]) {
      expect(await cli.run(...argv)).toMatchObject({ code: 0 });
    }
    expect((await cli.run('pipelines')).out).toMatch(/p +running/);
  });
});

describe('pipeline sources', () => {
  it('are added, listed, shown and removed', async () => {
    expect(
      await cli.run('sources', 'add', 'home', '--uri', 'https://git.example/none.git', '--interval', '1h', '-v', 'n=1'),
    ).toMatchObject({ code: 0, out: expect.stringContaining('source home added') });
    expect((await cli.run('sources')).out).toMatch(/home +https:\/\/git\.example\/none\.git +\(default\)/);
    expect((await cli.run('sources', 'show', 'home')).out).toMatch(/^home\nuri: https[^]*every 3600s/);
    expect(await cli.run('sources', 'sync', 'home')).toMatchObject({ code: 0 });
    expect(await cli.run('sources', 'remove', 'home', '-n')).toMatchObject({ code: 0 });
    expect(await cli.run('sources', 'show', 'home')).toMatchObject({ code: 1 });
  });
});
