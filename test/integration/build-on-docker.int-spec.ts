import { mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import type { BuildTracker } from '../../src/builds/index.js';
import type { BuildId, PlanNode } from '../../src/model/index.js';
import { requestAbort } from '../../src/persistence/index.js';
import { ResourceFailure, type ResourceType } from '../../src/resources/index.js';
import { DockerRuntime } from '../../src/runtime/index.js';
import { eventFaults, outputLines, stepNames } from '../support/build-scenarios.js';
import { makeBusyboxRoot, TestDocker } from '../support/docker-daemon.js';
import { EngineWorld } from '../support/engine-world.js';

const docker = await TestDocker.start();
const suite = docker === undefined ? describe.skip : describe;

/** Images of busybox whose files tell their version; `source: {fault: check}` or `get` make it say no. */
const imageType: ResourceType<{ fault?: string; entrypoint?: string[] }, unknown, unknown> = {
  name: 'registry-image',
  schema: {
    source: z.looseObject({ fault: z.string().optional(), entrypoint: z.array(z.string()).optional() }),
    getParams: z.unknown(),
    putParams: z.unknown(),
  },
  check: (context, { source }) => {
    context.log('looking for the image\n');
    if (source.fault === 'check') throw new ResourceFailure('no such repository');
    return Promise.resolve(source.fault === 'empty' ? [] : [{ digest: 'old' }, { digest: 'new' }]);
  },
  get: async ({ signal }, { source, version, dir }) => {
    if (source.fault === 'get') throw new ResourceFailure('the layer is broken');
    if (source.fault === 'hang') await new Promise((_, reject) => signal.addEventListener('abort', reject));
    await mkdir(path.join(dir, 'rootfs'));
    makeBusyboxRoot(path.join(dir, 'rootfs'));
    await writeFile(path.join(dir, 'rootfs/version'), version['digest'] ?? '');
    const { entrypoint } = source;
    const metadata = { env: ['PATH=/bin', 'OF_IMAGE=yes'], user: '', entrypoint, cmd: entrypoint && ['-ec'] };
    await writeFile(path.join(dir, 'metadata.json'), JSON.stringify(metadata));
    return { version, metadata: [] };
  },
  put: () => Promise.reject(new Error('not used')),
};

suite('a build on Docker', () => {
  let world: EngineWorld;
  let epoch = 1;
  beforeAll(async () => {
    world = await EngineWorld.create();
  });
  afterAll(async () => {
    await world.close();
    await docker!.stop();
  });

  const server = (): BuildTracker => {
    const runtime = new DockerRuntime(docker!.client, world.artifacts, 'engine');
    const tracker = world.engine(epoch++, { runtime, resourceType: imageType });
    tracker.start();
    return tracker;
  };
  const task = (script: string, more = '', image = 'image_resource: {type: registry-image, source: {}}', step = '') =>
    `{task: t, ${step} config: {platform: linux, ${image}${image === '' ? '' : ','} run: {path: sh, args: [-ec, ${JSON.stringify(script)}]}${more}}}`;
  const build = async (...steps: string[]): Promise<{ id: BuildId; plan: PlanNode }> =>
    world.start(await world.pipeline(`jobs: [{name: j, plan: [${steps.join(', ')}]}]`));
  const lines = async ({ id, plan }: { id: BuildId; plan: PlanNode }): Promise<string[]> => {
    const events = await world.events(id);
    return outputLines(events, stepNames(plan, events)).filter((line) => line.startsWith('t: '));
  };
  const dataOf = ({ data }: { data: unknown }) => data as Record<string, unknown>;
  const errors = async (id: BuildId): Promise<unknown[]> =>
    (await world.events(id)).filter(({ event }) => event === 'error').map((event) => dataOf(event)['message']);

  it('checks and fetches the image of a task, telling so, and runs the task in it', async () => {
    const engine = server();
    const made = await build(task('cat /version; echo " $OF_IMAGE"'));
    expect(await world.finished(made.id)).toBe('succeeded');
    expect(await lines(made)).toEqual(['t: new yes']);
    const events = await world.events(made.id);
    expect(events.map(({ event }) => event).filter((event) => event !== 'log' && event !== 'status')).toEqual([
      ...['initialize-task', 'image-check', 'image-get', 'initialize-get', 'start-get', 'finish-get'],
      ...['selected-worker', 'start-task', 'finish-task'],
    ]);
    const [fetching] = events.filter(({ event }) => event === 'image-get');
    expect(dataOf(fetching!)['plan']).toMatchObject({
      id: expect.stringMatching(/\/image-get$/),
      get: { name: 'image', type: 'registry-image', version: { digest: 'new' } },
    });
    expect(eventFaults(events)).toEqual([]);
    await engine.stop();
  }, 60_000);

  it('takes the version that the task asks for without a check', async () => {
    const engine = server();
    const image = 'image_resource: {type: registry-image, source: {fault: check}, version: {digest: pinned}}';
    const made = await build(task('cat /version', '', image));
    expect(await world.finished(made.id)).toBe('succeeded');
    expect(await lines(made)).toEqual(['t: pinned']);
    await engine.stop();
  }, 60_000);

  it("runs the image's own command with the arguments of a task that names none", async () => {
    const engine = server();
    const config = (source: string): string =>
      `{task: t, config: {platform: linux, image_resource: {type: registry-image, source: ${source}}, run: {args: ["echo own"]}}}`;
    const made = await build(config('{entrypoint: [sh]}'));
    expect(await world.finished(made.id)).toBe('succeeded');
    expect(await lines(made)).toEqual(['t: own']);
    const none = await build(config('{}'));
    expect(await world.finished(none.id)).toBe('errored');
    expect(await errors(none.id)).toEqual([
      "task 't': missing 'run.path', and its image has neither an ENTRYPOINT nor a CMD",
    ]);
    await engine.stop();
  }, 60_000);

  it('hands files from task to task, one of which is the image of the next', async () => {
    const engine = server();
    const script =
      'mkdir -p out/rootfs; cp -a /bin /etc out/rootfs; echo own >out/rootfs/version; echo {} >out/metadata.json';
    const made = await build(
      task(script, ', outputs: [{name: out}]'),
      task('cat /version out/rootfs/version', ', inputs: [{name: out}]', '', 'image: out,'),
    );
    expect(await world.finished(made.id)).toBe('succeeded');
    expect(await lines(made)).toEqual(['t: own', 't: own']);
    await engine.stop();
  }, 60_000);

  it.each([
    ['the image cannot be checked', 'check'],
    ['the image cannot be fetched', 'get'],
    ['the image has no version', 'empty'],
  ])('is errored when %s', async (_, fault) => {
    const engine = server();
    const made = await build(task('true', '', `image_resource: {type: registry-image, source: {fault: ${fault}}}`));
    expect(await world.finished(made.id)).toBe('errored');
    expect(await errors(made.id)).toContain('the image of the task cannot be fetched');
    await engine.stop();
  });

  it('is errored when a task has no image', async () => {
    const engine = server();
    const made = await build(task('true', '', ''));
    expect(await world.finished(made.id)).toBe('errored');
    expect(await errors(made.id)).toEqual([expect.stringContaining("task 't' has no image")]);
    await engine.stop();
  });

  it('can be aborted while an image is fetched', async () => {
    const engine = server();
    const made = await build(task('true', '', 'image_resource: {type: registry-image, source: {fault: hang}}'));
    await world.until(
      async () => (await world.events(made.id)).some(({ event }) => event === 'start-get'),
      'the fetch',
    );
    await world.db.tx((tx) => requestAbort(tx, made.id, 'tester'));
    expect(await world.finished(made.id)).toBe('aborted');
    await engine.stop();
  });

  it('limits memory as the task says', async () => {
    const engine = server();
    const limited = await build(task('head -c 90000000 /dev/zero | tail', ', container_limits: {memory: 16MB}'));
    expect(await world.finished(limited.id)).toBe('errored');
    expect(await errors(limited.id)).toEqual([expect.stringContaining('out of memory')]);
    await engine.stop();
  }, 60_000);

  it('goes on with a running container, and its whole output, when its server is another', async () => {
    const first = server();
    const made = await build(task('for i in 1 2 3; do echo line $i; done; sleep 2; echo end'));
    await world.until(async () => (await lines(made)).includes('t: line 3'), 'the output');
    await first.stop();
    const second = server();
    expect(await world.finished(made.id)).toBe('succeeded');
    expect(await lines(made)).toEqual(['t: line 1', 't: line 2', 't: line 3', 't: end']);
    await second.stop();
  }, 60_000);

  it('finds in a cache what the build before left there until its ttl has passed, when its volume goes', async () => {
    const engine = server();
    const counting = await world.pipeline(
      `jobs: [{name: j, plan: [${task('ls deps | wc -l; date >deps/$$', ', caches: [{path: deps, ttl: 1h}]')}]}]`,
    );
    const run = async (): Promise<string[]> => {
      const made = await world.start(counting);
      expect(await world.finished(made.id)).toBe('succeeded');
      return (await lines(made)).map((line) => line.replace(/ +/g, ' '));
    };
    const age = (): Promise<unknown> => world.db.query(`update task_caches set used_at = now() - interval '61 min'`);
    const caches = async (): Promise<string[]> =>
      (await docker!.client.listVolumes()).Volumes.map(({ Name }) => Name).filter((name) => /cache/.test(name));
    expect(await run()).toEqual(['t: 0']);
    expect(await caches()).toHaveLength(1);
    expect(await run()).toEqual(['t: 1']);
    await age();
    expect(await run()).toEqual(['t: 0']);
    await age();
    await world.until(() => engine.activeCount === 0, 'the end of the run');
    await engine.stop();
    const next = server(); // which sweeps
    await world.until(async () => (await caches()).length === 0, 'the end of the volumes');
    await next.stop();
  }, 60_000);

  it('leaves no container, volume or artifact behind when it succeeded', async () => {
    const engine = server();
    // Containers of failed builds of other tests are kept for a while, with their volumes.
    const volumes = async (): Promise<string[]> => {
      const { Volumes } = await docker!.client.listVolumes();
      return Volumes.map(({ Name }) => Name).sort();
    };
    const before = await volumes();
    const made = await build(task('echo x >out/f', ', outputs: [{name: out}]'));
    expect(await world.finished(made.id)).toBe('succeeded');
    await world.until(() => engine.activeCount === 0, 'the end of the run');
    expect(await new DockerRuntime(docker!.client, world.artifacts, 'engine').list({ build: String(made.id) })).toEqual(
      [],
    );
    expect((await volumes()).filter((name) => !before.includes(name))).toEqual([]);
    const stored = await readdir(path.join(world.folder, 'artifacts'));
    expect(stored.filter((id) => id.startsWith(`b${made.id}-`))).toEqual([]);
    await engine.stop();
  }, 60_000);
});
