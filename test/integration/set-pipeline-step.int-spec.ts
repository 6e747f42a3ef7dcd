import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { BuildId, PipelineConfig } from '../../src/model/index.js';
import { ChildrenLoop, PipelinesService, parsePipeline } from '../../src/pipelines/index.js';
import { outputLines } from '../support/build-scenarios.js';
import { EngineWorld, silent } from '../support/engine-world.js';

let world: EngineWorld;
let pipelines: PipelinesService;
beforeAll(async () => {
  world = await EngineWorld.create();
  world.engine(1).start();
  pipelines = new PipelinesService(world.db);
});
afterAll(() => world.close());

type Parent = Awaited<ReturnType<EngineWorld['pipeline']>>;

const CHILD = 'jobs: [{name: made, plan: [{task: t, config: {platform: linux, run: {path: ok}}}]}]';
/** A parent whose job gets the files and does the steps. */
const parentWith = (steps: string, files: Record<string, string> = { 'p.yml': CHILD }): string => `
resources: [{name: repo, type: scripted}]
jobs:
- name: job
  plan: [{get: repo, params: {files: ${JSON.stringify(files)}}}, ${steps}]
`;
const config = (text: string): PipelineConfig => {
  const parsed = parsePipeline(text);
  expect(parsed.problems).toEqual([]);
  return parsed.config!;
};
const build = async (parent: Parent): Promise<{ id: BuildId; status: string; lines: string[]; changed: unknown[] }> => {
  const { id } = await world.start(parent);
  const status = await world.finished(id);
  const events = await world.events(id);
  const changed = events.flatMap(({ data }) => ('changed' in data ? [data.changed] : []));
  return { id, status, lines: outputLines(events, () => '').map((line) => line.replace(/^: /, '')), changed };
};
const archiveAbandoned = (): Promise<void> => new ChildrenLoop(world.db, world.listener, pipelines, silent).runOnce();
const child = (name: string, instanceVars?: Record<string, string>) =>
  pipelines.getPipeline({ teamName: 'main', name, instanceVars });
const nameOf = async ({ id }: Parent): Promise<string> =>
  (await world.db.query<{ name: string }>(`select name from pipelines where id = $1`, [id]))[0]!.name;

describe('set_pipeline', () => {
  it('creates the pipeline unpaused and shows the difference; again, it says that nothing changed', async () => {
    const parent = await world.pipeline(parentWith('{set_pipeline: fresh, file: repo/p.yml}'));
    const first = await build(parent);
    expect(first).toMatchObject({ status: 'succeeded', changed: [true] });
    expect(first.lines).toContain('job made added');
    expect(first.lines).toContain('+ name: made');
    expect(await child('fresh')).toMatchObject({ paused: false, archived: false });
    expect(await build(parent)).toMatchObject({
      status: 'succeeded',
      changed: [false],
      lines: ['no changes to apply.'],
    });
  });

  it('leaves a paused pipeline paused', async () => {
    const parent = await world.pipeline(parentWith('{set_pipeline: paused, file: repo/p.yml}'));
    await build(parent);
    await pipelines.pausePipeline({ teamName: 'main', name: 'paused' }, { by: 'ann' });
    const changed = config(
      parentWith('{set_pipeline: paused, file: repo/p.yml}', { 'p.yml': CHILD.replace('made', 'other') }),
    );
    await build({ ...parent, config: changed });
    expect(await child('paused')).toMatchObject({ paused: true, pausedBy: 'ann', configVersion: 2 });
  });

  it('brings an archived pipeline back, unpaused', async () => {
    const parent = await world.pipeline(parentWith('{set_pipeline: back, file: repo/p.yml}'));
    await build(parent);
    await pipelines.archivePipeline({ teamName: 'main', name: 'back' }, { by: 'ann' });
    await build(parent);
    expect(await child('back')).toMatchObject({ paused: false, archived: false });
  });

  it('takes instance vars before vars, and vars before the first var file, and that before the second', async () => {
    const text = 'jobs: [{name: "[[a]]-[[b]]-[[c]]-[[d]]-[[e]]"}]';
    const files = { 'p.yml': text, '1.yml': '{a: f1, b: f1, c: f1}', '2.yml': '{a: f2, b: f2, c: f2, d: f2}' };
    const steps = `{set_pipeline: order, file: repo/p.yml, instance_vars: {a: i}, vars: {a: v, b: v}, var_files: [repo/1.yml, repo/2.yml]}`;
    await build(await world.pipeline(parentWith(steps, files)));
    const { config: set } = await pipelines.getConfig({ teamName: 'main', name: 'order', instanceVars: { a: 'i' } });
    expect(set.jobs[0]!.name).toBe('i-v-f1-f2-((e))');
  });

  it('tells the warnings of the config and of the name', async () => {
    const text = 'jobs: [{name: Upper, plan: [{task: t, config: {platform: linux, run: {path: ok}}}]}]';
    const { status, lines } = await build(
      await world.pipeline(parentWith('{set_pipeline: Named, file: repo/p.yml}', { 'p.yml': text })),
    );
    expect(status).toBe('succeeded');
    expect(lines.filter((line) => line.startsWith('WARNING')).join('\n')).toMatch(/'Named'.*\n.*'Upper'/);
  });

  it('sets its own pipeline as `self`, whatever team is named, and never archives it for that', async () => {
    const steps = '{set_pipeline: self, file: repo/p.yml, team: nowhere}';
    const parent = await world.pipeline(parentWith(steps));
    const name = await nameOf(parent);
    expect(await build(parent)).toMatchObject({ status: 'succeeded' });
    expect((await pipelines.getConfig({ teamName: 'main', name })).config.jobs[0]!.name).toBe('made');
    await archiveAbandoned();
    expect(await child(name)).toMatchObject({ archived: false });
  });

  it('may set pipelines of another team only from the team main', async () => {
    await world.db.query(`insert into teams (name) values ('others')`);
    const steps = '{set_pipeline: elsewhere, file: repo/p.yml, team: others}';
    const parent = await world.pipeline(parentWith(steps));
    expect(await build(parent)).toMatchObject({ status: 'succeeded' });
    expect(await pipelines.getPipeline({ teamName: 'others', name: 'elsewhere' })).toMatchObject({ paused: false });
    await world.db.query(`update pipelines set team_id = (select id from teams where name = 'others') where id = $1`, [
      parent.id,
    ]);
    const outside = await world.pipeline(parentWith('{set_pipeline: elsewhere, file: repo/p.yml, team: main}'));
    await world.db.query(`update pipelines set team_id = (select id from teams where name = 'others') where id = $1`, [
      outside.id,
    ]);
    expect(await build(outside)).toMatchObject({ status: 'errored' });
    await expect(child('elsewhere')).rejects.toThrow("has no pipeline 'elsewhere'");
  });

  it('of an older build only warns when a newer build has set the pipeline', async () => {
    const parent = await world.pipeline(parentWith('{set_pipeline: race, file: repo/p.yml}'));
    const { id } = await build(parent);
    await world.db.query(`update pipelines set parent_build_id = $1 where name = 'race'`, [id + 1_000]);
    const other = config(
      parentWith('{set_pipeline: race, file: repo/p.yml}', { 'p.yml': CHILD.replace('made', 'old') }),
    );
    expect(await build({ ...parent, config: other })).toMatchObject({
      status: 'succeeded',
      changed: [false],
      lines: ['WARNING: the pipeline was not saved because it was already saved by a newer build'],
    });
    expect((await pipelines.getConfig({ teamName: 'main', name: 'race' })).config.jobs[0]!.name).toBe('made');
  });
});

