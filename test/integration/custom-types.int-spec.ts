import { createReadStream } from 'node:fs';
import { copyFile, mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { text as streamText } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { mock } from '../../resource-types/mock/index.js';
import { registryImage } from '../../resource-types/registry-image/index.js';
import { ContainersService, type BuildTracker } from '../../src/builds/index.js';
import { Checker } from '../../src/checking/index.js';
import { CustomTypes } from '../../src/custom-types/index.js';
import type { BuildId, PlanNode, ResourceId, TeamId, Version } from '../../src/model/index.js';
import { requestAbort, type ContainerFilter } from '../../src/persistence/index.js';
import { Metrics, Settings, systemClock } from '../../src/platform/index.js';
import { parseInput, type ResourceType } from '../../src/resources/index.js';
import {
  DummyRuntime,
  DockerRuntime,
  HostRuntime,
  probeIsolation,
  writeImageArchive,
  writeTypeImage,
  type Runtime,
} from '../../src/runtime/index.js';
import { credentialsOn } from '../support/credentials.js';
import { eventFaults, outputLines, stepNames } from '../support/build-scenarios.js';
import { TestDocker } from '../support/docker-daemon.js';
import { EngineWorld, silent } from '../support/engine-world.js';
import { ImageType } from '../support/protocol-image.js';
import { hasRegistry, TestRegistry } from '../support/registry.js';
import { stepContext } from '../support/resource-type-contract.js';

type Made = { id: BuildId; plan: PlanNode };

const docker = await TestDocker.start();
const world = await EngineWorld.create();
const isolation = await probeIsolation(world.folder, 'preferred', [], ['bubblewrap', 'namespaces']);
const host = new HostRuntime(world.folder, world.artifacts, isolation);
const hostHasImages = (await host.capabilities()).images;
let epoch = 1;
afterEach(async () => {
  for (const engine of world.engines) await engine.stop(); // also of a test that failed
});
afterAll(async () => {
  await world.close();
  await docker?.stop();
});

const lines = async ({ id, plan }: Made): Promise<string[]> => {
  const events = await world.events(id);
  return outputLines(events, stepNames(plan, events));
};
const errors = async ({ id }: Made): Promise<unknown[]> =>
  (await world.events(id))
    .filter(({ event }) => event === 'error')
    .map(({ data }) => (data as { message: string }).message);
const eventsOf = async ({ id }: Made, name: string): Promise<unknown[]> =>
  (await world.events(id)).filter(({ event }) => event === name).map(({ data }) => data);
const pipeline = (types: string, source: string, ...steps: string[]): string =>
  `{resource_types: ${types}, resources: [{name: r, type: mine, source: ${source}}], jobs: [{name: j, plan: [${steps.join(', ')}]}]}`;
const run = async (text: string): Promise<Made> => world.start(await world.pipeline(text));
const task = (script: string, more = ''): string =>
  `{task: t, config: {platform: linux, image_resource: {type: registry-image, source: {}}, run: {path: sh, args: [-ec, ${JSON.stringify(script)}]}${more}}}`;
const settingsOf = (): Settings =>
  new Settings({ dataDir: world.folder, instanceId: 'one', epoch, externalUrl: 'http://weir' });

describe.each<[string, () => Runtime, boolean]>([
  ['Docker', () => new DockerRuntime(docker!.client, world.artifacts, 'custom'), docker !== undefined],
  ['the host', () => new HostRuntime(world.folder, world.artifacts, isolation), hostHasImages],
])('custom resource types on %s', (name, makeRuntime, isThere) => {
  if (!isThere) {
    console.warn(`SKIPPED: custom resource types on ${name}: it runs no images here`);
    it.skip(`needs images on ${name}`, () => undefined);
    return;
  }
  let images: ImageType;
  let count = 0;
  /** An image of its own for each test. */
  let mine: string;
  beforeEach(() => {
    images = new ImageType();
    mine = `{name: mine, type: registry-image, source: {id: "${name}-${++count}"}}`;
  });
  const types = (): Record<string, ResourceType> => ({
    'registry-image': images.type,
    mock: mock,
  });
  const server = (): BuildTracker => {
    const tracker = world.engine(epoch++, { runtime: makeRuntime(), resourceTypes: types() });
    tracker.start();
    return tracker;
  };
  const customTypes = (): CustomTypes =>
    new CustomTypes(
      world.db,
      makeRuntime(),
      world.artifacts,
      { get: (type) => types()[type]! },
      settingsOf(),
      systemClock,
      silent,
    );
  const checker = (): Checker => {
    const settings = settingsOf();
    const credentials = credentialsOn(world.db, settings);
    const get = (type: string): ResourceType => types()[type]!;
    return new Checker(world.db, { get }, settings, systemClock, silent, new Metrics(), credentials, customTypes());
  };
  const check = async (
    text: string,
    more: { shallow?: boolean } = {},
  ): Promise<{ versions: readonly Version[]; log: string; error?: string }> => {
    const { id } = await world.pipeline(text);
    const [row] = await world.db.query<{ id: ResourceId }>(`select id from resources where pipeline_id = $1`, [id]);
    let log = '';
    const options = { ...more, signal: AbortSignal.timeout(30_000), log: (words: string) => void (log += words) };
    return checker()
      .runCheck(row!.id, options)
      .then(
        (versions) => ({ versions, log }),
        (error: Error) => ({ versions: [], log, error: error.message }),
      );
  };

  it('runs get and put in containers of the image, with the build in their environment', async () => {
    const engine = server();
    const made = await run(
      pipeline(
        `[${mine}]`,
        '{uri: some}',
        '{get: r, params: {depth: 1}}',
        '{put: made, resource: r, inputs: all, params: {tag: x}, get_params: {skip: yes}}',
      ),
    );
    expect(await world.finished(made.id, 60_000)).toBe('succeeded');
    const told = await lines(made);
    expect(told).toContain('r: in {"source":{"uri":"some"},"params":{"depth":1},"version":{"ref":"v1"}}');
    expect(told).toContain('made: out {"source":{"uri":"some"},"params":{"tag":"x"}}');
    expect(told).toContain('made: inputs: r');
    expect(told).toContain('made: build 1 of j');
    expect(told).toContain('made: in {"source":{"uri":"some"},"params":{"skip":true},"version":{"ref":"put"}}');
    expect(await eventsOf(made, 'finish-get')).toMatchObject([
      { exit_status: 0, version: { ref: 'v1' }, metadata: [{ name: 'from', value: 'image' }] },
      { exit_status: 0 },
    ]);
    expect(await eventsOf(made, 'finish-put')).toMatchObject([{ exit_status: 0, version: { ref: 'put' } }]);
    expect(eventFaults(await world.events(made.id))).toEqual([]);
    expect(images.gets).toBe(1);
    await world.until(() => engine.activeCount === 0, 'the end of the run');
    expect(await makeRuntime().list({})).toEqual([]);
    await engine.stop();
  }, 90_000);

  it('saves the version of a put in the history of the resource, which a check goes on with', async () => {
    const engine = server();
    const made = await run(pipeline(`[${mine}]`, '{}', '{put: r, no_get: true}'));
    expect(await world.finished(made.id, 60_000)).toBe('succeeded');
    await engine.stop();
    const [row] = await world.db.query<{ id: ResourceId }>(
      `select r.id from resources r join builds b on b.pipeline_id = r.pipeline_id where b.id = $1`,
      [made.id],
    );
    let log = '';
    await checker().runCheck(row!.id, { signal: AbortSignal.timeout(30_000), log: (words) => void (log += words) });
    expect(log).toContain('check {"source":{},"version":{"ref":"put"}}');
    const known = await world.db.query<{ ref: string }>(
      `select v.version->>'ref' as ref from versions v join resources r using (history_id) where r.id = $1 order by v.check_order`,
      [row!.id],
    );
    expect(known.map(({ ref }) => ref)).toEqual(['put', 'c1', 'c2']);
  }, 90_000);

  it('looks for an image once and fetches it once, for however many steps and builds', async () => {
    const engine = server();
    const text = pipeline(
      `[${mine}]`,
      '{}',
      '{in_parallel: [{get: r}, {get: s, resource: r}]}',
      '{put: r, no_get: true}',
    );
    const builds = [await run(text), await run(text)];
    for (const { id } of builds) expect(await world.finished(id, 90_000)).toBe('succeeded');
    expect([images.checks, images.gets]).toEqual([1, 1]);
    await engine.stop();
  }, 120_000);

  it('makes a type of a type of an image', async () => {
    const engine = server();
    const made = await run(
      pipeline(
        `[{name: mine, type: base, source: {image: yes}}, ${mine.replace('mine', 'base')}]`,
        '{}',
        '{put: r, no_get: true}',
      ),
    );
    expect(await world.finished(made.id, 60_000)).toBe('succeeded');
    expect(await lines(made)).toContain('r: in an image of an image');
    await engine.stop();
  }, 90_000);

  it('lets a type take the name of the type that it is made of, and puts its defaults under the source', async () => {
    const engine = server();
    const type = mine.replace('mine', 'registry-image').replace('}}', '}, defaults: {a: low, b: low}}');
    const text = pipeline(`[${type}]`, '{b: high}', '{get: r}').replace('type: mine', 'type: registry-image');
    const made = await run(text);
    expect(await world.finished(made.id, 60_000)).toBe('succeeded');
    expect(await lines(made)).toContain('r: in {"source":{"a":"low","b":"high"},"version":{"ref":"v1"}}');
    await engine.stop();
    expect((await check(text)).log).toContain('{"source":{"a":"low","b":"high"}}');
  }, 90_000);

  it('fails when the script does, with what it said in the log', async () => {
    const engine = server();
    const made = await run(pipeline(`[${mine}]`, '{fail: yes}', '{try: {get: r}}', '{put: r}'));
    expect(await world.finished(made.id, 60_000)).toBe('failed');
    expect(await lines(made)).toContain('r: no such thing');
    expect(await eventsOf(made, 'finish-get')).toMatchObject([{ exit_status: 3 }]);
    expect(await eventsOf(made, 'finish-put')).toMatchObject([{ exit_status: 4 }]);
    await engine.stop();
  }, 90_000);

  it.each([
    ['get', 'nonsense', '/opt/resource/in answered with something that is no JSON: hello'],
    ['put', 'null', '/opt/resource/out answered with a null version'],
  ])(
    'is errored when a %s answers with %s',
    async (step, source, message) => {
      const engine = server();
      const made = await run(pipeline(`[${mine}]`, `{${JSON.stringify(source)}: yes}`, `{${step}: r}`));
      expect(await world.finished(made.id, 60_000)).toBe('errored');
      expect((await errors(made))[0]).toContain(message);
      await engine.stop();
    },
    90_000,
  );

  it.each([
    ['checked', 'check', 'no such repository'],
    ['fetched', 'get', 'the layer is broken'],
  ])(
    'is errored when the image cannot be %s',
    async (_, fault, message) => {
      const engine = server();
      const made = await run(pipeline(`[${mine.replace('{id:', `{fault: ${fault}, id:`)}]`, '{}', '{get: r}'));
      expect(await world.finished(made.id, 60_000)).toBe('errored');
      expect(await errors(made)).toEqual([`the image of resource type "mine" cannot be had: ${message}`]);
      await engine.stop();
    },
    90_000,
  );

  it('goes on with a put that runs when its server is another, and does it once', async () => {
    const first = server();
    const made = await run(pipeline(`[${mine}]`, '{wait: yes}', '{put: r, no_get: true}'));
    await world.until(async () => (await lines(made)).some((line) => line.startsWith('r: out')), 'the put', 60_000);
    await first.stop();
    const second = server();
    expect(await world.finished(made.id, 60_000)).toBe('succeeded');
    const told = await lines(made);
    expect(told.filter((line) => line.startsWith('r: out') || line === 'r: waited')).toHaveLength(2);
    await second.stop();
  }, 90_000);

  it('ends the container when the build is aborted', async () => {
    const engine = server();
    const made = await run(pipeline(`[${mine}]`, '{stay: yes}', '{put: r}'));
    await world.until(async () => (await lines(made)).includes('r: staying'), 'the put', 60_000);
    await world.db.tx((tx) => requestAbort(tx, made.id, 'somebody'));
    expect(await world.finished(made.id, 60_000)).toBe('aborted');
    await engine.stop();
  }, 90_000);

  it('checks in a container of which no script is left', async () => {
    const { versions, log, error } = await check(pipeline(`[${mine}]`, '{uri: some}', '{get: r}'));
    expect(error).toBeUndefined();
    expect(versions).toEqual([{ ref: 'c1' }, { ref: 'c2' }]);
    expect(log).toMatch(/check \{"source":\{"uri":"some"\}\} of main\/p\d+/);
    const left = await makeRuntime().list({ kind: 'script' });
    expect(left).toEqual([]);
  }, 60_000);

  describe('whose checks leave files', () => {
    const counting = (source: string, type = mine): string => pipeline(`[${type}]`, `{count: ${source}}`, '{get: r}');
    const resourceOf = async (text: string): Promise<ResourceId> => {
      const { id } = await world.pipeline(text);
      const [row] = await world.db.query<{ id: ResourceId }>(`select id from resources where pipeline_id = $1`, [id]);
      return row!.id;
    };
    const found = async (id: ResourceId): Promise<unknown> => {
      const [version] = await checker().runCheck(id, { signal: AbortSignal.timeout(30_000), log: () => undefined });
      return version?.['ref'];
    };
    const kept = async (): Promise<string[]> =>
      (await makeRuntime().list({ kind: 'check' })).map(({ handle }) => handle);
    const isKept = name === 'Docker';
    const forgetAll = async (): Promise<void> => {
      await world.db.tx((tx) => tx.query(`delete from check_containers`));
      await customTypes().removeUnused(new Set(), new Date());
      expect(await kept()).toEqual([]);
    };
    beforeEach(forgetAll);
    afterEach(forgetAll);

    it('find them at the next check of their resource where containers are kept, and nobody else does', async () => {
      const [one, other] = [await resourceOf(counting('1')), await resourceOf(counting('1'))];
      const seen = [await found(one), await found(one), await found(other)];
      epoch++; // another life of the server
      seen.push(await found(one));
      expect(seen).toEqual(isKept ? ['1', '2', '1', '3'] : ['1', '1', '1', '1']);
      expect(await kept()).toHaveLength(isKept ? 2 : 0);
    }, 90_000);

    it('find none when the source or the image is another one, whose container replaces theirs', async () => {
      const id = await resourceOf(counting('1'));
      expect(await found(id)).toBe('1');
      const before = await kept();
      await world.db.tx((tx) =>
        tx.query(`update resources set config = jsonb_set(config, '{source,count}', '2') where id = $1`, [id]),
      );
      expect(await found(id)).toBe('1');
      images.versions = ['1', '2'];
      expect(await found(id)).toBe('1');
      expect(await kept()).toHaveLength(before.length);
      expect(await kept()).not.toEqual(isKept ? before : undefined);
    }, 90_000);

    it('find none after a check that failed, or while another one is in the container', async () => {
      const id = await resourceOf(counting('1'));
      const broken = await resourceOf(pipeline(`[${mine}]`, '{fail: yes}', '{get: r}'));
      await expect(found(broken)).rejects.toThrow('exit status 3');
      expect(await kept()).toEqual([]);
      expect(await found(id)).toBe('1');
      await world.db.tx((tx) => tx.query(`update check_containers set epoch = $1`, [epoch]));
      expect(await found(id)).toBe('1');
      await world.db.tx((tx) => tx.query(`update check_containers set epoch = null`));
      expect(await found(id)).toBe(isKept ? '2' : '1');
    }, 90_000);

    it('lose them when they were idle for an hour, and when their resource is gone', async () => {
      const [idle, gone, used] = [
        await resourceOf(counting('1')),
        await resourceOf(counting('2')),
        await resourceOf(counting('3')),
      ];
      for (const id of [idle, gone, used]) await found(id);
      await world.db.tx(async (tx) => {
        await tx.query(`update check_containers set used_at = now() - interval '61 minutes' where resource_id = $1`, [
          idle,
        ]);
        await tx.query(`delete from resources where id = $1`, [gone]);
      });
      await customTypes().removeUnused(new Set(), new Date());
      expect(await kept()).toHaveLength(isKept ? 1 : 0);
      expect(await found(used)).toBe(isKept ? '2' : '1');
    }, 90_000);

    (isKept ? it : it.skip)(
      'show them to whoever steps into the container of the resource',
      async () => {
        await found(await resourceOf(counting('1')));
        const containers = new ContainersService(world.db, makeRuntime(), settingsOf(), silent);
        const [team] = await world.db.query<{ id: TeamId }>(`select id from teams where name = 'main'`);
        const list = (filter: ContainerFilter) => containers.list([team!.id], filter);
        expect(await list({ kind: 'task' })).toEqual([]);
        expect(await list({ kind: 'check', resourceName: 'other' })).toEqual([]);
        const [container, ...more] = await list({ kind: 'check', resourceName: 'r' });
        expect(more).toEqual([]);
        expect(await containers.get(team!.id, container!.handle)).toMatchObject({ kind: 'check', resourceName: 'r' });
        const session = await containers.intercept(container!, { argv: ['cat', '/tmp/seen'], env: {} });
        expect(await streamText(session.stdout)).toBe('seen\n');
        await session.exit;
      },
      60_000,
    );
  });

  it('finds nothing when a check prints nothing', async () => {
    expect(await check(pipeline(`[${mine}]`, '{silent: yes}', '{get: r}'))).toMatchObject({ versions: [] });
  }, 60_000);

  it('looks for a newer image when somebody asks for a check, unless it is shallow', async () => {
    const text = pipeline(`[${mine}]`, '{}', '{get: r}');
    await check(text);
    await check(text);
    await check(text, { shallow: true });
    expect([images.checks, images.gets]).toEqual([2, 1]);
    images.versions = ['1', '2'];
    await check(text);
    expect([images.checks, images.gets]).toEqual([3, 2]);
  }, 60_000);

  it('tells what a check said that failed', async () => {
    const { error } = await check(pipeline(`[${mine}]`, '{fail: yes}', '{get: r}'));
    expect(error).toMatch(/\/opt\/resource\/check failed with exit status 3:[^]*out of order/);
  }, 60_000);

  it('removes containers of checks that an earlier life has left', async () => {
    const runtime = makeRuntime();
    const type = customTypes().typeOf([{ name: 'mine', type: 'registry-image', source: { id: `lost-${name}` } }]);
    const context = {
      signal: AbortSignal.timeout(30_000),
      cacheDir: world.folder,
      log: () => undefined,
      now: () => new Date(),
    };
    const image = await type.image(context);
    await runtime.start({
      handle: 'script-lost',
      labels: { instance: 'one', kind: 'script', epoch: '0' },
      argv: ['/bin/sleep', '1000'],
      env: {},
      mounts: [],
      stdoutTo: 'result',
      image: { artifact: image.artifact },
    });
    await customTypes().onApplicationBootstrap();
    expect(await runtime.inspect('script-lost')).toMatchObject({ phase: 'absent' });
  }, 60_000);

  it('keeps images that are used and removes those that are not', async () => {
    const type = customTypes().typeOf([{ name: 'mine', type: 'registry-image', source: { id: `kept-${name}` } }]);
    const context = {
      signal: AbortSignal.timeout(30_000),
      cacheDir: world.folder,
      log: () => undefined,
      now: () => new Date(),
    };
    const { artifact } = await type.image(context);
    const later = new Date(Date.now() + 25 * 3_600_000);
    await customTypes().removeUnused(new Set([artifact.id]), later);
    expect(await world.artifacts.exists(artifact)).toBe(true);
    await customTypes().removeUnused(new Set(), new Date());
    expect(await world.artifacts.exists(artifact)).toBe(true);
    await customTypes().removeUnused(new Set(), later);
    expect(await world.artifacts.exists(artifact)).toBe(false);
    await type.image(context);
    expect([images.checks, images.gets]).toEqual([1, 2]);
  }, 60_000);

  describe('mirrored by mock', () => {
    const mirror = '{name: mine, type: mock, source: {mirror_self: true}}';
    const inMirror = (script: string, image = '{type: mock, source: {mirror_self: true}}'): string =>
      task(script).replace('{type: registry-image, source: {}}', image);

    it('gives a task a shell and the usual tools', async () => {
      const engine = server();
      const script =
        'bash -c "echo $((6 * 7))"; env | grep -c PATH; ls / | sort | xargs; echo a b | awk "{print \\$2}"';
      const made = await run(`jobs: [{name: j, plan: [${inMirror(script)}]}]`);
      expect(await world.finished(made.id, 90_000)).toBe('succeeded');
      const told = (await lines(made)).filter((line) => line.startsWith('t: '));
      expect(told).toEqual(expect.arrayContaining(['t: 42', 't: b']));
      expect(told.join()).toContain('bin ');
      await engine.stop();
    }, 120_000);

    it('is an image of custom types, in which mock speaks the protocol', async () => {
      const engine = server();
      const made = await run(
        pipeline(
          `[${mirror}]`,
          '{create_files: {a: text}, metadata: [{name: m, value: x}], log: hello}',
          '{get: r}',
          '{put: made, resource: r, params: {version: two, print_env: true}, no_get: true}',
          `{task: t, config: {platform: linux, image_resource: {type: mock, source: {mirror_self: true}}, inputs: [{name: r}], run: {path: cat, args: [r/a]}}}`,
        ),
      );
      expect(await world.finished(made.id, 90_000)).toBe('succeeded');
      const told = await lines(made);
      expect(told).toEqual(expect.arrayContaining(['r: hello', 't: text', 'made: env: BUILD_JOB_NAME=j']));
      expect(await eventsOf(made, 'finish-put')).toMatchObject([
        { version: { version: 'two' }, metadata: [{ name: 'm', value: 'x' }] },
      ]);
      await engine.stop();
      const checked = await check(pipeline(`[${mirror}]`, '{initial_version: a}', '{get: r}'));
      expect(checked.versions).toEqual([{ version: 'a' }]);
      const versioned = '{name: mine, type: mock, source: {mirror_self: true, initial_version: of-image}}';
      const own = await check(pipeline(`[${versioned}]`, '{}', '{get: r}'));
      expect(own.versions).toEqual([{ version: 'of-image' }]);
    }, 120_000);

    it('mirrors itself again where it is an image', async () => {
      const engine = server();
      const made = await run(
        `{resource_types: [${mirror}], jobs: [{name: j, plan: [${inMirror('bash -c "echo mirrored"', '{type: mine, source: {mirror_self: true}}')}]}]}`,
      );
      expect(await world.finished(made.id, 90_000)).toBe('succeeded');
      expect(await lines(made)).toContain('t: mirrored');
      await engine.stop();
    }, 120_000);
  });
});

describe("an image of one of the server's types", () => {
  const name = 'weir-test/time-resource:1';
  const file = path.join(world.folder, 'time.tar');
  beforeAll(async () => {
    const dir = path.join(world.folder, 'time-image');
    await mkdir(dir);
    await writeTypeImage(dir, 'time');
    await writeImageArchive(dir, file, name);
  }, 60_000);

  (docker ? it : it.skip)(
    'runs on Docker when it is loaded there',
    async () => {
      await docker!.client.loadImage(createReadStream(file)).then((stream) => stream.resume());
      await world.until(
        async () => (await docker!.client.listImages()).some(({ RepoTags }) => RepoTags?.includes(name)),
        'the image',
        30_000,
      );
      const runtime = new DockerRuntime(docker!.client, world.artifacts, 'loaded');
      const spec = { labels: {}, argv: ['/opt/resource/check'], env: {}, mounts: [], stdoutTo: 'result' as const };
      const stdin = Buffer.from('{"source":{"interval":"1h"}}');
      await runtime.start({ ...spec, handle: 'loaded', stdin, image: { ref: name } });
      await runtime.wait('loaded', AbortSignal.timeout(30_000));
      expect(JSON.parse(Buffer.from(await runtime.result('loaded')).toString())).toEqual([
        { time: expect.stringMatching(/^\d{4}-/) },
      ]);
      await runtime.remove('loaded');
    },
    90_000,
  );

  const runtime = docker ? new DockerRuntime(docker.client, world.artifacts, 'pushed') : host;
  const canPull = hasRegistry() && (docker !== undefined || hostHasImages);
  (canPull ? it : it.skip)(
    'is the image of a custom type when it is in a registry',
    async () => {
      const registry = await TestRegistry.start();
      const context = stepContext(path.join(world.folder, 'cache'));
      const source = parseInput(
        registryImage.schema.source,
        { repository: `${registry.host}/time`, tag: 'latest' },
        's',
      );
      const inputs = path.join(world.folder, 'inputs');
      await mkdir(inputs);
      await copyFile(file, path.join(inputs, 'time.tar'));
      const params = parseInput(registryImage.schema.putParams, { image: 'time.tar' }, 'p');
      await registryImage.put(context, { source, params, dir: inputs });
      const get = (): ResourceType => registryImage;
      const types = new CustomTypes(world.db, runtime, world.artifacts, { get }, settingsOf(), systemClock, silent);
      const repository = `${registry.host}/time`;
      const type = types.typeOf([{ name: 'my-time', type: 'registry-image', source: { repository, tag: 'latest' } }]);
      expect(await type.check(context, { source: { interval: '1h' } })).toHaveLength(1);
      await expect(type.check(context, { source: { intervall: '1h' } })).rejects.toThrow(
        /failed with exit status 1:\nsource: intervall: unknown key; did you mean "interval"/,
      );
      await registry.stop();
    },
    120_000,
  );
});

describe('custom resource types without images', () => {
  const server = (): BuildTracker => {
    const tracker = world.engine(epoch++, {
      resourceTypes: { mock: mock, 'registry-image': new ImageType().type },
    });
    tracker.start();
    return tracker;
  };

  it('are refused with the way out', async () => {
    const engine = server();
    const made = await run(pipeline('[{name: mine, type: registry-image, source: {}}]', '{}', '{get: r}'));
    expect(await world.finished(made.id)).toBe('errored');
    expect((await errors(made))[0]).toMatch(
      /^resource type "mine" is an image, and this server's runtime runs no images \(.+\) Start the server with --runtime docker, or install bubblewrap\.$/,
    );
    await engine.stop();
  });

  it('are mock itself where their image is its mirror', async () => {
    const engine = server();
    const made = await run(
      pipeline(
        '[{name: mine, type: base, source: {mirror_self: true}}, {name: base, type: mock, source: {mirror_self: true}}]',
        '{metadata: [{name: m, value: x}]}',
        '{put: r, params: {version: two}}',
      ),
    );
    expect(await world.finished(made.id)).toBe('succeeded');
    expect(await eventsOf(made, 'finish-put')).toMatchObject([{ version: { version: 'two' } }]);
    await world.until(() => engine.activeCount === 0, 'the end of the run');
    expect(await readdir(path.join(world.folder, 'machine-images')).catch(() => [])).toBeDefined();
    await engine.stop();
  });

  it('begin with the version that their image would have', async () => {
    const runtime = new DummyRuntime(world.machine, world.artifacts);
    const get = (): ResourceType => mock;
    const all = new CustomTypes(world.db, runtime, world.artifacts, { get }, settingsOf(), systemClock, silent);
    const base = { name: 'base', type: 'mock', source: { mirror_self: true, initial_version: 'of-image' } };
    const type = all.typeOf([{ name: 'mine', type: 'base', source: { mirror_self: true } }, base]);
    const context = stepContext(path.join(world.folder, 'cache'));
    expect(await type.check(context, { source: {} })).toEqual([{ version: 'of-image' }]);
    expect(await type.check(context, { source: { initial_version: 'own' } })).toEqual([{ version: 'own' }]);
  });
});
