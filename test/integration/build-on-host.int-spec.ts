import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { BuildId, PlanNode } from '../../src/model/index.js';
import { requestAbort } from '../../src/persistence/index.js';
import { HostRuntime } from '../../src/runtime/index.js';
import { eventFaults, observe, outputLines, stepNames } from '../support/build-scenarios.js';
import { EngineWorld } from '../support/engine-world.js';
import type { BuildTracker } from '../../src/builds/index.js';

let world: EngineWorld;
let epoch = 1;
beforeAll(async () => {
  world = await EngineWorld.create();
});
afterAll(() => world.close());

const server = (): BuildTracker => {
  const tracker = world.engine(epoch++, { runtime: new HostRuntime(world.folder, world.artifacts) });
  tracker.start();
  return tracker;
};
const sh = (name: string, script: string, more = ''): string =>
  `{task: ${name}, config: {platform: ${process.platform}, run: {path: sh, args: [-ec, ${JSON.stringify(script)}]}${more}}}`;
const build = async (...steps: string[]): Promise<{ id: BuildId; plan: PlanNode }> =>
  world.start(await world.pipeline(`jobs: [{name: j, plan: [${steps.join(', ')}]}]`));
const lines = async ({ id, plan }: { id: BuildId; plan: PlanNode }): Promise<string[]> => {
  const events = await world.events(id);
  return outputLines(events, stepNames(plan, events));
};

describe('a build of real processes', () => {
  it('hands files from task to task and keeps inputs private', async () => {
    const engine = server();
    const made = await build(
      sh('make', 'echo hello > out/f', ', outputs: [{name: out}]'),
      sh('spoil', 'echo spoiled > out/f', ', inputs: [{name: out}]'),
      sh('read', 'cat out/f; exit 3', ', inputs: [{name: out}]'),
    );
    expect(await world.finished(made.id)).toBe('failed');
    expect(await lines(made)).toEqual(['read: hello']);
    const last = (await world.events(made.id)).filter(({ event }) => event === 'finish-task').at(-1);
    expect(last?.data).toMatchObject({ exit_status: 3 });
    await engine.stop();
  });

  it('keeps every byte when its servers come and go', async () => {
    const made = await build(
      sh('count', 'i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo "line $i"; done; sleep 0.3; echo end'),
    );
    let engine = server();
    for (let n = 0; n < 4; n++) {
      const seen = (await world.events(made.id)).length;
      await world.until(
        async () => (await world.events(made.id)).length > seen || (await world.status(made.id)) !== 'started',
        'more events',
      );
      await engine.stop();
      engine = server();
    }
    expect(await world.finished(made.id)).toBe('succeeded');
    const expected = Array.from({ length: 3000 }, (_, n) => `count: line ${n + 1}`);
    expect(await lines(made)).toEqual([...expected, 'count: end']);
    expect(eventFaults(await world.events(made.id))).toEqual([]);
    await engine.stop();
  });

  it('is not started again by a server of another machine, which cannot know whether it still runs', async () => {
    const made = await build(sh('long', 'echo begun; sleep 30'), sh('next', 'echo never'));
    const first = server();
    await world.until(async () => (await lines(made)).includes('long: begun'), 'the process');
    await first.stop();
    const elsewhere = new HostRuntime(path.join(world.folder, 'elsewhere'), world.artifacts);
    const second = world.engine(epoch++, { instance: 'two', runtime: elsewhere });
    second.start();
    expect(await world.finished(made.id)).toBe('errored');
    expect(await lines(made)).toEqual(['long: begun']);
    const [error] = (await world.events(made.id)).filter(({ event }) => event === 'error');
    expect(error?.data).toMatchObject({ message: expect.stringContaining('started by the server one') });
    await second.stop();
  });

  it('kills what ignores TERM, children included', async () => {
    const engine = server();
    const made = await build(sh('stay', 'trap "" TERM; (trap "" TERM; sleep 60) & echo ready; wait; sleep 60'));
    await world.until(async () => (await lines(made)).includes('stay: ready'), 'the start');
    await world.db.tx((tx) => requestAbort(tx, made.id, 'tester'));
    expect(await world.finished(made.id)).toBe('aborted');
    expect((await observe(world, made.id, made.plan)).errors).toEqual(['stay: interrupted']);
    await engine.stop();
  });

  it('leaves nothing behind when it has succeeded', async () => {
    const engine = server();
    const made = await build(sh('make', 'echo x > out/f', ', outputs: [{name: out}]'));
    await world.finished(made.id);
    await world.until(() => engine.activeCount === 0, 'the end of the run');
    expect(await new HostRuntime(world.folder, world.artifacts).list({ build: String(made.id) })).toEqual([]);
    expect((await world.artifacts.list()).filter(({ ref }) => ref.id.startsWith(`b${made.id}-`))).toEqual([]);
    await engine.stop();
  });

  it('says which command was not found', async () => {
    const engine = server();
    const made = await build(`{task: t, config: {platform: ${process.platform}, run: {path: no-such-command}}}`);
    expect(await world.finished(made.id)).toBe('errored');
    expect((await lines(made)).join('\n')).toContain('no-such-command');
    await engine.stop();
  });
});
