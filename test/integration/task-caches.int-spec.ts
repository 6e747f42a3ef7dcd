import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { BuildTracker } from '../../src/builds/index.js';
import type { BuildId, JobId, PlanNode } from '../../src/model/index.js';
import {
  allTaskCacheIds,
  askForSlot,
  finishBuild,
  forgetEndedTaskCaches,
  freeSlot,
  taskCacheIds,
  type WantedCache,
} from '../../src/persistence/index.js';
import { HostRuntime } from '../../src/runtime/index.js';
import { outputLines, stepNames } from '../support/build-scenarios.js';
import { EngineWorld } from '../support/engine-world.js';

let world: EngineWorld;
beforeAll(async () => {
  world = await EngineWorld.create();
});
beforeEach(() => world.db.query(`delete from pipelines`));
afterAll(() => world.close());

/** As if nobody had touched the caches for so long. */
const age = (interval: string): Promise<unknown> =>
  world.db.query(`update task_caches set used_at = now() - $1::interval`, [interval]);
const ids = (): Promise<number[]> => allTaskCacheIds(world.db);

describe('a cache of a task', () => {
  let pipeline: Awaited<ReturnType<EngineWorld['pipeline']>>;
  let job: JobId;
  beforeEach(async () => {
    pipeline = await world.pipeline(`jobs: [{name: j, plan: [{task: t, config: {platform: linux, run: {path: ok}}}]}]`);
    [{ id: job }] = (await world.db.query<{ id: JobId }>(`select id from jobs`)) as [{ id: JobId }];
  });

  /** A step that has a place, in a build of its own. */
  const step = async (): Promise<BuildId> => {
    const { id } = await world.start(pipeline);
    await world.db.tx((tx) => askForSlot(tx, { buildId: id, stepId: '1' }, { noRuntimeBecause: 'of no matter' }));
    return id;
  };
  const ask = async (buildId: BuildId, ...caches: WantedCache[]): Promise<number[]> => {
    const user = { buildId, stepId: '1' };
    const found = await world.db.tx((tx) => taskCacheIds(tx, user, { jobId: job, stepName: 't' }, caches));
    return [...caches].sort((a, b) => a.path.localeCompare(b.path)).map((cache) => found.get(cache.path)!);
  };
  const free = (buildId: BuildId): Promise<void> => world.db.tx((tx) => freeSlot(tx, { buildId, stepId: '1' }));
  const sweep = (): Promise<void> => world.db.tx((tx) => forgetEndedTaskCaches(tx));
  /** What a step gets that is over at once. */
  const used = async (cache: WantedCache): Promise<number | undefined> => {
    const build = await step();
    const [id] = await ask(build, cache);
    await free(build);
    return id;
  };

  it('is another one when its ttl has passed since its last use', async () => {
    const cache = { path: 'deps', ttlMs: 10_000 };
    const first = await used(cache);
    await age('9 s');
    expect(await used(cache)).toBe(first);
    await age('9 s');
    await sweep();
    expect(await ids()).toEqual([first]);
    await age('11 s');
    const second = await used(cache);
    expect(second).not.toBe(first);
    expect(await ids()).toEqual([second]);
    await age('11 s');
    await sweep();
    expect(await ids()).toEqual([]);
  });

  it('without a ttl never ends', async () => {
    const first = await used({ path: 'deps' });
    await age('10 years');
    await sweep();
    expect(await used({ path: 'deps' })).toBe(first);
  });

  it('has the ttl with which it was used last', async () => {
    const first = await used({ path: 'deps', ttlMs: 10_000 });
    expect(await used({ path: 'deps' })).toBe(first);
    await age('1 hour');
    expect(await used({ path: 'deps', ttlMs: 1000 })).toBe(first);
    await age('2 s');
    await sweep();
    expect(await ids()).toEqual([]);
  });

  it('may have a ttl longer than any calendar', async () => {
    const first = await used({ path: 'deps', ttlMs: Number.MAX_SAFE_INTEGER });
    await sweep();
    expect(await ids()).toEqual([first]);
  });

  it('does not end while a step has it, however long that runs and whoever else asks', async () => {
    const cache = { path: 'deps', ttlMs: 1000 };
    const [long, short] = [await step(), await step()];
    const first = await ask(long, cache);
    await age('1 day');
    await sweep();
    expect(await ask(long, cache)).toEqual(first); // as after a restart of its server
    await age('1 day');
    expect(await ask(short, cache)).toEqual(first);
    await free(short);
    await age('1 day');
    await sweep();
    expect(await ids()).toEqual(first);
  });

  it.each<[string, (build: BuildId) => Promise<unknown>]>([
    ['step', free],
    ['build', (build) => world.db.tx((tx) => finishBuild(tx, build, 'aborted'))],
  ])('has its whole time from the end of the %s', async (_, end) => {
    const build = await step();
    const first = await ask(build, { path: 'deps', ttlMs: 60_000 });
    await age('1 day');
    await end(build);
    await sweep();
    expect(await ids()).toEqual(first);
    await age('61 s');
    await sweep();
    expect(await ids()).toEqual([]);
  });

  it('is the same new one for all that ask at once for one that has ended, while it is swept', async () => {
    const [a, b] = [
      { path: 'a', ttlMs: 60_000 },
      { path: 'b', ttlMs: 60_000 },
    ];
    for (let round = 0; round < 10; round++) {
      const builds = await Promise.all(Array.from({ length: 6 }, step));
      const before = await ids();
      await age('1 day');
      const asked = builds.map((build, n) => (n % 2 ? ask(build, a, b) : ask(build, b, a)));
      const found = await Promise.all([...asked, sweep(), sweep()].map(async (each) => (await each) ?? []));
      const got = found.filter((each) => each.length > 0);
      expect(new Set(got.map(String)).size).toBe(1);
      expect(got[0]!.filter((id) => before.includes(id))).toEqual([]);
      await Promise.all([...builds.map(free), sweep()]);
      expect((await ids()).sort()).toEqual([...got[0]!].sort());
    }
  }, 60_000);
});

