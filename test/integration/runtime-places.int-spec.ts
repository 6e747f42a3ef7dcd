import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { RuntimeMonitor, type BuildTracker } from '../../src/builds/index.js';
import { slotWaitText, type BuildId } from '../../src/model/index.js';
import { listRuntimes, requestAbort, slotWaits } from '../../src/persistence/index.js';
import { Settings } from '../../src/platform/index.js';
import { DummyRuntime, RuntimePool, type Capabilities, type Member, type StepSpec } from '../../src/runtime/index.js';
import { EngineWorld, gates, silent } from '../support/engine-world.js';

/** The dummy machine as if it were one of several kinds. */
class Machine extends DummyRuntime {
  isAway = false;
  constructor(
    world: EngineWorld,
    private readonly more: Partial<Capabilities> = {},
  ) {
    super(world.machine, world.artifacts);
  }
  override async capabilities(): Promise<Capabilities> {
    if (this.isAway) throw new Error('connection refused');
    return { ...(await super.capabilities()), ...this.more };
  }
}

describe('steps and their places', () => {
  let world: EngineWorld;
  let epoch = 1;
  const engines: BuildTracker[] = [];
  beforeAll(async () => {
    world = await EngineWorld.create();
  });
  afterEach(async () => {
    for (const engine of engines.splice(0)) await engine.stop();
  });
  afterAll(() => world.close());

  const member = (name: string, slots: number, tags: string[] = [], more: Partial<Capabilities> = {}): Member => ({
    name,
    runtime: new Machine(world, more),
    slots,
    tags,
  });
  const engine = (...members: [Member, ...Member[]]): BuildTracker => {
    const tracker = world.engine(epoch++, { runtime: new RuntimePool(members) });
    engines.push(tracker);
    tracker.start();
    return tracker;
  };
  const task = (program: string, more = ''): string =>
    `{task: ${program.replace(' ', '-')}, ${more} config: {platform: linux, run: {path: ${program.split(' ')[0]}, args: [${program.split(' ')[1] ?? ''}]}}}`;
  const build = async (...steps: string[]): Promise<BuildId> =>
    (await world.start(await world.pipeline(`jobs: [{name: j, plan: [${steps.join(', ')}]}]`))).id;
  const waits = async (id: BuildId): Promise<string[]> => (await slotWaits(world.db, id)).map(slotWaitText);
  const selected = async (id: BuildId): Promise<unknown[]> =>
    (await world.events(id))
      .filter(({ event }) => event === 'selected-worker')
      .map(({ data }) => (data as unknown as Record<string, unknown>)['selected_worker']);

  it('go by the tags of the step, and without tags to the first runtime that has none', async () => {
    engine(member('big', 5, ['linux', 'big']), member('docker', 5), member('host', 5));
    const id = await build(task('ok'), task('ok', 'tags: [host],'), task('ok', 'tags: [big, linux],'));
    expect(await world.finished(id)).toBe('succeeded');
    expect(await selected(id)).toEqual(['docker', 'host', 'big']);
  });

  it('pass over a runtime that needs an image when the step has none', async () => {
    engine(member('docker', 5, [], { images: true, needsImage: true }), member('host', 5));
    const id = await build(task('ok'));
    expect(await world.finished(id)).toBe('succeeded');
    expect(await selected(id)).toEqual(['host']);
  });

  it('wait, saying so, when no runtime has the tags, until one has', async () => {
    const before = engine(member('host', 5));
    const id = await build(task('ok', 'tags: [gpu],'));
    await world.until(async () => (await waits(id)).length > 0, 'the reason');
    expect(await waits(id)).toEqual([
      "no workers satisfying: tag 'gpu'; the runtimes of this server: host (takes 'host')",
    ]);
    await world.until(
      async () => (await world.events(id)).some(({ event }) => event === 'waiting-for-worker'),
      'the event',
    );
    await before.stop();
    engine(member('host', 5, ['gpu']));
    expect(await world.finished(id)).toBe('succeeded');
  });

  it('are as many as there are slots; others wait for their turn and tell their position', async () => {
    engine(member('host', 2));
    const running = [await build(task('gate a')), await build(task('gate b'))];
    await world.until(async () => (await listRuntimes(world.db))[0]!.running.length === 2, 'two that run');
    const third = await build(task('ok'));
    await world.until(async () => (await waits(third)).length === 1, 'the third to wait');
    const fourth = await build(task('ok'));
    await world.until(async () => (await waits(fourth)).length === 1, 'the fourth to wait');
    expect((await waits(fourth))[0]).toMatch(
      /^waits for a slot on host: position 2 of 2; its 2 slots are taken by p\d+\/j #1 and p\d+\/j #1$/,
    );
    expect(world.begun.filter((handle) => handle.startsWith(`b${third}-`))).toEqual([]);
    gates.add('a').add('b');
    for (const id of [...running, third, fourth]) expect(await world.finished(id)).toBe('succeeded');
    expect(await world.db.query(`select from step_slots`)).toEqual([]);
  });

  it('that belong to no build go by their tags as well, and are told when no runtime has them', async () => {
    const [host, big] = [member('host', 1), member('big', 1, ['big'])];
    const pool = new RuntimePool([host, big]);
    const script = (handle: string, tags: string[]): StepSpec => {
      return { handle, labels: {}, argv: ['ok'], env: {}, mounts: [], stdoutTo: 'result', tags };
    };
    await pool.start(script('script-1', ['big']));
    expect((await big.runtime.inspect('script-1')).phase).not.toBe('absent');
    await expect(pool.start(script('script-2', ['huge']))).rejects.toThrow("no workers satisfying: tag 'huge'");
  });

  it('wait for a runtime that does not answer, and go on when it does', async () => {
    const host = member('host', 1);
    const machine = host.runtime as Machine;
    engine(host);
    const settings = new Settings({ instanceId: 'one' });
    const pool = new RuntimePool([host]);
    const monitor = new RuntimeMonitor(world.db, world.listener, pool, settings, silent);
    await pool.capabilities();
    machine.isAway = true;
    await monitor.runOnce();
    const id = await build(task('ok'));
    await world.until(async () => (await waits(id)).length === 1, 'it to wait');
    expect(await waits(id)).toEqual(['waits for runtime host, which does not answer: connection refused']);
    machine.isAway = false;
    await monitor.runOnce();
    expect(await world.finished(id)).toBe('succeeded');
  });

  it('keep their slot when the server dies, and give it back at the end', async () => {
    const first = engine(member('host', 1));
    const id = await build(task('gate c'));
    await world.until(async () => (await listRuntimes(world.db))[0]!.running.length === 1, 'it to run');
    const next = await build(task('ok'));
    await first.stop();
    engine(member('host', 1));
    await world.until(async () => (await waits(next)).length === 1, 'the next to wait');
    gates.add('c');
    expect(await world.finished(id)).toBe('succeeded');
    expect(await world.finished(next)).toBe('succeeded');
  });

  it('do not hold up a server that stops just after it has taken a build', async () => {
    const first = engine(member('host', 1));
    const id = await build(task('gate f'));
    await world.until(async () => (await listRuntimes(world.db))[0]!.running.length === 1, 'it to run');
    await first.stop();
    const next = await build(task('ok'));
    // Its first round takes both builds; the second one would wait for its slot for as long as the first one runs.
    await engine(member('host', 1)).stop();
    gates.add('f');
    engine(member('host', 1));
    expect(await world.finished(id)).toBe('succeeded');
    expect(await world.finished(next)).toBe('succeeded');
  });

  it('are given up by an abort while they wait', async () => {
    engine(member('host', 1));
    const id = await build(task('gate d'));
    await world.until(async () => (await listRuntimes(world.db))[0]!.running.length === 1, 'it to run');
    const next = await build(task('ok'));
    await world.until(async () => (await waits(next)).length === 1, 'the next to wait');
    await world.db.tx((tx) => requestAbort(tx, next, 'tester'));
    expect(await world.finished(next)).toBe('aborted');
    gates.add('d');
    expect(await world.finished(id)).toBe('succeeded');
  });

  it('do not begin again elsewhere when the server is started without their runtime', async () => {
    const first = engine(member('docker', 1), member('host', 1));
    const id = await build(task('gate e'));
    await world.until(async () => (await listRuntimes(world.db))[0]!.running.length === 1, 'it to run');
    await first.stop();
    engine(member('host', 1));
    expect(await world.finished(id)).toBe('errored');
    const errors = (await world.events(id)).filter(({ event }) => event === 'error');
    expect(JSON.stringify(errors)).toContain('the server was started without it');
    gates.add('e'); // the machine's own end
  });
});
