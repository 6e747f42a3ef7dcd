import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GitRepository } from '../support/git-repository.js';
import { pipelinePath, TeamServer, until } from '../support/team-server.js';

/** Acceptance A3: every combination of the three brakes. */
interface Row {
  readonly paused: readonly ('resource' | 'job' | 'pipeline')[];
  /** Does a commit made under the brakes become a version? */
  readonly checked: boolean;
  /** Automatic builds waiting under the brakes. */
  readonly queued: number;
  /** Builds started for that commit under the brakes. */
  readonly started: number;
  /** Builds started after another commit and the release of all brakes: always of the newest commit. */
  readonly startedOnRelease: number;
}
const ROWS: readonly Row[] = [
  { paused: [], checked: true, queued: 0, started: 1, startedOnRelease: 1 },
  { paused: ['resource'], checked: false, queued: 0, started: 0, startedOnRelease: 1 },
  { paused: ['job'], checked: true, queued: 1, started: 0, startedOnRelease: 1 },
  { paused: ['resource', 'job'], checked: false, queued: 0, started: 0, startedOnRelease: 1 },
  { paused: ['pipeline'], checked: false, queued: 0, started: 0, startedOnRelease: 1 },
  { paused: ['resource', 'pipeline'], checked: false, queued: 0, started: 0, startedOnRelease: 1 },
  { paused: ['job', 'pipeline'], checked: false, queued: 0, started: 0, startedOnRelease: 1 },
  { paused: ['resource', 'job', 'pipeline'], checked: false, queued: 0, started: 0, startedOnRelease: 1 },
];

let server: TeamServer;
beforeAll(async () => {
  server = await TeamServer.start();
}, 60_000);
afterAll(() => server.stop());

describe('pausing resource, job and pipeline', () => {
  it.each(ROWS.map((row, i) => [row.paused.join(' + ') || 'nothing', row, `p${i}`] as const))(
    '%s paused',
    async (_title, row, name) => {
      const repository = await GitRepository.create(path.join(server.folder, name));
      const first = await repository.commit('first');
      await server.setPipeline(name, pipeline(repository.path));
      // The same repository in a pipeline that is never paused tells when a commit could have been seen.
      await server.setPipeline(`${name}-witness`, pipeline(repository.path));
      await built(name, first, 1);

      for (const brake of row.paused) await server.put(brakePath(name, brake, 'pause'), { reason: 'trial' });
      const second = await repository.commit('second');
      await seenByWitness(name, second);
      if (row.started > 0) await built(name, second, 1 + row.started);
      if (row.queued > 0)
        await server.untilBuilds(name, 'build', (builds) => builds.some((b) => b.status === 'pending'));
      await seenByWitness(name, await repository.commit('third'), 'twice');
      const third = await repository.head();
      if (row.started > 0) await built(name, third, 2 + row.started);

      const versions = await versionsOf(name);
      expect(versions.includes(second)).toBe(row.checked);
      const before = await server.builds(name, 'build');
      expect(before.filter((b) => b.status === 'pending')).toHaveLength(row.queued);
      expect(before.filter((b) => b.start_time !== undefined)).toHaveLength(row.started > 0 ? 3 : 1);

      const last = await repository.commit('last');
      for (const brake of row.paused) await server.put(brakePath(name, brake, 'unpause'));
      const expected = before.filter((b) => b.start_time !== undefined).length + row.startedOnRelease;
      await built(name, last, expected);
      await seenByWitness(name, last, 'twice');
      const after = await server.builds(name, 'build');
      // A queued build may start between the release and the check that finds the last commit: then that commit gets its own.
      expect(after.filter((b) => b.status === 'pending')).toEqual([]);
      expect(after.length).toBeLessThanOrEqual(expected + row.queued);
    },
    60_000,
  );

  it('lets the versions of a put through while the resource is paused', async () => {
    const repository = await GitRepository.create(path.join(server.folder, 'put'));
    await repository.commit('first');
    await server.setPipeline(
      'put',
      `
resources: [{name: app, type: git, source: {uri: "${repository.path}", branch: main}}]
jobs:
- name: publish
  plan:
  - get: app
  - task: commit
    config:
      platform: linux
      inputs: [{name: app}]
      outputs: [{name: out}]
      run: {path: sh, args: [-c, 'cp -a app/. out/ && cd out && git -c user.name=w -c user.email=w@example.org commit -q --allow-empty -m from-a-build']}
  - put: app
    params: {repository: out}
- name: build
  plan: [{get: app, trigger: true}]
`,
    );
    await server.untilNewestEnds('put', 'build');
    await server.put(brakePath('put', 'resource', 'pause'), { reason: 'only puts' });
    await server.process.request('POST', `${pipelinePath('put')}/jobs/publish/builds`);
    expect((await server.untilNewestEnds('put', 'publish')).status).toBe('succeeded');
    await server.untilBuilds('put', 'build', (builds) => builds.length === 2 && builds[0]!.status === 'succeeded');
    expect(await server.inputsOf((await server.builds('put', 'build'))[0]!)).toEqual({
      app: { ref: await repository.head() },
    });
  }, 60_000);

  it('tells who paused, when and why', async () => {
    await server.put(brakePath('put', 'job', 'pause'), { reason: 'release day' });
    const job = await server.get<Record<string, unknown>>(`${pipelinePath('put')}/jobs/build`);
    expect(job).toMatchObject({
      paused: true,
      paused_by: 'admin',
      pause_reason: 'release day',
      paused_at: expect.any(Number),
    });
  });
});

