import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { JobId, PipelineConfig, ResourceId } from '../../src/model/index.js';
import { createManualBuild, ensureHistory, readEvents } from '../../src/persistence/index.js';
import {
  InvalidPipelineError,
  parsePipeline,
  PipelinesService,
  type SetPipelineRequest,
} from '../../src/pipelines/index.js';
import { createTestDb, type TestDb } from '../support/test-db.js';

let t: TestDb;
let pipelines: PipelinesService;
let name: string;
let count = 0;
beforeAll(async () => {
  t = await createTestDb();
  pipelines = new PipelinesService(t.db);
});
afterAll(() => t.drop());
beforeEach(() => {
  name = `p${++count}`;
});

const config = (text: string): PipelineConfig => {
  const parsed = parsePipeline(text);
  expect(parsed.problems).toEqual([]);
  return parsed.config!;
};
const BASE = `
resources:
- {name: repo, type: git, source: {uri: x}}
- {name: out, type: mock}
jobs:
- {name: test, plan: [{get: repo, trigger: true}]}
- {name: lint, plan: [{get: repo}]}
- {name: deploy, serial_groups: [a, b], plan: [{get: repo, passed: [test, lint]}, {put: out}]}
`;
const set = (text: string, more: Partial<SetPipelineRequest> = {}) =>
  pipelines.setPipeline({ teamName: 'main', name, by: 'ann', config: config(text), ...more });
const ref = () => ({ teamName: 'main', name });
const rows = async <Row>(sql: string): Promise<Row[]> =>
  t.db.query<Row>(sql.replaceAll(':p', `(select id from pipelines where name = '${name}')`));
const idOf = async (table: 'jobs' | 'resources', item: string): Promise<number> =>
  (await rows<{ id: number }>(`select id from ${table} where pipeline_id = :p and name = '${item}'`))[0]!.id;
const giveHistory = async (resource: string): Promise<number> => {
  const id = (await idOf('resources', resource)) as ResourceId;
  return t.db.tx((tx) => ensureHistory(tx, id, 'digest'));
};
const requests = async (job: string): Promise<number> =>
  (await rows<{ n: number }>(`select schedule_requested as n from jobs where pipeline_id = :p and name = '${job}'`))[0]!
    .n;

