import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GitRepository } from '../support/git-repository.js';
import { TeamServer, until } from '../support/team-server.js';

/** Acceptance A4. */
let server: TeamServer;
beforeAll(async () => {
  server = await TeamServer.start();
}, 60_000);
afterAll(() => server.stop());

describe('200 commits while a job of two seconds runs', () => {
  it('keeps at most one automatic build waiting and builds the last commit', async () => {
    const { db } = server.database;
    const repository = await GitRepository.create(path.join(server.folder, 'app'));
    await repository.commit('first');
    await server.setPipeline(
      'storm',
      `
resources: [{name: app, type: git, source: {uri: "${repository.path}", branch: main}}]
jobs:
- name: slow
  serial: true
  plan:
  - {get: app, trigger: true}
  - task: work
    config: {platform: linux, run: {path: sleep, args: ["2"]}}
`,
    );
    await server.untilBuilds('storm', 'slow', ([b]) => b?.status === 'started');
    for (let i = 1; i <= 200; i++) await repository.commit(`commit ${i}`);
    const last = await repository.head();
    await until(
      async () => {
        const [newest] = await server.builds('storm', 'slow');
        return { status: newest?.status, ref: newest && (await server.inputsOf(newest)).app?.ref };
      },
      (newest) => newest.status === 'succeeded' && newest.ref === last,
      'the build of the last commit',
      60_000,
    );

    const index = await db.query(
      `select 1 from pg_indexes where indexname = 'one_pending_automatic_build_per_job' and indexdef like 'CREATE UNIQUE%'`,
    );
    expect(index).toHaveLength(1);
    const overlaps = await db.query(
      `select a.id, b.id from builds a join builds b on b.job_id = a.job_id and b.id > a.id
       where not a.manually_triggered and not b.manually_triggered and a.rerun_of is null and b.rerun_of is null
         and tstzrange(a.created_at, coalesce(a.started_at, a.ended_at, 'infinity')) && tstzrange(b.created_at, coalesce(b.started_at, b.ended_at, 'infinity'))`,
    );
    expect(overlaps).toEqual([]);
    const builds = await server.builds('storm', 'slow');
    expect(builds.length).toBeLessThan(20);
    const versions = await db.query(`select 1 from versions`);
    expect(versions).toHaveLength(201);
  }, 120_000);
});
