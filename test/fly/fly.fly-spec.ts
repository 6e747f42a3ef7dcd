import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../support/team-server.js';
import { findFly } from './fly-binary.js';
import { FlyWorld } from './world.js';

interface Named {
  readonly id: number;
  readonly name: string;
  readonly status: string;
}

const found = await findFly();
if ('missing' in found) {
  console.warn(`SKIPPED: every test with the real fly, which cannot be had: ${found.missing}`);
  describe('fly', () => it.skip(`needs fly: ${found.missing}`, () => undefined));
} else {
  describe('fly', () => commands(found.path));
}

/** One test per command, in the order in which a person would come to them. */
function commands(fly: string): void {
  let w: FlyWorld;
  beforeAll(async () => {
    w = await FlyWorld.start(fly);
  }, 120_000);
  afterAll(() => w?.stop());

  const newest = async (job: string): Promise<Named> => (await w.json<Named[]>('builds', '-j', `p/${job}`))[0]!;
  const untilBuild = (job: string, status: string): Promise<Named> =>
    until(
      () => newest(job),
      (build) => build?.status === status,
      `the newest build of ${job}`,
    );

  it('login', async () => {
    expect(await w.refused('login', '-c', w.url, '-u', 'test', '-p', 'wrong')).toMatch(/wrong user name or password/);
    expect(await w.ok('login', '-c', w.url, '-u', 'test', '-p', 'test')).toContain('target saved');
  });
  it('status', async () => {
    expect(await w.ok('status')).toContain('logged in');
  });
  it('userinfo', async () => {
    expect(await w.ok('userinfo')).toMatch(/test.*main\/owner/s);
  });
  it('targets', async () => {
    expect(await w.ok('targets')).not.toContain('invalid token');
  });
  it('sync', async () => {
    expect(await w.refused('sync', '--force')).toMatch(/404|not found/i);
  });

  it('set-pipeline', async () => {
    const set = (): Promise<string> => w.ok('set-pipeline', '-n', '-p', 'p', '-c', 'pipeline.yml');
    expect(await set()).toContain('pipeline created');
    expect(await set()).toContain('no changes to apply');
    await writeFile(path.join(w.folder, 'bad.yml'), 'jobs: [{name: a, plan: [{get: none}]}]');
    expect(await w.refused('set-pipeline', '-n', '-p', 'bad', '-c', 'bad.yml')).toContain('none');
  });
  it('get-pipeline', async () => {
    expect(await w.ok('get-pipeline', '-p', 'p')).toContain('create_files');
    expect(await w.refused('get-pipeline', '-p', 'none')).toContain('not found');
  });
  it('pipelines', async () => {
    expect(await w.json('pipelines')).toMatchObject([{ name: 'p', paused: true }]);
    expect(await w.json('pipelines', '-a')).toMatchObject([{ name: 'p' }]);
  });
  it('paused-pipelines', async () => {
    expect(await w.ok('paused-pipelines')).toContain('p');
  });
  it('unpause-pipeline', async () => {
    expect(await w.ok('unpause-pipeline', '-p', 'p')).toContain("unpaused 'p'");
  });
  it('pause-pipeline', async () => {
    expect(await w.ok('pause-pipeline', '-p', 'p')).toContain("paused 'p'");
    await w.ok('unpause-pipeline', '-p', 'p');
  });
  it('expose-pipeline', async () => {
    await w.ok('expose-pipeline', '-p', 'p');
    expect(await w.json('pipelines')).toMatchObject([{ public: true }]);
  });
  it('hide-pipeline', async () => {
    await w.ok('hide-pipeline', '-p', 'p');
    expect(await w.json('pipelines')).toMatchObject([{ public: false }]);
  });
  it('rename-pipeline', async () => {
    await w.ok('rename-pipeline', '--old-name', 'p', '--new-name', 'q');
    await w.ok('rename-pipeline', '--old-name', 'q', '--new-name', 'p');
  });
  it('order-pipelines', async () => {
    await w.ok('order-pipelines', '-p', 'p');
    expect(await w.refused('order-pipelines', '-p', 'none')).toContain('none');
  });
  it('order-instanced-pipelines', async () => {
    for (const n of ['a', 'b']) await w.ok('set-pipeline', '-n', '-p', 'inst', '-i', `n=${n}`, '-c', 'pipeline.yml');
    await w.ok('order-instanced-pipelines', '-g', 'inst', '-p', 'n:b', '-p', 'n:a');
    const instances = await w.json<{ name: string; instance_vars?: { n: string } }[]>('pipelines');
    expect(instances.filter(({ name }) => name === 'inst').map((each) => each.instance_vars?.n)).toEqual(['b', 'a']);
  });
  it('archive-pipeline', async () => {
    await w.ok('archive-pipeline', '-n', '-p', 'inst/n:a');
    expect(await w.refused('unpause-pipeline', '-p', 'inst/n:a')).toContain('archived');
  });
  it('destroy-pipeline', async () => {
    for (const n of ['a', 'b']) await w.ok('destroy-pipeline', '-n', '-p', `inst/n:${n}`);
    expect(await w.json<Named[]>('pipelines')).toHaveLength(1);
  });

  it('resources', async () => {
    expect(await w.json('resources', '-p', 'p')).toMatchObject([{ name: 'repo', type: 'mock' }]);
  });
  it('check-resource', async () => {
    expect(await w.ok('check-resource', '-r', 'p/repo', '-f', 'version:1')).toContain('succeeded');
    await w.ok('check-resource', '-r', 'p/repo', '-f', 'version:2');
    expect(await w.refused('check-resource', '-r', 'p/none')).toContain('not found');
  });
  it('check-resource-type', async () => {
    expect(await w.ok('check-resource-type', '-r', 'p/copy')).toContain('succeeded');
  });
  it('resource-versions', async () => {
    const versions = await w.json<{ version: { version: string } }[]>('resource-versions', '-r', 'p/repo');
    expect(versions.map(({ version }) => version.version)).toEqual(['2', '1']);
  });
  it('pin-resource', async () => {
    await w.ok('pin-resource', '-r', 'p/repo', '-v', 'version:1', '-c', 'wait');
    expect(await w.json('resources', '-p', 'p')).toMatchObject([
      { pinned_version: { version: '1' }, pin_comment: 'wait' },
    ]);
  });
  it('unpin-resource', async () => {
    await w.ok('unpin-resource', '-r', 'p/repo');
    expect(await w.json<object[]>('resources', '-p', 'p')).not.toHaveProperty('0.pinned_version');
  });
  it('disable-resource-version', async () => {
    await w.ok('disable-resource-version', '-r', 'p/repo', '-v', 'version:2');
    expect(await w.json('resource-versions', '-r', 'p/repo')).toMatchObject([{ enabled: false }, { enabled: true }]);
  });
  it('enable-resource-version', async () => {
    await w.ok('enable-resource-version', '-r', 'p/repo', '-v', 'version:2');
    expect(await w.json('resource-versions', '-r', 'p/repo')).toMatchObject([{ enabled: true }, { enabled: true }]);
  });

  it('jobs', async () => {
    expect(await w.json('jobs', '-p', 'p')).toMatchObject([{ name: 'build' }, { name: 'bad' }, { name: 'slow' }]);
  });
  it('trigger-job', async () => {
    expect(await w.ok('trigger-job', '-j', 'p/build', '-w')).toMatch(/world[^]*succeeded/);
    const { code, out } = await w.run(['trigger-job', '-j', 'p/bad', '-w']);
    expect([code, out]).toEqual([7, expect.stringContaining('failed')]);
    expect(await w.refused('trigger-job', '-j', 'p/none')).toContain('not found');
  });
  it('watch', async () => {
    expect(await w.ok('watch', '-j', 'p/build')).toContain('world');
    expect((await w.run(['watch', '-b', String((await newest('bad')).id)])).code).toBe(7);
  });
  it('builds', async () => {
    expect(await w.json('builds')).toMatchObject([{ job_name: 'bad' }, { job_name: 'build' }]);
    expect(await w.json('builds', '-p', 'p', '-c', '1')).toHaveLength(1);
    expect(await w.json('builds', '-j', 'p/build')).toMatchObject([{ status: 'succeeded' }]);
    expect(await w.json('builds', '--since', '2020-01-01 00:00:00')).toHaveLength(2);
  });
  it('rerun-build', async () => {
    expect(await w.ok('rerun-build', '-j', 'p/build', '-b', '1', '-w')).toContain('succeeded');
    expect(await newest('build')).toMatchObject({ name: '1.1' });
  });
  it('abort-build', async () => {
    await w.ok('trigger-job', '-j', 'p/slow');
    await untilBuild('slow', 'started');
    await w.ok('abort-build', '-j', 'p/slow', '-b', '1');
    await untilBuild('slow', 'aborted');
    expect((await w.run(['watch', '-j', 'p/slow'])).code).toBe(3);
  });
  it('pause-job', async () => {
    await w.ok('pause-job', '-j', 'p/bad');
  });
  it('paused-jobs', async () => {
    expect(await w.ok('paused-jobs')).toContain('bad');
  });
  it('unpause-job', async () => {
    await w.ok('unpause-job', '-j', 'p/bad');
  });
  it('execute', async () => {
    await mkdir(path.join(w.folder, 'src'));
    await writeFile(path.join(w.folder, 'src/file'), 'mine');
    const out = await w.ok('execute', '-c', 'task.yml', '-i', 'src=src', '-o', 'made=made', '--include-ignored');
    expect(out).toMatch(/got mine[^]*succeeded/);
    expect(await readFile(path.join(w.folder, 'made/copy'), 'utf8')).toBe('mine');
  });
  it('intercept', async () => {
    await w.ok('trigger-job', '-j', 'p/slow');
    const { name } = await untilBuild('slow', 'started');
    await until(
      () => w.ok('containers'),
      (list) => list.includes('sleeps'),
      'the container of the task',
    );
    expect(await w.ok('intercept', '-j', 'p/slow', '-b', name, '-s', 'sleeps', '--', 'sh', '-c', 'echo in')).toContain(
      'in',
    );
    expect(
      (await w.run(['intercept', '-j', 'p/slow', '-b', name, '-s', 'sleeps', '--', 'sh', '-c', 'exit 5'])).code,
    ).toBe(5);
  });
  it('containers', async () => {
    expect(await w.json<object[]>('containers')).toContainEqual(
      expect.objectContaining({ step_name: 'sleeps', pipeline_name: 'p', job_name: 'slow' }),
    );
    await w.ok('abort-build', '-j', 'p/slow', '-b', (await newest('slow')).name);
    await untilBuild('slow', 'aborted');
  });
  it('volumes', async () => {
    expect(await w.json<object[]>('volumes')).toContainEqual(
      expect.objectContaining({ type: 'task-cache', path: 'deps' }),
    );
  });
  it('clear-task-cache', async () => {
    expect(await w.ok('clear-task-cache', '-n', '-j', 'p/build', '-s', 'unit')).toContain('1 caches removed');
  });
  it('clear-resource-cache', async () => {
    expect(await w.confirmed('clear-resource-cache', '-r', 'p/repo')).toContain('0 caches removed');
  });
  it('clear-versions', async () => {
    expect(await w.confirmed('clear-versions', '--resource', 'p/repo')).toContain('2 versions removed');
    expect(await w.json('resource-versions', '-r', 'p/repo')).toEqual([]);
  });

  it('set-team', async () => {
    expect(await w.ok('set-team', '-n', 'other', '--local-user', 'guest', '--non-interactive')).toContain(
      'team created',
    );
  });
  it('teams', async () => {
    expect((await w.json<Named[]>('teams')).map(({ name }) => name).sort()).toEqual(['main', 'other']);
  });
  it('get-team', async () => {
    expect(await w.json('get-team', '-n', 'other')).toMatchObject({ auth: { owner: { users: ['local:guest'] } } });
  });
  it('rename-team', async () => {
    await w.ok('rename-team', '--old-name', 'other', '--new-name', 'another');
  });
  it('destroy-team', async () => {
    await w.ok('destroy-team', '-n', 'another', '--non-interactive');
    expect(await w.json<Named[]>('teams')).toHaveLength(1);
  });
  it('workers', async () => {
    expect(await w.json('workers')).toMatchObject([{ state: 'running', platform: 'linux' }]);
  });
  it('prune-worker', async () => {
    expect(await w.refused('prune-worker', '-w', 'none')).toContain('none');
  });
  it('set-wall', async () => {
    await w.ok('set-wall', '-m', 'maintenance at 5');
  });
  it('get-wall', async () => {
    expect(await w.ok('get-wall')).toContain('maintenance at 5');
  });
  it('clear-wall', async () => {
    await w.ok('clear-wall');
    expect(await w.ok('get-wall')).not.toContain('maintenance');
  });
  it('health', async () => {
    expect(await w.ok('health')).toMatch(/ok|healthy/i);
  });
  it('curl', async () => {
    expect(await w.ok('curl', '/api/v1/info')).toContain('"version"');
  });
  it('logout', async () => {
    await w.ok('logout');
    await w.refused('pipelines');
  });
}
