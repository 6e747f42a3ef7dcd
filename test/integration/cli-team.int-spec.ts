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

describe('teams', () => {
  it('are set after a question, shown, renamed and destroyed', async () => {
    cli.answers = ['n'];
    const flags = ['--local-user', 'ana', '--local-user', 'ben', '--github-team', 'org:crew'];
    const refused = await cli.run('set-team', '-n', 'crew', ...flags);
    expect(refused).toMatchObject({ code: 1, err: 'error: nothing was changed\n' });
    expect(refused.out).toContain(
      'role owner:\n  users:\n    - local:ana\n    - local:ben\n  groups:\n    - github:org:crew',
    );
    expect(await cli.run('st', '-n', 'crew', ...flags, '--non-interactive')).toMatchObject({ code: 0 });
    expect(await cli.json('get-team', '-n', 'crew')).toMatchObject({
      auth: { owner: { users: ['local:ana', 'local:ben'], groups: ['github:org:crew'] } },
    });
    expect((await cli.run('teams', '-d')).out).toMatch(/crew +owner +local:ana, local:ben +github:org:crew/);
    expect(await cli.run('rename-team', '-o', 'crew', '-n', 'band')).toMatchObject({ code: 0 });
    expect(await cli.run('get-team', '-n', 'bant')).toMatchObject({ code: 1, err: expect.stringContaining('"band"') });
    cli.answers = ['crew'];
    expect(await cli.run('destroy-team', '-n', 'band')).toMatchObject({ code: 1, err: 'error: nothing was removed\n' });
    cli.answers = ['band'];
    expect(await cli.run('dt', '-n', 'band')).toMatchObject({ code: 0 });
  });

  it('are set from a file with all their roles', async () => {
    const roles = await cli.file(
      'roles.yml',
      'roles:\n- name: owner\n  local: {users: [ana]}\n- name: viewer\n  github: {orgs: [acme], teams: ["acme:dev"]}\n  corp: {groups: [all]}\n',
    );
    const team = await cli.json('set-team', '-n', 'filed', '-c', roles, '--non-interactive');
    expect(team).toMatchObject({
      auth: {
        owner: { users: ['local:ana'], groups: [] },
        viewer: { users: [], groups: ['github:acme', 'github:acme:dev', 'corp:all'] },
      },
    });
    const bad = await cli.file('bad.yml', 'roles:\n- name: owner\n  github: {organisations: [a]}\n');
    expect(await cli.run('st', '-n', 'filed', '-c', bad, '--non-interactive')).toMatchObject({
      code: 1,
      err: expect.stringContaining('roles[0] (owner).github: unknown key "organisations"'),
    });
    expect(await cli.run('st', '-n', 'filed')).toMatchObject({ code: 1, err: expect.stringContaining('--local-user') });
  });
});

describe('tokens', () => {
  it('are made, printed alone, used, listed without what they are, and revoked', async () => {
    const { code, out, err } = await cli.run('tokens', 'create', 'deploy', '--role', 'viewer', '--expires-in', '2d');
    expect([code, err]).toEqual([0, expect.stringContaining('it is shown only now')]);
    const token = out.trim();
    expect((await cli.run('tokens')).out).toMatch(/deploy +personal +all +viewer +all +all +\d{4}-.* +never/);
    expect((await cli.run('tokens')).out).not.toContain(token);
    const [{ id }] = await cli.json<[{ id: number }]>('tokens');
    cli.env.WEIR_TOKEN = token;
    expect(await cli.run('pipelines')).toMatchObject({ code: 0 });
    expect(await cli.run('set-wall', '-m', 'no')).toMatchObject({ code: 1, err: expect.stringContaining('forbidden') });
    cli.env.WEIR_TOKEN = server.token;
    expect(await cli.run('tokens', 'revoke', String(id))).toMatchObject({ code: 0 });
    cli.env.WEIR_TOKEN = token;
    expect(await cli.run('userinfo')).toMatchObject({ code: 1, err: expect.stringContaining('not logged in') });
  });

  it('of robots belong to a team', async () => {
    const made = await cli.json('tokens', 'create', 'bot', '--robot', '--role', 'member', '-p', 'app-*');
    expect(made).toMatchObject({ kind: 'robot', team: 'main', role: 'member', pipelines: ['app-*'] });
  });
});