describe('a pipeline that a job had set', () => {
  const TWO = '{set_pipeline: NAME-a, file: repo/p.yml}, {set_pipeline: NAME-b, file: repo/p.yml}';
  const ONE = '{set_pipeline: NAME-a, file: repo/p.yml}';
  const family = async (name: string): Promise<Parent> => {
    const parent = await world.pipeline(parentWith(TWO.replaceAll('NAME', name)));
    expect(await build(parent)).toMatchObject({ status: 'succeeded' });
    await archiveAbandoned();
    expect(await child(`${name}-b`)).toMatchObject({ archived: false });
    return parent;
  };

  it('is archived when a later successful build of the job did not set it', async () => {
    const parent = await family('later');
    await build({ ...parent, config: config(parentWith(ONE.replace('NAME', 'later'))) });
    await archiveAbandoned();
    expect(await child('later-a')).toMatchObject({ archived: false, paused: false });
    expect(await child('later-b')).toMatchObject({ archived: true, pausedBy: 'set_pipeline' });
    await build(parent);
    expect(await child('later-b')).toMatchObject({ archived: false, paused: false });
  });

  it('stays when the later build failed', async () => {
    const parent = await family('failed');
    const failing = `${ONE.replace('NAME', 'failed')}, {task: t, config: {platform: linux, run: {path: fail}}}`;
    expect(await build({ ...parent, config: config(parentWith(failing)) })).toMatchObject({ status: 'failed' });
    await archiveAbandoned();
    expect(await child('failed-b')).toMatchObject({ archived: false });
  });

  it('stays when a rerun of an older build did not set it', async () => {
    const parent = await world.pipeline(parentWith(ONE.replace('NAME', 'rerun')));
    const older = await build(parent);
    await build({ ...parent, config: config(parentWith(TWO.replaceAll('NAME', 'rerun'))) });
    const rerun = await build(parent);
    await world.db.query(`update builds set rerun_of = $2, rerun_number = 1 where id = $1`, [rerun.id, older.id]);
    await archiveAbandoned();
    expect(await child('rerun-b')).toMatchObject({ archived: false });
  });

  it('stays when somebody has set it by hand since', async () => {
    const parent = await family('hand');
    await pipelines.setPipeline({ teamName: 'main', name: 'hand-b', by: 'ann', config: config(CHILD) });
    await build({ ...parent, config: config(parentWith(ONE.replace('NAME', 'hand'))) });
    await archiveAbandoned();
    expect(await child('hand-b')).toMatchObject({ archived: false });
  });

  it.each([
    [
      'its job leaves the config',
      (name: string) =>
        pipelines.setPipeline({ teamName: 'main', name, by: 'ann', config: config('jobs: [{name: other}]') }),
    ],
    ['its parent is archived', (name: string) => pipelines.archivePipeline({ teamName: 'main', name }, { by: 'ann' })],
    ['its parent is destroyed', (name: string) => pipelines.destroyPipeline({ teamName: 'main', name })],
  ])('is archived when %s', async (how, change) => {
    const name = how.split(' ').at(-1)!;
    const parent = await family(name);
    await change(await nameOf(parent));
    await archiveAbandoned();
    expect(await child(`${name}-a`)).toMatchObject({ archived: true });
  });

  it('is archived soon, without waiting for a tick', async () => {
    const loop = new ChildrenLoop(world.db, world.listener, pipelines, silent);
    loop.onApplicationBootstrap();
    const parent = await family('soon');
    await build({ ...parent, config: config(parentWith(ONE.replace('NAME', 'soon'))) });
    await world.until(async () => (await child('soon-b')).archived, 'the archived child');
    await loop.onModuleDestroy();
  });
});
