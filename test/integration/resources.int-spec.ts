import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ChecksService } from '../../src/checking/index.js';
import type { JobId, ResourceConfig, ResourceId } from '../../src/model/index.js';
import { ConflictError, NotFoundError } from '../../src/platform/index.js';
import { ResourcesService } from '../../src/resources/index.js';
import { JobsService } from '../../src/scheduling/index.js';
import { credentialsOn } from '../support/credentials.js';
import { insertPipeline, recordVersions, type PipelineRows } from '../support/pipeline-rows.js';
import { createTestDb, type TestDb } from '../support/test-db.js';

const varsDir = mkdtempSync(path.join(os.tmpdir(), 'weir-vars-'));
let t: TestDb;
let resources: ResourcesService;
let checks: ChecksService;
let p: PipelineRows;
let repo: ResourceId;
let count = 0;
const ann = { by: 'ann', reason: 'broken' };
beforeAll(async () => {
  t = await createTestDb();
  resources = new ResourcesService(t.db);
  checks = new ChecksService(t.db, resources, credentialsOn(t.db, { varsDir }));
});
afterAll(async () => {
  rmSync(varsDir, { recursive: true });
  await t.drop();
});

async function set(config: Partial<ResourceConfig> = {}): Promise<void> {
  p = await insertPipeline(t.db, `p${++count}`, {
    resources: [{ name: 'repo', type: 'mock', icon: 'git', ...config }],
    jobs: [
      { name: 'test', plan: [{ get: 'repo' }] },
      { name: 'after', plan: [{ get: 'repo', passed: ['test'] }, { put: 'repo' }] },
    ],
  });
  repo = p.resources.repo!;
}
beforeEach(() => set());

const requested = async (job: JobId): Promise<number> =>
  (await t.db.query<{ n: number }>(`select schedule_requested as n from jobs where id = $1`, [job]))[0]!.n;
/** How many of the two jobs were asked to schedule by the work. */
async function asked(work: () => Promise<unknown>): Promise<number> {
  const before = await Promise.all(Object.values(p.jobs).map(requested));
  await work();
  const after = await Promise.all(Object.values(p.jobs).map(requested));
  return after.filter((n, i) => n > before[i]!).length;
}
async function ids(...refs: string[]): Promise<number[]> {
  await recordVersions(t.db, repo, ...refs);
  const { items } = await resources.versions(repo, {});
  return refs.map((ref) => items.find((item) => item.version.ref === ref)!.id);
}
const refs = (page: { items: readonly { version: Readonly<Record<string, string>> }[] }): string =>
  page.items.map((item) => item.version.ref).join(' ');

describe('a resource', () => {
  it('is found by name, and a wrong name is answered with a near one', async () => {
    expect(await resources.find(p.id, 'repo')).toBe(repo);
    await expect(resources.find(p.id, 'rpeo')).rejects.toThrow(
      'the pipeline has no resource "rpeo"; did you mean "repo"?',
    );
  });

  it('is shown in the form of the wire contract', async () => {
    expect(await resources.get(repo)).toEqual({
      id: repo,
      name: 'repo',
      team_name: 'main',
      pipeline_id: p.id,
      pipeline_name: `p${count}`,
      type: 'mock',
      icon: 'git',
      last_checked: expect.any(Number),
      next_check: expect.any(Number),
      build: expect.objectContaining({ name: 'check', status: 'succeeded' }),
    });
    expect(await resources.list(p.id)).toEqual([await resources.get(repo)]);
  });

  it('is paused with who and why, once, and unpaused', async () => {
    expect(await asked(() => resources.pause(repo, ann))).toBe(2);
    await resources.pause(repo, { by: 'bob' });
    expect(await resources.get(repo)).toMatchObject({
      paused: true,
      paused_by: 'ann',
      pause_reason: 'broken',
      paused_at: expect.any(Number),
    });
    await resources.unpause(repo);
    expect(await resources.get(repo)).not.toHaveProperty('paused');
  });

  it('of an archived pipeline is not changed', async () => {
    const [version] = await ids('v1');
    await t.db.query(`update pipelines set archived = true where id = $1`, [p.id]);
    for (const work of [
      () => resources.pause(repo, ann),
      () => resources.disableVersion(repo, version!, ann),
      () => resources.pin(repo, version!, ann),
      () => checks.requestCheck(repo, ann),
    ])
      await expect(work()).rejects.toThrow('action not allowed for an archived pipeline');
  });
});