describe('the audit log', () => {
  it('is listed with filters, exported, and its chain computed again', async () => {
    await cli.run('set-team', '-n', 'audited', '--local-user', 'ana', '--non-interactive');
    expect((await cli.run('audit', '--action', 'SetTeam')).out).toMatch(/admin +127\.0\.0\.1 +SetTeam +audited/);
    expect(await cli.json('audit', '--until', '2020-01-01')).toEqual([]);
    const { out } = await cli.run('audit', 'export');
    const log = await cli.file('log.jsonl', out);
    const verdict = await cli.json<{ intact: boolean; entries: number; last_hash: string }>('audit', 'verify');
    expect(verdict).toMatchObject({ intact: true, entries: out.trim().split('\n').length });
    expect(await cli.run('audit', 'verify', log)).toMatchObject({
      code: 0,
      out: expect.stringContaining(verdict.last_hash),
    });
    expect(await cli.run('audit', 'verify', '--known-hash', verdict.last_hash)).toMatchObject({ code: 0 });
  });

  it('that was changed, shortened or cut is found out', async () => {
    const lines = (await cli.run('audit', 'export')).out.trim().split('\n');
    const lastHash = (JSON.parse(lines.at(-1)!) as { hash: string }).hash;
    const verify = async (text: readonly string[], ...more: string[]): ReturnType<CliRunner['run']> =>
      cli.run('audit', 'verify', await cli.file('log.jsonl', text.join('\n')), ...more);
    const changed = lines.map((line, i) => (i === 1 ? line.replace('"admin"', '"ana"') : line));
    expect(await verify(changed)).toMatchObject({
      code: 1,
      out: expect.stringContaining('1 entries hold, then entry 2 was changed'),
    });
    expect(await verify(lines.toSpliced(1, 1))).toMatchObject({
      code: 1,
      out: expect.stringContaining('entry 2 is missing'),
    });
    expect(await verify(lines.slice(0, -1))).toMatchObject({ code: 0 });
    expect(await verify(lines.slice(0, -1), '--known-hash', lastHash)).toMatchObject({
      code: 1,
      out: expect.stringContaining('known hash is missing'),
    });
    expect(await verify(['nonsense'])).toMatchObject({ code: 1, err: expect.stringContaining('line 1 is no entry') });
  });
});

describe('pipelines', () => {
  it('with instance vars are set, named, listed, ordered and paused', async () => {
    const config = await cli.file('i.yml', `${PIPELINE}# ((branch))\n`);
    for (const branch of ['main', 'next/1'])
      expect(await cli.run('sp', '-p', 'inst', '-i', `branch=${branch}`, '-c', config, '-n')).toMatchObject({
        code: 0,
      });
    expect((await cli.run('pipelines')).out).toMatch(/inst\/branch:main[^]*inst\/branch:"next\/1"/);
    expect((await cli.run('jobs', '-p', 'inst/branch:"next/1"')).out).toContain('unit');
    expect(await cli.run('pause-job', '-j', 'inst/branch:main/unit')).toMatchObject({ code: 0 });
    expect((await cli.run('paused-jobs')).out).toMatch(/inst\/branch:main\/unit +main +yes by admin/);
    expect(await cli.run('oip', '-g', 'inst', '-p', 'branch:"next/1"', '-p', 'branch:main')).toMatchObject({ code: 0 });
    expect((await cli.run('ps')).out).toMatch(/branch:"next\/1"[^]*branch:main/);
    expect(await cli.run('job', '-j', 'inst/branch:none/unit')).toMatchObject({ code: 1 });
  });

  it('are paused, archived and ordered all at once', async () => {
    await cli.run('set-team', '-n', 'many', '--local-user', 'admin', '--non-interactive');
    const config = await cli.file('p.yml', PIPELINE);
    for (const name of ['b', 'a']) await cli.run('--team', 'many', 'sp', '-p', name, '-c', config, '-n');
    expect(await cli.run('--team', 'many', 'up', '--all')).toMatchObject({
      out: 'pipeline b unpaused\npipeline a unpaused\n',
    });
    expect(await cli.run('--team', 'many', 'op', '--alphabetical')).toMatchObject({ code: 0 });
    expect(await cli.json('--team', 'many', 'pp', '-a')).toEqual({ pipelines: ['a', 'b'], message: 'paused' });
    expect((await cli.run('pps')).out).toMatch(/a +many +paused by admin/);
    expect(await cli.run('--team', 'many', 'ap')).toMatchObject({ code: 1, err: expect.stringContaining('--all') });
    expect(await cli.run('--team', 'many', 'ap', '-a', '-n')).toMatchObject({ code: 0 });
    expect(await cli.json('--team', 'many', 'pipelines')).toEqual([]);
  });

  it('that are not there are named with one that is near', async () => {
    await cli.run('sp', '-p', 'food', '-c', await cli.file('p.yml', PIPELINE), '-n');
    expect(await cli.run('jobs', '-p', 'foo')).toEqual({
      code: 1,
      out: '',
      err: `error: team 'main' has no pipeline 'foo'; did you mean "food"?\n`,
    });
  });

  it('are formatted without a server, comments and all', async () => {
    const at = await cli.file('f.yml', 'jobs:\n    # why\n    - {name: a,   plan: []}\n');
    expect(await cli.run('fp', '-c', at)).toMatchObject({
      code: 0,
      out: 'jobs:\n  # why\n  - { name: a, plan: [] }\n',
    });
    await cli.run('fp', '-c', at, '-w');
    expect(await cli.run('fp', '-c', at, '-w')).toMatchObject({ out: `${at} is formatted already\n` });
  });
});

