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

  it('may do whatever a job does: put, fetch what was put, load vars, repeat and set pipelines', async () => {
    const yaml = 'jobs: [{name: set, plan: [{task: t, file: a/b}]}]';
    const { id } = await server.ask<View>('POST', '/api/v1/teams/main/builds', {
      id: '1',
      do: [
        { id: '2', put: { name: 'made', type: 'mock', source: {}, params: { version: 'v9' } } },
        { id: '3', get: { name: 'made', type: 'mock', source: { create_files: { f: '7' } }, version_from: '2' } },
        { id: '4', load_var: { name: 'seven', file: 'made/f', reveal: true } },
        sh('5', `echo 'got ((.:seven))'; echo '${yaml}' > out/p.yml`, { outputs: [{ name: 'out' }] }),
        { id: '6', try: { step: { id: '7', timeout: { duration: '1h', step: sh('8', 'exit 1') } } } },
        { id: '9', retry: [sh('a', 'exit 1'), sh('b', 'echo second')] },
        {
          id: 'c',
          across: {
            vars: [{ name: 'x', values: ['one', 'two'] }],
            substep_template: JSON.stringify(sh('d', 'echo "each ((.:x))"')),
          },
        },
        { id: 'e', set_pipeline: { name: 'of-a-plan', file: 'out/p.yml' } },
      ],
    });
    expect(await ended(id)).toMatchObject({ status: 'succeeded' });
    const said = await outputOf(id);
    for (const line of ['got 7\n', 'second\n', 'each one\n', 'each two\n']) expect(said).toContain(line);
    expect((await server.fetch('GET', '/api/v1/teams/main/pipelines/of-a-plan')).status).toBe(200);
  });

  it('makes versions of a resource of its pipeline, by the name of it', async () => {
    const pipeline = '/api/v1/teams/main/pipelines/makes';
    await server.ask('PUT', `${pipeline}/config`, {
      resources: [{ name: 'r', type: 'mock', check_every: 'never', source: {} }],
      jobs: [{ name: 'j', plan: [{ get: 'r' }] }],
    });
    const put = { name: 'r', resource: 'r', params: { version: 'by-hand' } };
    const { id } = await server.ask<View>('POST', `${pipeline}/builds`, { id: '1', put });
    expect(await ended(id)).toMatchObject({ status: 'succeeded' });
    expect(await server.ask('GET', `${pipeline}/resources/r/versions`)).toMatchObject([
      { version: { version: 'by-hand' } },
    ]);
    const other = { id: '1', put: { ...put, type: 'mock', source: { initial_version: 'x' } } };
    const answer = await server.fetch('POST', `${pipeline}/builds`, other);
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('plan.put.source')]);
  });

  it('sets no pipelines for a token that is limited to other things', async () => {
    const { token } = await server.ask<{ token: string }>('POST', '/api/v1/tokens', {
      name: 'only-builds',
      actions: ['CreateBuild'],
    });
    const plan = { id: '1', set_pipeline: { name: 'p', file: 'a/p.yml' } };
    const as = { authorization: `Bearer ${token}` };
    const answer = await server.fetch('POST', '/api/v1/teams/main/builds', plan, as);
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('you may not set pipelines')]);
  });

  it('is refused with the place of what this server does not run', async () => {
    const answer = await server.fetch('POST', '/api/v1/teams/main/builds', { id: '1', do: [{ id: '2', putt: {} }] });
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('plan.do[0].putt')]);
    expect((await server.fetch('POST', '/api/v1/teams/none/builds', sh('1', 'true'))).status).toBe(404);
    expect((await server.fetch('POST', '/api/v1/teams/main/pipelines/none/builds', sh('1', 'true'))).status).toBe(404);
  });
});
