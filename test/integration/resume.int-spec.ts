import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BuildsService } from '../../src/builds/index.js';
import type { BuildId, PipelineConfig, PlanNode } from '../../src/model/index.js';
import { startBuild } from '../../src/persistence/index.js';
import { eventFaults, outputLines, stepNames } from '../support/build-scenarios.js';
import { dyingDb } from '../support/dying-db.js';
import { EngineWorld, gates } from '../support/engine-world.js';

let world: EngineWorld;
let service: BuildsService;
let epoch = 1;
beforeAll(async () => {
  world = await EngineWorld.create();
  service = new BuildsService(world.db, world.artifacts);
});
afterAll(() => world.close());

const task = (name: string, run: string, more = ''): string =>
  `{task: ${name}, config: {platform: linux, run: {path: ${run.split(' ')[0]}, args: [${run.split(' ').slice(1).join(', ')}]}${more}}}`;
const yaml = (gate: string): string => `
  resources: [{name: repo, type: scripted, source: {}}, {name: made, type: scripted, source: {}}]
  jobs: [{name: j, plan: [
    {get: repo},
    ${task('make', 'write out/f hello', ', outputs: [{name: out}]')},
    {put: made, params: {ref: v7}},
    {load_var: word, file: out/f},
    {in_parallel: [${task('left', 'print left')}, ${task('right', `needs ${gate}`)}]},
    ${task('show', 'cat out/f', ', inputs: [{name: out}]')},
    ${task('say', 'print ((.:word))')}]}]`;

interface Failed {
  readonly id: BuildId;
  readonly plan: PlanNode;
  readonly pipeline: { readonly id: number; readonly config: PipelineConfig };
}

async function failedBuild(gate: string): Promise<Failed> {
  const pipeline = await world.pipeline(yaml(gate));
  const build = await world.start(pipeline);
  const engine = world.engine(epoch++);
  engine.start();
  expect(await world.finished(build.id)).toBe('failed');
  await engine.stop();
  return { ...build, pipeline };
}

/** As the scheduler starts it: with the inputs of the original. */
const start = (id: BuildId, plan: PlanNode): Promise<void> =>
  world.db.tx(async (tx) => {
    await tx.query(
      `insert into build_inputs (build_id, job_id, name, ordinal, resource_id, digest, version, first_occurrence)
       select b.id, b.job_id, i.name, i.ordinal, i.resource_id, i.digest, i.version, false
       from builds b join build_inputs i on i.build_id = b.rerun_of where b.id = $1`,
      [id],
    );
    await startBuild(tx, id, plan);
  });

async function artifactsOf(id: BuildId): Promise<number> {
  return (await world.artifacts.list()).filter(({ ref }) => ref.id.startsWith(`b${id}-s`)).length;
}

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'no error',
    (error: { code: string }) => error.code,
  );