const pipeline = (uri: string): string => `
resources: [{name: app, type: git, source: {uri: "${uri}", branch: main}}]
jobs:
- name: build
  plan: [{get: app, trigger: true}]
`;

function brakePath(pipelineName: string, brake: 'resource' | 'job' | 'pipeline', verb: 'pause' | 'unpause'): string {
  const part = { pipeline: '', job: '/jobs/build', resource: '/resources/app' }[brake];
  return `${pipelinePath(pipelineName)}${part}/${verb}`;
}

async function versionsOf(name: string): Promise<string[]> {
  const versions = await server.get<{ version: { ref: string } }[]>(
    `${pipelinePath(name)}/resources/app/versions?limit=1000`,
  );
  return versions.map(({ version }) => version.ref);
}

/** Waits until the witness knows the commit, and for `twice` until it was checked two times more. */
async function seenByWitness(name: string, ref: string, times: 'once' | 'twice' = 'once'): Promise<void> {
  await until(
    () => versionsOf(`${name}-witness`),
    (refs) => refs.includes(ref),
    'versions of the witness',
  );
  for (let i = 0; i < (times === 'twice' ? 2 : 0); i++) {
    const last = await lastChecked(name);
    await until(
      () => lastChecked(name),
      (at) => at > last,
      'checks of the witness',
    );
  }
}

async function lastChecked(name: string): Promise<number> {
  const [row] = await server.database.db.query<{ at: Date }>(
    `select h.check_ended_at as at from resources r join histories h on h.id = r.history_id join pipelines p on p.id = r.pipeline_id
     where p.name = $1`,
    [`${name}-witness`],
  );
  return row!.at.getTime();
}

/** Waits until the job has that many finished builds and the newest was of the commit. */
async function built(name: string, ref: string, count: number): Promise<void> {
  await until(
    async () => {
      const builds = await server.builds(name, 'build');
      const newest = builds[0];
      return {
        finished: builds.filter((b) => b.end_time !== undefined).length,
        ref: newest && (await server.inputsOf(newest)).app?.ref,
      };
    },
    (state) => state.finished >= count && state.ref === ref,
    `${count} builds of ${name}, the newest of ${ref}`,
  );
}