describe('versions', () => {
  it('are listed newest first, in pages that lead to each other', async () => {
    const [v1, v2, v3, v4, v5] = await ids('v1', 'v2', 'v3', 'v4', 'v5');
    const newest = await resources.versions(repo, { limit: 2 });
    expect(refs(newest)).toBe('v5 v4');
    expect(newest).toMatchObject({ older: v3 });
    const middle = await resources.versions(repo, { to: newest.older!, limit: 2 });
    expect([refs(middle), middle.older, middle.newer]).toEqual(['v3 v2', v1, v4]);
    const back = await resources.versions(repo, { from: middle.newer!, limit: 2 });
    expect([refs(back), back.older, back.newer]).toEqual(['v5 v4', v3, undefined]);
    expect(refs(await resources.versions(repo, { from: v2!, to: v5! }))).toBe('v2 v3 v4 v5');
  });

  it('are filtered by keys and values', async () => {
    await ids('v1', 'v2');
    expect(refs(await resources.versions(repo, {}, { ref: 'v1' }))).toBe('v1');
    expect(refs(await resources.versions(repo, {}, { ref: 'v1', other: 'x' }))).toBe('');
  });

  it('are disabled and enabled with who and why; the second time is an error', async () => {
    const [v1] = await ids('v1');
    expect(await asked(() => resources.disableVersion(repo, v1!, ann))).toBe(2);
    expect(await resources.version(repo, v1!)).toMatchObject({
      enabled: false,
      disabled_by: 'ann',
      disabled_reason: 'broken',
    });
    await expect(resources.disableVersion(repo, v1!, ann)).rejects.toThrow(ConflictError);
    expect(await asked(() => resources.enableVersion(repo, v1!))).toBe(2);
    await expect(resources.enableVersion(repo, v1!)).rejects.toThrow(ConflictError);
    await expect(resources.disableVersion(repo, 0, ann)).rejects.toThrow(NotFoundError);
  });

  it('know the builds that used and made them', async () => {
    const [v1] = await ids('v1');
    const [build] = await t.db.query<{ id: number }>(
      `insert into builds (team_id, pipeline_id, job_id, name) select 1, $1, $2, '1' returning id`,
      [p.id, p.jobs.test],
    );
    const values = [build!.id, p.jobs.test, repo, v1];
    await t.db.query(
      `insert into build_inputs (build_id, job_id, name, ordinal, resource_id, digest, version, first_occurrence)
       select $1, $2, 'repo', 0, $3, digest, version, true from versions where id = $4`,
      values,
    );
    expect(await resources.inputTo(repo, v1!)).toEqual([build!.id]);
    expect(await resources.outputOf(repo, v1!)).toEqual([]);
  });
});

