import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiServer } from '../support/api-server.js';
import { until } from '../support/team-server.js';

let server: ApiServer;
beforeAll(async () => {
  server = await ApiServer.start();
});
afterAll(() => server.stop());

interface View {
  readonly id: number;
  readonly name: string;
  readonly status: string;
  readonly [field: string]: unknown;
}

const sh = (id: string, script: string, more: Record<string, unknown> = {}): Record<string, unknown> => ({
  id,
  task: {
    name: 'one-off',
    privileged: false,
    hermetic: false,
    config: { platform: process.platform, run: { path: 'sh', args: ['-ec', script] }, ...more },
  },
});

async function ended(id: number): Promise<View> {
  const read = (): Promise<View> => server.ask<View>('GET', `/api/v1/builds/${id}`);
  return until(read, ({ status }) => !['pending', 'started'].includes(status), `the end of build ${id}`);
}

async function outputOf(id: number): Promise<string> {
  const [row] = await server.database.db.query<{ text: string }>(
    `select string_agg(data->>'payload', '' order by seq) as text from build_events where build_id = $1 and event = 'log'`,
    [id],
  );
  return row?.text ?? '';
}

describe('a one-off build', () => {
  it('runs its plan at once, without a job, and ends like any build', async () => {
    const plan = {
      id: '1',
      ensure: {
        step: {
          id: '2',
          do: [
            { id: '3', in_parallel: { steps: null } },
            sh('4', 'echo made > out/f', { outputs: [{ name: 'out' }] }),
            sh('5', 'cat out/f; exit 3', { inputs: [{ name: 'out' }] }),
          ],
        },
        ensure: { id: '6', in_parallel: { steps: [sh('7', 'echo always')] } },
      },
    };
    const answer = await server.fetch('POST', '/api/v1/teams/main/builds', plan);
    expect(answer.status).toBe(201);
    const build = (await answer.json()) as View;
    expect(build).toMatchObject({ name: String(build.id), status: 'started', team_name: 'main', created_by: 'admin' });
    expect(build).not.toHaveProperty('job_name');
    expect(await ended(build.id)).toMatchObject({ status: 'failed' });
    expect(await outputOf(build.id)).toBe('made\nalways\n');
    expect(await server.ask('GET', `/api/v1/builds/${build.id}/plan`)).toMatchObject({
      plan: { id: '1', ensure: { step: { id: '2' }, ensure: { id: '6' } } },
    });
    const listed = await server.ask<View[]>('GET', '/api/v1/teams/main/builds');
    expect(listed.map(({ id }) => id)).toContain(build.id);
    const rerun = await server.fetch('POST', `/api/v1/builds/${build.id}/resume`);
    expect([rerun.status, await rerun.text()]).toEqual([400, expect.stringContaining('belongs to no job')]);
  });

  it('fetches versions it is told', async () => {
    const { id } = await server.ask<View>('POST', '/api/v1/teams/main/builds', {
      id: '1',
      do: [
        {
          id: '2',
          get: { name: 'm', type: 'mock', source: { create_files: { f: 'from mock' } }, version: { version: 'v1' } },
        },
        sh('3', 'cat m/*', { inputs: [{ name: 'm' }] }),
      ],
    });
    expect(await ended(id)).toMatchObject({ status: 'succeeded' });
    expect(await outputOf(id)).not.toBe('');
  });

  it('in a pipeline belongs to it', async () => {
    const pipeline = '/api/v1/teams/main/pipelines/p';
    await server.ask('PUT', `${pipeline}/config`, 'jobs: [{name: j, plan: [{task: t, file: a/b}]}]');
    const { id } = await server.ask<View>('POST', `${pipeline}/builds`, sh('1', 'echo hello'));
    expect(await ended(id)).toMatchObject({ status: 'succeeded', pipeline_name: 'p' });
    const listed = await server.ask<View[]>('GET', `${pipeline}/builds`);
    expect(listed.map((build) => build.id)).toEqual([id]);
  });

  it('is refused with the place of what this server does not run', async () => {
    const answer = await server.fetch('POST', '/api/v1/teams/main/builds', { id: '1', do: [{ id: '2', put: {} }] });
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('plan.do[0].put')]);
    expect((await server.fetch('POST', '/api/v1/teams/none/builds', sh('1', 'true'))).status).toBe(404);
    expect((await server.fetch('POST', '/api/v1/teams/main/pipelines/none/builds', sh('1', 'true'))).status).toBe(404);
  });
});
