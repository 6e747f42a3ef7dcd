import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GitRepository } from '../support/git-repository.js';
import { pipelinePath, TeamServer, until } from '../support/team-server.js';

/** Acceptance A5. */
let server: TeamServer;
let repository: GitRepository;
let refs: string[];
beforeAll(async () => {
  server = await TeamServer.start();
  repository = await GitRepository.create(path.join(server.folder, 'app'));
  refs = [await repository.commit('one')];
  await server.setPipeline(
    'p',
    `
resources: [{name: app, type: git, source: {uri: "${repository.path}", branch: main}}]
jobs:
- {name: build, plan: [{get: app, trigger: true}]}
- {name: ship, plan: [{get: app, passed: [build]}]}
`,
  );
  await server.untilNewestEnds('p', 'build');
  refs.push(await repository.commit('two'));
  await server.untilBuilds('p', 'build', (builds) => builds.length === 2 && builds[0]!.status === 'succeeded');
}, 90_000);
afterAll(() => server.stop());

const resource = `${pipelinePath('p')}/resources/app`;
async function versionId(ref: string): Promise<number> {
  const versions = await server.get<{ id: number }[]>(`${resource}/versions?filter=ref:${ref}`);
  return versions[0]!.id;
}
const mark = async (ref: string, verb: 'enable' | 'disable' | 'pin'): Promise<unknown> =>
  server.put(`${resource}/versions/${await versionId(ref)}/${verb}`, { reason: 'trial' });
async function trigger(job: string): Promise<string | undefined> {
  const build = await server.process.request<{ id: number; name: string }>(
    'POST',
    `${pipelinePath('p')}/jobs/${job}/builds`,
  );
  await server.untilBuilds('p', job, (builds) => builds.find((b) => b.id === build.id)?.status === 'succeeded');
  return (await server.inputsOf({ ...build, status: '' })).app?.ref;
}

describe('disabling and pinning versions', () => {
  it('does not use a disabled newest version', async () => {
    await mark(refs[1]!, 'disable');
    expect(await trigger('build')).toBe(refs[0]);
    expect(await trigger('ship')).toBe(refs[0]);
  }, 60_000);

  it('runs nothing and says why when the only set uses a disabled version', async () => {
    await mark(refs[0]!, 'disable');
    const build = await server.process.request<{ id: number }>('POST', `${pipelinePath('p')}/jobs/ship/builds`);
    const job = await until(
      () => server.get<{ why: { reasons: string[] }[] }>(`${pipelinePath('p')}/jobs/ship`),
      ({ why }) => JSON.stringify(why).includes('no satisfiable builds from passed jobs found'),
      'the reason of the job',
    );
    expect(JSON.stringify(job.why)).toContain('app');
    const [newest] = await server.builds('p', 'ship');
    expect(newest).toMatchObject({ id: build.id, status: 'pending' });
    const preparation = await server.get<{ missing_input_reasons: Record<string, string> }>(
      `/api/v1/builds/${build.id}/preparation`,
    );
    expect(preparation.missing_input_reasons.app).toBe(
      'no satisfiable builds from passed jobs found for set of inputs',
    );
    await mark(refs[0]!, 'enable');
    await server.untilBuilds('p', 'ship', ([b]) => b?.status === 'succeeded');
    await mark(refs[1]!, 'enable');
  }, 60_000);

  it('uses a pinned version, and the newest again after unpinning', async () => {
    await mark(refs[0]!, 'pin');
    expect(await trigger('build')).toBe(refs[0]);
    await server.put(`${resource}/unpin`);
    expect(await trigger('build')).toBe(refs[1]);
  }, 60_000);
});
