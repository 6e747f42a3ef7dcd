import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { pipeline } from '../../resource-types/pipeline/index.js';
import { Checker, CheckingLoop } from '../../src/checking/index.js';
import type { BuildId, FinalStatus, ResourceId, Version } from '../../src/model/index.js';
import {
  createManualBuild,
  createRerun,
  dueChecks,
  finishBuild,
  NotificationListener,
} from '../../src/persistence/index.js';
import { createLogger, Metrics, Settings, systemClock } from '../../src/platform/index.js';
import { parseInput, serverDoor } from '../../src/resources/index.js';
import { credentialsOn } from '../support/credentials.js';
import { eventually } from '../support/eventually.js';
import { insertPipeline, type PipelineRows } from '../support/pipeline-rows.js';
import { stepContext } from '../support/resource-type-contract.js';
import { createTestDb, type TestDb } from '../support/test-db.js';

let t: TestDb;
let dir: string;
let app: PipelineRows;
let count = 0;
const log = createLogger('silent');
const release = { name: 'release', plan: [{ get: 'repo' }] };

beforeAll(async () => {
  t = await createTestDb();
  dir = mkdtempSync(path.join(os.tmpdir(), 'weir-pipeline-type-'));
});
beforeEach(async () => {
  app = await insertPipeline(t.db, 'app', {
    resources: [{ name: 'repo', type: 'mock', source: {} }],
    jobs: [release, { name: 'other', plan: [{ get: 'repo' }] }],
  });
});
afterEach(() => t.db.query(`delete from pipelines`));
afterAll(async () => {
  await t.drop();
  rmSync(dir, { recursive: true, force: true });
});

const settings = () => new Settings({ dataDir: dir, instanceId: `i${++count}`, externalUrl: 'https://ci.example' });
const checker = () =>
  new Checker(
    t.db,
    { get: () => pipeline },
    settings(),
    systemClock,
    log,
    new Metrics(),
    credentialsOn(t.db, settings()),
  );
const source = (more: Record<string, unknown> = {}) =>
  parseInput(pipeline.schema.source, { pipeline: 'app', job: 'release', ...more }, 'source');
const context = (teamName = 'main') => stepContext(dir, { server: serverDoor(t.db, settings(), { teamName }) });
const check = (version?: Version, more: Record<string, unknown> = {}, team?: string) =>
  pipeline.check(context(team), { source: source(more), ...(version && { version }) });
const names = async (...given: Parameters<typeof check>) => (await check(...given)).map((version) => version['build']);

async function build(status: FinalStatus = 'succeeded', job = 'release'): Promise<BuildId> {
  const id = await t.db.tx((tx) => createManualBuild(tx, app.jobs[job]!, 'ann'));
  await end(id, status);
  return id;
}
const end = (id: BuildId, status: FinalStatus = 'succeeded') => t.db.tx((tx) => finishBuild(tx, id, status));
/** A pipeline with a resource that watches app/release. */
async function watcher(config: Record<string, unknown> = {}): Promise<ResourceId> {
  const rows = await insertPipeline(t.db, `watcher${++count}`, {
    resources: [{ name: 'r', type: 'pipeline', source: { pipeline: 'app', job: 'release' }, ...config }],
    jobs: [{ name: 'j', plan: [{ get: 'r', trigger: true }] }],
  });
  return rows.resources.r!;
}
const found = async (id: ResourceId): Promise<string[]> => {
  const rows = await t.db.query<{ build: string }>(
    `select version->>'build' as build from versions v join resources r using (history_id) where r.id = $1 order by check_order`,
    [id],
  );
  return rows.map((row) => row.build);
};
const isDue = async (id: ResourceId): Promise<boolean> =>
  (await t.db.tx((tx) => dueChecks(tx, 100))).some(({ resourceId }) => resourceId === id);