describe('a pin', () => {
  it('is set by the API, replaced, commented and taken away', async () => {
    const [v1, v2] = await ids('v1', 'v2');
    expect(await asked(() => resources.pin(repo, v1!, ann))).toBe(2);
    expect(await resources.get(repo)).toMatchObject({
      pinned_version: { ref: 'v1' },
      pinned_by: 'ann',
      pin_comment: 'broken',
    });
    await resources.pin(repo, v2!, { by: 'bob' });
    await resources.commentPin(repo, 'until monday');
    expect(await resources.get(repo)).toMatchObject({
      pinned_version: { ref: 'v2' },
      pinned_by: 'bob',
      pin_comment: 'until monday',
    });
    expect(await asked(() => resources.unpin(repo))).toBe(2);
    expect(await resources.get(repo)).not.toHaveProperty('pinned_version');
    await expect(resources.unpin(repo)).rejects.toThrow('resource "repo" is not pinned');
    await expect(resources.commentPin(repo, 'x')).rejects.toThrow('is not pinned');
  });

  it('needs a known version', async () => {
    await expect(resources.pin(repo, 0, ann)).rejects.toThrow(NotFoundError);
  });

  it('of the config is neither replaced nor taken away', async () => {
    await set({ version: { ref: 'v1' } });
    const [, v2] = await ids('v1', 'v2');
    await expect(resources.pin(repo, v2!, ann)).rejects.toThrow(/pinned in the pipeline's config/);
    await expect(resources.unpin(repo)).rejects.toThrow(/pinned in the pipeline's config/);
    expect(await resources.get(repo)).toMatchObject({ pinned_version: { ref: 'v1' }, pinned_in_config: true });
  });
});

describe('a check that is asked for', () => {
  it('is a started build of its own, with the version to start from', async () => {
    const id = await checks.requestCheck(repo, { ...ann, from: { ref: 'v1' } });
    const [build] = await t.db.query(`select name, status, resource_id, created_by, plan from builds where id = $1`, [
      id,
    ]);
    expect(build).toMatchObject({
      name: 'check',
      status: 'started',
      resource_id: repo,
      created_by: 'ann',
      plan: { step: { kind: 'check', resource: 'repo', from: { ref: 'v1' } } },
    });
  });

  it('is refused while the resource or its pipeline is paused, saying by whom and why', async () => {
    await resources.pause(repo, ann);
    await expect(checks.requestCheck(repo, ann)).rejects.toThrow(
      'resource "repo" is paused by ann (broken); unpause it to check it',
    );
    await resources.unpause(repo);
    await t.db.query(`update pipelines set paused = true where id = $1`, [p.id]);
    await expect(checks.requestCheck(repo, ann)).rejects.toThrow(/is paused, so its resources are not checked/);
  });

  it('by webhook knows a token that a var stands for, and never takes the var itself', async () => {
    mkdirSync(path.join(varsDir, 'main'));
    writeFileSync(path.join(varsDir, 'main', 'hook'), 'the-token\n');
    await set({ webhook_token: '((hook))' });
    expect(await checks.requestCheckByWebhook(repo, 'the-token')).toBeGreaterThan(0);
    await set({ webhook_token: '((gone))' });
    await expect(checks.requestCheckByWebhook(repo, '((gone))')).rejects.toMatchObject({ status: 401 });
  });

  it('by webhook needs the right token and joins a check that runs', async () => {
    await set({ webhook_token: 'secret' });
    await expect(checks.requestCheckByWebhook(repo, undefined)).rejects.toMatchObject({ status: 400 });
    await expect(checks.requestCheckByWebhook(repo, 'wrong')).rejects.toMatchObject({ status: 401 });
    const id = await checks.requestCheckByWebhook(repo, 'secret');
    expect(await checks.requestCheckByWebhook(repo, 'secret')).toBe(id);
    await set();
    await expect(checks.requestCheckByWebhook(repo, '')).rejects.toMatchObject({ status: 400 });
    await expect(checks.requestCheckByWebhook(repo, 'x')).rejects.toMatchObject({ status: 401 });
  });
});

describe('a job', () => {
  it('is shown with what it gets and puts', async () => {
    const jobs = new JobsService(t.db);
    await expect(jobs.find(p.id, 'tset')).rejects.toThrow('did you mean "test"?');
    expect(await jobs.get(p.jobs.after!)).toMatchObject({
      name: 'after',
      teamName: 'main',
      hasNewInputs: false,
      inputs: [{ name: 'repo', resource: 'repo', trigger: false, passed: ['test'] }],
      outputs: [{ name: 'repo', resource: 'repo' }],
      groups: [],
      nextBuild: undefined,
    });
    expect((await jobs.list(p.id)).map((job) => job.name)).toEqual(['test', 'after']);
    await expect(jobs.nextInputs(p.jobs.test!)).rejects.toThrow('the inputs of the job are not determined');
  });
});