describe('setting a pipeline', () => {
  it('creates it paused, with what its jobs ask for', async () => {
    expect(await set(BASE)).toMatchObject({ created: true, changed: true, version: 1 });
    expect(await pipelines.getPipeline(ref())).toMatchObject({ paused: true, pausedBy: 'ann', archived: false });
    const [test, lint] = [await idOf('jobs', 'test'), await idOf('jobs', 'lint')];
    expect(
      await rows(`select j.name as job, i.name, i.trigger, i.passed, to_jsonb(i.passed_job_ids) as ids, i.version from job_inputs i
        join jobs j on j.id = i.job_id where j.pipeline_id = :p order by j.id`),
    ).toEqual([
      { job: 'test', name: 'repo', trigger: true, passed: null, ids: [], version: null },
      { job: 'lint', name: 'repo', trigger: false, passed: null, ids: [], version: null },
      {
        job: 'deploy',
        name: 'repo',
        trigger: false,
        passed: { all: [{ job: test }, { job: lint }] },
        ids: [test, lint],
        version: null,
      },
    ]);
    expect(
      await rows(`select o.name from job_outputs o join jobs j on j.id = o.job_id where j.pipeline_id = :p`),
    ).toEqual([{ name: 'out' }]);
    expect(await rows(`select name from job_serial_groups where pipeline_id = :p order by 1`)).toEqual([
      { name: 'a' },
      { name: 'b' },
    ]);
    expect(await rows(`select name, max_in_flight as n from jobs where pipeline_id = :p order by id`)).toEqual([
      { name: 'test', n: null },
      { name: 'lint', n: null },
      { name: 'deploy', n: 1 },
    ]);
  });

  it('changes nothing for the same config', async () => {
    await set(BASE);
    const before = await requests('test');
    expect(await set(BASE)).toMatchObject({ created: false, changed: false, version: 1, changes: [] });
    expect(await requests('test')).toBe(before);
    expect(await pipelines.listRevisions(ref())).toHaveLength(1);
  });

  it('keeps every revision and says what changed', async () => {
    await set(BASE);
    const { changes, version } = await set(BASE.replace('name: lint,', 'name: lint, serial: true,'));
    expect(version).toBe(2);
    expect(changes.map(({ kind, section, name: item }) => [kind, section, item])).toEqual([
      ['changed', 'jobs', 'lint'],
    ]);
    expect((await pipelines.listRevisions(ref())).map((revision) => revision.version)).toEqual([2, 1]);
    expect((await pipelines.getConfig(ref(), 1)).config).toEqual(config(BASE));
    expect(await rows(`select name from job_serial_groups where pipeline_id = :p order by 1`)).toContainEqual({
      name: 'lint',
    });
    expect(await requests('test')).toBeGreaterThan(1);
  });

  it('refuses an unexpected version and changes nothing', async () => {
    await set(BASE, { expectedVersion: 0 });
    await expect(set(BASE.replace('uri: x', 'uri: y'), { expectedVersion: 0 })).rejects.toMatchObject({
      code: 'config-version',
    });
    expect((await pipelines.getConfig(ref())).version).toBe(1);
    expect(await set(BASE.replace('uri: x', 'uri: y'), { expectedVersion: 1 })).toMatchObject({ version: 2 });
  });

  it('refuses an invalid config', async () => {
    const broken = { ...config(BASE), resources: [] };
    await expect(pipelines.setPipeline({ ...ref(), by: 'ann', config: broken })).rejects.toBeInstanceOf(
      InvalidPipelineError,
    );
    await expect(pipelines.getPipeline(ref())).rejects.toMatchObject({ status: 404 });
  });

  it('keeps the identity of renamed items, swaps included', async () => {
    await set(BASE);
    const [test, lint, repo] = [
      await idOf('jobs', 'test'),
      await idOf('jobs', 'lint'),
      await idOf('resources', 'repo'),
    ];
    const renamed = BASE.replace('{name: test,', '{name: TMP, old_name: test,')
      .replace('{name: lint,', '{name: test, old_name: lint,')
      .replace('TMP', 'lint')
      .replace('{name: repo,', '{name: code, old_name: repo,')
      .replaceAll('get: repo', 'get: repo, resource: code');
    await set(renamed);
    expect([await idOf('jobs', 'lint'), await idOf('jobs', 'test'), await idOf('resources', 'code')]).toEqual([
      test,
      lint,
      repo,
    ]);
    // The same names again, with old_name still in the file, move nothing.
    await set(`${renamed}display: {background_filter: none}`);
    expect(await idOf('resources', 'code')).toBe(repo);
  });

  it('lets vanished items sleep and wakes them when they come back', async () => {
    await set(BASE);
    const lint = await idOf('jobs', 'lint');
    await set(BASE.replace(/- {name: lint.*\n/, '').replace('[test, lint]', '[test]'));
    expect(await rows(`select name from jobs where pipeline_id = :p and active order by id`)).toEqual([
      { name: 'test' },
      { name: 'deploy' },
    ]);
    await set(BASE);
    expect(await idOf('jobs', 'lint')).toBe(lint);
    expect(await rows(`select id from jobs where id = ${lint} and active`)).toHaveLength(1);
  });

  it('drops the history of a resource whose source or type changed, and only then', async () => {
    await set(BASE);
    const [repo, out] = [await giveHistory('repo'), await giveHistory('out')];
    await set(BASE.replace('type: git,', 'type: git, check_every: 5m,'));
    expect(await rows(`select history_id as id from resources where pipeline_id = :p order by name desc`)).toEqual([
      { id: repo },
      { id: out },
    ]);
    await set(BASE.replace('uri: x', 'uri: y'));
    expect(await rows(`select history_id as id from resources where pipeline_id = :p order by name desc`)).toEqual([
      { id: null },
      { id: out },
    ]);
    expect(await t.db.query(`select id from histories where id = $1`, [repo])).toEqual([]);
  });

  it('lets config pins replace API pins, and API pins survive otherwise', async () => {
    await set(BASE);
    for (const resource of ['repo', 'out']) {
      const id = await idOf('resources', resource);
      await t.db.query(
        `insert into pins (resource_id, version, origin, comment) values ($1, '{"ref": "api"}', 'api', 'why')`,
        [id],
      );
    }
    await set(BASE.replace('source: {uri: x}', 'source: {uri: x}, version: {ref: c}'));
    const pins = `select r.name, p.version, p.origin from pins p join resources r on r.id = p.resource_id where r.pipeline_id = :p order by r.id`;
    expect(await rows(pins)).toEqual([
      { name: 'repo', version: { ref: 'c' }, origin: 'config' },
      { name: 'out', version: { ref: 'api' }, origin: 'api' },
    ]);
    await set(BASE);
    expect(await rows(pins)).toEqual([{ name: 'out', version: { ref: 'api' }, origin: 'api' }]);
  });

  it('makes two sets of one new pipeline follow each other', async () => {
    const texts = ['x', 'y', 'z'].map((uri) => BASE.replace('uri: x', `uri: ${uri}`));
    const results = await Promise.all(texts.map((text) => set(text)));
    expect(results.filter((result) => result.created)).toHaveLength(1);
    expect(results.map((result) => result.version).sort()).toEqual([1, 2, 3]);
  });

  it('lets one of two sets win that expect the same version', async () => {
    await set(BASE);
    const results = await Promise.allSettled(
      ['y', 'z'].map((uri) => set(BASE.replace('uri: x', `uri: ${uri}`), { expectedVersion: 1 })),
    );
    expect(results.map((result) => result.status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('tells instances of one name apart', async () => {
    await set(BASE, { instanceVars: { branch: 'a', n: 1 } });
    await set(BASE, { instanceVars: { n: 1, branch: 'a' } });
    await set(BASE);
    expect((await pipelines.listPipelines('main')).filter((pipeline) => pipeline.name === name)).toHaveLength(2);
  });
});

describe('the life of a pipeline', () => {
  it('ends what waits for a job that is removed, and says why', async () => {
    await set(BASE);
    const job = (await idOf('jobs', 'deploy')) as JobId;
    const build = await t.db.tx((tx) => createManualBuild(tx, job, 'ann'));
    await set(BASE.replace(/- {name: deploy.*\n/, '').replace(/- {name: out.*\n/, ''));
    const events = await readEvents(t.db, build, 0, 10);
    expect(
      events.map(({ event, data }) => [event, 'message' in data ? data.message : 'status' in data && data.status]),
    ).toEqual([
      ['error', "job 'deploy' was removed from the pipeline before this build started"],
      ['status', 'aborted'],
    ]);
  });

  it('records who paused it, when and why, and schedules on unpausing', async () => {
    await set(BASE, { paused: false });
    await pipelines.pausePipeline(ref(), { by: 'bob', reason: 'freeze' });
    expect(await pipelines.getPipeline(ref())).toMatchObject({
      paused: true,
      pausedBy: 'bob',
      pauseReason: 'freeze',
      pausedAt: expect.any(Date),
    });
    const before = await requests('test');
    await pipelines.unpausePipeline(ref());
    await pipelines.unpausePipeline(ref());
    expect(await requests('test')).toBe(before + 1);
    expect(await pipelines.getPipeline(ref())).not.toHaveProperty('pausedBy');
  });

  it('pauses one job and names near ones for an unknown job', async () => {
    await set(BASE);
    await pipelines.pauseJob({ ...ref(), job: 'test' }, { by: 'bob', reason: 'broken' });
    expect(await rows(`select name, pause_reason as why from jobs where pipeline_id = :p and paused`)).toEqual([
      { name: 'test', why: 'broken' },
    ]);
    await pipelines.unpauseJob({ ...ref(), job: 'test' });
    expect(await rows(`select name from jobs where pipeline_id = :p and paused`)).toEqual([]);
    await expect(pipelines.pauseJob({ ...ref(), job: 'tset' }, { by: 'bob' })).rejects.toThrow('did you mean "test"?');
  });

  it('archives, and comes back paused or not as whoever sets it says', async () => {
    await set(BASE, { paused: false });
    await pipelines.archivePipeline(ref(), { by: 'bob' });
    expect(await pipelines.getPipeline(ref())).toMatchObject({ archived: true, paused: true });
    await expect(pipelines.getConfig(ref())).rejects.toMatchObject({ status: 404 });
    await expect(pipelines.unpausePipeline(ref())).rejects.toMatchObject({ code: 'pipeline-archived' });
    expect(await set(BASE, { expectedVersion: 0 })).toMatchObject({ changed: true, version: 2 });
    expect(await pipelines.getPipeline(ref())).toMatchObject({ archived: false, paused: true });
    await pipelines.archivePipeline(ref(), { by: 'bob' });
    await set(BASE, { paused: false });
    expect(await pipelines.getPipeline(ref())).toMatchObject({ archived: false, paused: false });
  });

  it('destroys everything that belongs to it', async () => {
    await set(BASE);
    const history = await giveHistory('repo');
    await pipelines.destroyPipeline(ref());
    expect(await t.db.query(`select id from histories where id = $1`, [history])).toEqual([]);
    await expect(pipelines.destroyPipeline(ref())).rejects.toMatchObject({ status: 404 });
  });

  it('renames every instance and refuses a taken name', async () => {
    await set(BASE);
    await set(BASE, { instanceVars: { a: 1 } });
    await pipelines.renamePipeline(ref(), `${name}-new`);
    const other = name;
    name = `${name}-new`;
    expect(await pipelines.getPipeline({ ...ref(), instanceVars: { a: 1 } })).toBeDefined();
    await pipelines.setPipeline({ teamName: 'main', name: other, by: 'ann', config: config(BASE) });
    await expect(pipelines.renamePipeline(ref(), other)).rejects.toMatchObject({ code: 'name-taken' });
    await expect(pipelines.renamePipeline(ref(), 'a/b')).rejects.toMatchObject({ code: 'invalid-name' });
  });

  it('orders pipelines', async () => {
    await set(BASE);
    await pipelines.orderPipelines('main', [name]);
    expect((await pipelines.listPipelines('main'))[0]!.name).toBe(name);
    await expect(pipelines.orderPipelines('main', ['none'])).rejects.toMatchObject({ code: 'unknown-pipeline' });
  });
});