describe('a job as versions', () => {
  it('are its succeeded builds, at first the newest', async () => {
    expect(await check()).toEqual([]);
    await build();
    const id = await build();
    await build('failed');
    await build('succeeded', 'other');
    expect(await check()).toEqual([{ build: '2', id: String(id) }]);
    const [first] = await check({ build: '1' });
    expect(first).toEqual({ build: '1' });
    expect(await names({ build: '1' })).toEqual(['1', '2']);
    expect(await names({ id: '99999999', build: '1' })).toEqual(['2']);
  });

  it('are builds that ended as the source says', async () => {
    for (const status of ['failed', 'succeeded', 'aborted', 'errored'] as const) await build(status);
    expect(await names({ build: '1' }, { status: 'failed' })).toEqual(['1']);
    expect(await names({ build: '1' }, { status: ['failed', 'aborted', 'succeeded'] })).toEqual(['1', '2', '3']);
    expect(await names(undefined, { status: 'errored' })).toEqual(['4']);
  });

  it('come in the order of the job, a rerun behind what it repeats', async () => {
    const first = await build();
    await t.db.query(`update builds set inputs_ready = true where id = $1`, [first]);
    await build();
    await end((await t.db.tx((tx) => createRerun(tx, first, 'ann')))!);
    expect(await names({ build: '1' })).toEqual(['1', '1.1', '2']);
    expect(await names()).toEqual(['2']);
  });

  it('are seen by other teams only when the pipeline is exposed', async () => {
    await build();
    await expect(names(undefined, {}, 'other')).rejects.toMatchObject({
      name: 'ResourceFailure',
      message: "team 'other' has no pipeline 'app'",
    });
    await expect(names(undefined, { team: 'main' }, 'other')).rejects.toThrow("team 'main' exposes no pipeline 'app'");
    await t.db.query(`update pipelines set public = true where id = $1`, [app.id]);
    expect(await names(undefined, { team: 'main' }, 'other')).toEqual(['1']);
    await expect(names(undefined, { team: 'main', instance_vars: { x: 1 } }, 'other')).rejects.toThrow(
      `exposes no pipeline 'app' with instance vars {"x":1}`,
    );
  });

  it('say which job there is not', async () => {
    await expect(names(undefined, { job: 'relaese' })).rejects.toThrow(
      `pipeline 'app' has no job 'relaese'; did you mean "release"?`,
    );
  });
});

describe('the end of a build', () => {
  it('brings the version at once, without an interval', async () => {
    const id = await watcher({ check_every: 'never' });
    const listener = new NotificationListener(t.url, log);
    await listener.start();
    const loop = new CheckingLoop(t.db, listener, checker(), settings(), log);
    await checker().runCheck(id, { signal: new AbortController().signal, log: () => undefined });
    loop.onApplicationBootstrap();
    try {
      for (const n of [1, 2]) {
        await build();
        await eventually('the version is there', async () => (await found(id)).length === n);
      }
      expect(await found(id)).toEqual(['1', '2']);
    } finally {
      await loop.onModuleDestroy();
      await listener.stop();
    }
  });

  it('makes the resource due until a check that began later, even of a server that died', async () => {
    const id = await watcher({ check_every: 'never' });
    const options = { signal: new AbortController().signal, log: () => undefined };
    await checker().runCheck(id, options);
    expect(await isDue(id)).toBe(false);
    await build('succeeded', 'other');
    expect(await isDue(id)).toBe(false);
    await build('failed');
    expect(await isDue(id)).toBe(true);
    const stop = new AbortController();
    stop.abort(new Error('killed'));
    await expect(checker().runCheck(id, { ...options, signal: stop.signal })).rejects.toThrow('killed');
    expect(await isDue(id)).toBe(true);
    await checker().runCheck(id, options);
    expect(await isDue(id)).toBe(false);
  });

  it('does not make a resource due again and again whose check fails', async () => {
    await t.db.query(`update pipelines set public = true where id = $1`, [app.id]);
    const id = await watcher();
    const options = { signal: new AbortController().signal, log: () => undefined };
    await checker().runCheck(id, options);
    await build();
    await t.db.query(`update pipelines set name = 'renamed' where id = $1`, [app.id]);
    await expect(checker().runCheck(id, options)).rejects.toThrow("has no pipeline 'app'");
    expect(await isDue(id)).toBe(false);
  });
});

describe('get and put', () => {
  it('writes the facts of the build, and refuses a put', async () => {
    const id = await build();
    const used = `select $1, $2, 'image', $3, 'd', '{"digest":"sha256:1"}'`;
    await t.db.query(
      `insert into build_inputs (build_id, job_id, name, resource_id, digest, version, ordinal, first_occurrence) ${used}, 0, true`,
      [id, app.jobs.release, app.resources.repo],
    );
    await t.db.query(
      `insert into build_outputs (build_id, name, resource_id, digest, version) values ($1, '../out', $2, 'd', '{"ref":"v2"}')`,
      [id, app.resources.repo],
    );
    const version = (await check())[0]!;
    const folder = mkdtempSync(path.join(dir, 'get-'));
    const fetched = await pipeline.get(context(), { source: source(), params: {}, version, dir: folder });
    expect(fetched.version).toEqual(version);
    const read = (file: string): string => readFileSync(path.join(folder, file), 'utf8');
    expect(['name', 'status', 'job', 'created_by', 'url'].map(read)).toEqual([
      '1',
      'succeeded',
      'release',
      'ann',
      `https://ci.example/builds/${id}`,
    ]);
    expect(JSON.parse(read('inputs/image.json'))).toEqual({ digest: 'sha256:1' });
    expect(JSON.parse(read('outputs/__out.json'))).toEqual({ ref: 'v2' });
    expect(JSON.parse(read('build.json'))).toMatchObject({
      id,
      pipeline: 'app',
      inputs: [{ name: 'image', resource: 'repo', type: 'mock', version: { digest: 'sha256:1' } }],
    });
    await expect(pipeline.put(context(), { source: source(), params: {}, dir: folder })).rejects.toThrow(
      'cannot be put to: its versions are the builds of app/release',
    );
  });
});