describe('a cache of a task on the host', () => {
  let epoch = 1;
  let engine: BuildTracker;
  const start = (): void => {
    engine = world.engine(epoch++, { runtime: new HostRuntime(world.folder, world.artifacts) });
    engine.start();
  };
  beforeEach(start);
  afterEach(() => engine.stop());

  const pipeline = (script: string, cache = '{path: deps, ttl: 1h}') =>
    world.pipeline(
      `jobs: [{name: j, plan: [{task: t, config: {platform: ${process.platform}, caches: [${cache}], run: {path: sh, args: [-ec, ${JSON.stringify(script)}]}}}]}]`,
    );
  const COUNT = 'echo "found $(ls deps | wc -l)"; touch "deps/$(date +%s%N)"';
  const lines = async ({ id, plan }: { id: BuildId; plan: PlanNode }): Promise<string[]> => {
    const events = await world.events(id);
    return outputLines(events, stepNames(plan, events));
  };
  const run = async (of: Awaited<ReturnType<EngineWorld['pipeline']>>): Promise<string[]> => {
    const made = await world.start(of);
    expect(await world.finished(made.id)).toBe('succeeded');
    return lines(made);
  };
  const folders = async (): Promise<string[]> => {
    const dir = path.join(world.folder, 'caches');
    return existsSync(dir) ? (await readdir(dir)).filter((name) => !name.startsWith('.')) : [];
  };

  it('is empty when it has ended, and its files go', async () => {
    const counting = await pipeline(COUNT);
    expect(await run(counting)).toEqual(['t: found 0']);
    await age('59 minutes');
    expect(await run(counting)).toEqual(['t: found 1']);
    await age('61 minutes');
    expect(await run(counting)).toEqual(['t: found 0']);
    await age('61 minutes');
    await engine.stop();
    start(); // which sweeps
    await world.until(async () => (await folders()).length === 0, 'the end of the files');
    expect(await ids()).toEqual([]);
  }, 60_000);

  it('is kept for the build that is in it while others come and go', async () => {
    const gate = path.join(world.folder, 'gate');
    const waiting = await pipeline(`touch deps/mine; echo ready; while [ ! -e ${gate} ]; do sleep 0.05; done; ls deps`);
    const first = await world.start(waiting);
    await world.until(async () => (await lines(first)).includes('t: ready'), 'the first build');
    const before = await ids();
    await age('61 minutes');
    const second = await world.start(waiting);
    await world.until(async () => (await lines(second)).includes('t: ready'), 'the second build');
    await writeFile(gate, '');
    for (const { id } of [first, second]) expect(await world.finished(id)).toBe('succeeded');
    expect(await ids()).toEqual(before);
    expect(await run(waiting)).toEqual(['t: ready', 't: mine']);
  }, 60_000);

  it('with a ttl below a second is an error of the task', async () => {
    const text = await pipeline('true', '{path: deps, ttl: ((.:time))}');
    const across = { ...text.config.jobs[0]!.plan![0]!, across: [{ var: 'time', values: ['10ms'] }] };
    const made = await world.start({ ...text, config: { jobs: [{ name: 'j', plan: [across] }] } });
    expect(await world.finished(made.id)).toBe('errored');
    const [error] = (await world.events(made.id)).filter(({ event }) => event === 'error');
    expect(error!.data).toMatchObject({
      message: "cache 'deps': invalid ttl '10ms': it must be at least 1s, written like 90s, 10m or 1h30m",
    });
  });
});
