import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { askForSlot, declareRuntimes, noteRuntime } from '../../src/persistence/index.js';
import type { BuildId } from '../../src/model/index.js';
import { ApiServer } from '../support/api-server.js';
import { CliRunner } from '../support/cli-runner.js';
import { eventually } from '../support/eventually.js';

let server: ApiServer;
let cli: CliRunner;
beforeAll(async () => {
  server = await ApiServer.start({ runtime: 'host', slots: { host: 7 }, instanceId: 'aaaaaaaa-1' });
  cli = new CliRunner();
  cli.env.WEIR_TARGET_URL = server.url;
  cli.env.WEIR_TOKEN = server.token;
  await eventually('the host has said what it can', async () =>
    (await get('/api/v1/runtimes')).some(({ capabilities }) => Object.keys(capabilities as object).length > 0),
  );
  // Another server's Docker, which is away, with a build that runs there and one that waits.
  const { db } = server.database;
  const docker = { name: 'docker', kind: 'docker', tags: ['big'], slots: 1 };
  const id = (await db.tx((tx) => declareRuntimes(tx, 'bbbbbbbb-2', [docker]))).get('docker')!;
  for (const name of ['first', 'second']) {
    const [row] = await db.query<{ id: BuildId }>(
      `insert into builds (team_id, name, status, started_at, plan, lease_instance, lease_epoch, lease_until)
       select id, $1, 'started', now(), '{}', 'bbbbbbbb-2', 1, now() + interval '1 h' from teams limit 1 returning id`,
      [name],
    );
    builds.push(row!.id);
    await db.tx((tx) => askForSlot(tx, { buildId: row!.id, stepId: '1' }, { runtime: id }));
  }
  await db.tx((tx) => noteRuntime(tx, id, { unreachable: 'connection refused' }));
});
afterAll(() => server?.stop());

const builds: BuildId[] = [];
const get = async (route: string): Promise<Record<string, unknown>[]> => {
  const answer = await fetch(server.url + route, { headers: { authorization: `Bearer ${server.token}` } });
  return (await answer.json()) as Record<string, unknown>[];
};

it('are workers to clients of Concourse', async () => {
  const workers = await get('/api/v1/workers');
  expect(workers).toMatchObject([
    {
      ...{ name: 'docker', active_containers: 1, active_tasks: 1, max_active_tasks: 1, tags: ['big'], team: '' },
      ...{ state: 'stalled', ephemeral: false, addr: '', baggageclaim_url: '' },
    },
    {
      name: 'host',
      active_containers: 0,
      max_active_tasks: 7,
      tags: null,
      state: 'running',
      platform: process.platform,
    },
  ]);
  expect(workers[0]!['resource_types']).toContainEqual({
    ...{ type: 'git', image: '', version: '', privileged: false, unique_version_history: false },
  });
  expect(workers[0]!['start_time']).toEqual(expect.any(Number));
});

it('tell what they can, what runs there and who waits', async () => {
  const [docker, host] = await get('/api/v1/runtimes');
  expect(docker).toMatchObject({
    ...{ name: 'docker', kind: 'docker', server: 'bbbbbbbb-2', tags: ['docker', 'big'], takes_untagged_steps: false },
    ...{ state: 'unreachable', reason: 'connection refused', slots: 1, free_slots: 0 },
    running: [{ build_id: builds[0], step_id: '1', build: `build ${builds[0]}` }],
    queue: [{ position: 1, build_id: builds[1] }],
  });
  expect(host).toMatchObject({
    name: 'host',
    state: 'running',
    slots: 7,
    free_slots: 7,
    capabilities: { platforms: [process.platform] },
  });
});

it('are listed on the command line, with their queue if one wants', async () => {
  const short = await cli.run('workers');
  expect(short.out).toMatch(/docker +unreachable: connection refused +1\/1 +1 .*docker, big/);
  expect(short.out).toMatch(/host +running +0\/7 +0/);
  const long = await cli.run('runtimes', '--details');
  expect(long.out).toContain('tags: docker, big; only steps with tags');
  expect(long.out).toMatch(new RegExp(`1\\. build ${builds[1]}, step 1, for \\d+s`));
});

it('say why a build waits', async () => {
  const answer = await get(`/api/v1/builds/${builds[1]}/explain`);
  expect(answer).toMatchObject({
    summary: expect.stringContaining('a step waits for runtime docker, which does not answer: connection refused'),
    waits: [{ step_id: '1', kind: 'unreachable', runtime: 'docker' }],
  });
});