describe('resuming a failed build', () => {
  it('takes over what ended well, with what it made, and runs the rest', async () => {
    const failed = await failedBuild('g1');
    world.begun.length = 0;
    world.resourceCalls.length = 0;
    const resumed = await service.resumeBuild(failed.id, 'ann');
    expect(resumed).toMatchObject({ name: '1.1', status: 'pending', rerunOf: { id: failed.id }, createdBy: 'ann' });
    gates.add('g1');
    await start(resumed.id, failed.plan);
    const engine = world.engine(epoch++);
    engine.start();
    expect(await world.finished(resumed.id)).toBe('succeeded');
    await engine.stop();
    expect(world.begun).toHaveLength(3);
    expect(world.resourceCalls).toEqual([]);
    const events = await world.events(resumed.id);
    expect(eventFaults(events)).toEqual([]);
    const lines = outputLines(events, stepNames(failed.plan, events));
    // Both say hello, which load_var has hidden: the step that is taken over still hides it.
    expect(lines).toContain('show: ((redacted))');
    expect(lines).toContain('say: ((redacted))');
    expect(lines).not.toContain('left: left');
    expect(lines).toContain(`left: done by build ${failed.id}, which this one resumes`);
    const outputs = await world.db.query(`select name, version from build_outputs where build_id = $1`, [resumed.id]);
    expect(outputs).toEqual([{ name: 'made', version: { ref: 'v7' } }]);
  });

  it('goes on after a restart, and can be resumed itself', async () => {
    const failed = await failedBuild('g2');
    const second = await service.resumeBuild(failed.id);
    await start(second.id, failed.plan);
    for (let n = 0; n < 3; n++) {
      const engine = world.engine(epoch++);
      engine.start();
      await engine.runOnce();
      await engine.stop();
    }
    const engine = world.engine(epoch++);
    engine.start();
    expect(await world.finished(second.id)).toBe('failed');
    gates.add('g2');
    const third = await service.resumeBuild(second.id);
    expect(third.name).toBe('1.2');
    await start(third.id, failed.plan);
    expect(await world.finished(third.id)).toBe('succeeded');
    expect(outputLines(await world.events(third.id), stepNames(failed.plan, []))).toContain('say: ((redacted))');
    await engine.stop();
  });

  it('is the same when its server is killed after any of its transactions', async () => {
    const failed = await failedBuild('g6');
    gates.add('g6');
    let died = 0;
    for (let transactions = 1; died === transactions - 1; transactions++) {
      world.begun.length = 0;
      const { id } = await service.resumeBuild(failed.id);
      await start(id, failed.plan);
      const { db, isDead } = dyingDb(world.db, transactions);
      const first = world.engine(epoch++, { db });
      first.start();
      await world.until(async () => isDead() || (await world.status(id)) !== 'started', 'death or the end');
      if ((await world.status(id)) === 'started') died += 1;
      await first.stop();
      const second = world.engine(epoch++);
      second.start();
      expect(await world.finished(id)).toBe('succeeded');
      await second.stop();
      expect(world.begun).toHaveLength(3);
      const events = await world.events(id);
      expect(eventFaults(events)).toEqual([]);
      const lines = outputLines(events, stepNames(failed.plan, events));
      expect(lines.filter((line) => line.includes('done by build'))).toHaveLength(6);
      const outputs = await world.db.query(`select version from build_outputs where build_id = $1`, [id]);
      expect(outputs).toEqual([{ version: { ref: 'v7' } }]);
    }
    expect(died).toBeGreaterThan(3);
  }, 60_000);

  it('is refused for a build that succeeded or runs, when artifacts are gone, and when the job was changed', async () => {
    gates.add('open');
    const pipeline = await world.pipeline(yaml('open'));
    const { id } = await world.start(pipeline);
    expect(await codeOf(service.resumeBuild(id))).toBe('build-not-failed');
    const engine = world.engine(epoch++);
    engine.start();
    expect(await world.finished(id)).toBe('succeeded');
    await engine.stop();
    expect(await codeOf(service.resumeBuild(id))).toBe('build-not-failed');
    const changed = await failedBuild('g3');
    await world.db.query(`update pipeline_revisions set config = $2 where pipeline_id = $1`, [
      changed.pipeline.id,
      JSON.stringify({ ...changed.pipeline.config, jobs: [{ name: 'j', plan: [{ get: 'repo' }] }] }),
    ]);
    expect(await codeOf(service.resumeBuild(changed.id))).toBe('plan-changed');
    const gone = await failedBuild('g4');
    for (const { ref } of await world.artifacts.list())
      if (ref.id.startsWith(`b${gone.id}-s`)) await world.artifacts.remove(ref);
    expect(await codeOf(service.resumeBuild(gone.id))).toBe('artifacts-gone');
    const reruns = await world.db.query(`select id from builds where rerun_of = any($1)`, [[id, changed.id, gone.id]]);
    expect(reruns).toEqual([]);
  });

  it('ends with the reason when the job was changed before it started', async () => {
    const failed = await failedBuild('g5');
    const resumed = await service.resumeBuild(failed.id);
    const other = await world.start(await world.pipeline(`jobs: [{name: j, plan: [${task('t', 'ok')}]}]`));
    await start(resumed.id, other.plan);
    const engine = world.engine(epoch++);
    engine.start();
    expect(await world.finished(resumed.id)).toBe('errored');
    const [error] = (await world.events(resumed.id)).filter(({ event }) => event === 'error');
    expect(error?.data).toMatchObject({ message: expect.stringContaining('its plan is another one now') });
    await world.finished(other.id);
    await engine.stop();
  });
});

describe('artifacts of builds', () => {
  it('of a success go at once; of a failure after a day, unless a build that is to resume it waits', async () => {
    const [young, old, wanted] = [await failedBuild('h1'), await failedBuild('h2'), await failedBuild('h3')];
    const resumed = await service.resumeBuild(wanted.id);
    for (const { id } of [young, old, wanted]) expect(await artifactsOf(id)).toBeGreaterThan(1);
    await world.db.query(`update builds set ended_at = ended_at - interval '25 hours' where id = any($1)`, [
      [old.id, wanted.id],
    ]);
    const sweep = async (): Promise<void> => {
      const engine = world.engine(epoch++);
      engine.start();
      await engine.runOnce();
      await engine.stop();
    };
    await sweep();
    expect(await artifactsOf(old.id)).toBe(0);
    for (const { id } of [young, wanted]) expect(await artifactsOf(id)).toBeGreaterThan(1);
    gates.add('h3');
    await start(resumed.id, wanted.plan);
    const engine = world.engine(epoch++);
    engine.start();
    expect(await world.finished(resumed.id)).toBe('succeeded');
    await world.until(async () => (await artifactsOf(resumed.id)) === 0, 'the artifacts of the success to go');
    await engine.stop();
    await sweep();
    expect(await artifactsOf(wanted.id)).toBe(0);
  });
});