describe('the rest of what operators do', () => {
  it('goes through the API', async () => {
    await cli.run('sp', '-p', 'op', '-c', await cli.file('p.yml', PIPELINE), '-n');
    await cli.run('up', '-p', 'op');
    expect(await cli.run('set-wall', '-m', 'hello', '--ttl', '1h')).toMatchObject({ code: 0 });
    expect((await cli.run('get-wall')).out).toMatch(/^hello \(for (59m|1h).* more\)\n$/);
    expect(await cli.run('clear-wall')).toMatchObject({ code: 0 });
    expect((await cli.run('gw')).out).toBe('there is no message\n');
    expect(await cli.run('sync')).toMatchObject({ code: 0, out: expect.stringContaining('the same as the server') });
    expect((await cli.run('get-components')).code).toBe(0);
    expect((await cli.run('active-users')).out).toMatch(/admin +local/);
    expect(await cli.run('active-users', '--since', 'x')).toMatchObject({
      code: 1,
      err: expect.stringContaining('wrong date format'),
    });
    expect((await cli.run('volumes')).out).toContain('handle');
    expect(await cli.run('prune-worker', '-a')).toMatchObject({ code: 0, out: 'there are none\n' });
    expect(await cli.run('schedule-job', '-j', 'op/unit')).toMatchObject({ code: 0 });
    expect(await cli.run('ctc', '-j', 'op/unit', '-s', 't', '-n')).toMatchObject({
      code: 0,
      out: '0 caches removed\n',
    });
    expect(await cli.run('crc', '-r', 'op/clock', '-n')).toMatchObject({ code: 0 });
    expect(await cli.run('check-resource', '-r', 'op/clock')).toMatchObject({ code: 0 });
    const asked = await cli.run('clear-versions', '--resource', 'op/clock');
    expect(asked).toMatchObject({ code: 1, err: expect.stringContaining('- main/op/clock') });
    expect((await cli.run('cv', '--resource', 'op/clock', '-n')).out).toMatch(/^[1-9]\d* versions removed\n$/);
    expect(await cli.json('builds', '--since', '2020-01-01', '--until', '2020-01-02')).toEqual([]);
  }, 40_000);

  it('of which curl does what has no command', async () => {
    const { code, out } = await cli.run('curl', '/api/v1/info');
    expect([code, JSON.parse(out)]).toEqual([0, expect.objectContaining({ weir_version: expect.any(String) })]);
    expect((await cli.run('curl', 'api/v1/wall', '--', '-X', 'PUT', '-d', '{"message":"x"}', '-i')).out).toMatch(
      /^HTTP 200\n/,
    );
    expect(await cli.run('curl', '/api/v1/none', '--', '-f')).toMatchObject({ code: 22 });
    expect(await cli.run('curl', '/api/v1/none')).toMatchObject({ code: 0, out: expect.stringContaining('not-found') });
    expect(await cli.run('curl', '/x', '--', '--compressed')).toMatchObject({
      code: 1,
      err: expect.stringContaining("'--compressed'"),
    });
  });

  it('answers programs about every change', async () => {
    await cli.run('sp', '-p', 'told', '-c', await cli.file('p.yml', PIPELINE), '-n');
    expect(await cli.json('pp', '-p', 'told')).toEqual({ pipelines: ['told'], message: 'paused' });
    expect(await cli.json('pause-job', '-j', 'told/unit')).toEqual({ message: 'job told/unit paused' });
    await cli.run('up', '-p', 'told');
    const lines = (await cli.run('check-resource', '-r', 'told/clock', '--json')).out.trim().split('\n');
    const frames = lines.map((line) => JSON.parse(line) as { id?: number; event?: string });
    expect([frames[0]?.id, frames.at(-1)?.event]).toEqual([expect.any(Number), 'status']);
  }, 40_000);
});

describe('a build at an address of the browser', () => {
  it('is watched, and of another server refused', async () => {
    await cli.run('sp', '-p', 'seen', '-c', await cli.file('p.yml', PIPELINE), '-n');
    await cli.run('up', '-p', 'seen');
    const { code } = await cli.run('tj', '-j', 'seen/unit', '-w');
    expect(code).toBe(0);
    const built = await cli.json('bs', '-a', '-c', '1', '--since', '2020-01-01');
    expect(built).toMatchObject([{ pipeline_name: 'seen', job_name: 'unit', name: '1' }]);
    const page = `${server.url}/teams/main/pipelines/seen/jobs/unit/builds/1`;
    expect(await cli.run('watch', '-u', page)).toMatchObject({ code: 0, out: expect.stringMatching(/succeeded\n$/) });
    expect(await cli.run('watch', '-u', 'https://else.example/builds/1')).toMatchObject({
      code: 1,
      err: expect.stringContaining('no address of this target'),
    });
    expect(await cli.run('watch', '-u', `${server.url}/teams/main`)).toMatchObject({
      code: 1,
      err: expect.stringContaining('shows no build'),
    });
  }, 40_000);
});
