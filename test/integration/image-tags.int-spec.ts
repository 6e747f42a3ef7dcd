import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import type { BuildTracker } from '../../src/builds/index.js';
import { Checker } from '../../src/checking/index.js';
import { CustomTypes } from '../../src/custom-types/index.js';
import type { BuildId, ResourceId } from '../../src/model/index.js';
import { Metrics, Settings, systemClock } from '../../src/platform/index.js';
import type { ResourceType } from '../../src/resources/index.js';
import { DummyRuntime, RuntimePool, type Capabilities, type Member, type StepSpec } from '../../src/runtime/index.js';
import { credentialsOn } from '../support/credentials.js';
import { EngineWorld, silent } from '../support/engine-world.js';

/** `runtime: program source` of each process, in the order in which they began. */
const ran: string[] = [];

/** The dummy machine as if it were one of several, which run images. */
class Machine extends DummyRuntime {
  constructor(
    world: EngineWorld,
    private readonly name: string,
  ) {
    super(world.machine, world.artifacts);
  }
  override async capabilities(): Promise<Capabilities> {
    return { ...(await super.capabilities()), images: true };
  }
  override start(spec: StepSpec): Promise<void> {
    const { source } = JSON.parse(Buffer.from(spec.stdin ?? []).toString() || '{}') as { source?: { of?: string } };
    ran.push([`${this.name}: ${path.basename(spec.argv[0] ?? '')}`, source?.of ?? []].flat().join(' '));
    return super.start(spec);
  }
}

/** A type of the server whose gets are images. */
const base: ResourceType<unknown, unknown, unknown> = {
  name: 'base',
  schema: { source: z.unknown(), getParams: z.unknown(), putParams: z.unknown() },
  check: () => Promise.resolve([{ digest: '1' }]),
  get: async (_context, { version, dir }) => {
    await writeFile(path.join(dir, 'metadata.json'), '{}');
    return { version, metadata: [] };
  },
  put: () => Promise.reject(new Error('not used')),
};

describe('tags where images are fetched', () => {
  let world: EngineWorld;
  let pool: RuntimePool;
  let engine: BuildTracker;
  let count = 0;
  beforeAll(async () => {
    world = await EngineWorld.create({
      '/opt/resource/check': (step) => {
        step.write('[{"ref":"v1"}]');
        return 0;
      },
      '/opt/resource/in': (step) => {
        step.writeFile(`${step.spec.argv[1]}/metadata.json`, '{}');
        step.write('{"version":{"ref":"v1"}}');
        return 0;
      },
    });
    const member = (name: string, tags: string[]): Member => {
      return { name, runtime: new Machine(world, name), slots: 5, tags };
    };
    pool = new RuntimePool([member('plain', []), member('one', ['big']), member('two', ['small'])]);
    engine = world.engine(1, { runtime: pool, resourceTypes: { base } });
    engine.start();
  });
  afterEach(() => void ran.splice(0));
  afterAll(() => world.close());

  /** Types of their own for each test: `outer`, whose image is made by `inner`, whose image is one of the server's type. */
  const types = (tags = ''): string =>
    `resource_types: [{name: outer, type: inner, source: {of: image, id: ${++count}}${tags}}, {name: inner, type: base, source: {id: ${count}}}]`;
  const pipeline = (types: string, step: string) =>
    world.pipeline(
      `{${types}, resources: [{name: r, type: outer, source: {of: r}, tags: [one]}], jobs: [{name: j, plan: [${step}]}, {name: other, plan: [{get: r}]}]}`,
    );
  const build = async (types: string, step: string): Promise<BuildId> =>
    (await world.start(await pipeline(types, step))).id;
  const task = (image: string): string =>
    `{task: t, tags: [one], config: {platform: linux, image_resource: ${image}, run: {path: ok}}}`;
  const errors = async (id: BuildId): Promise<string> =>
    JSON.stringify((await world.events(id)).filter(({ event }) => event === 'error').map(({ data }) => data));

  it('of a type go before those of the step whose type it is', async () => {
    const id = await build(types(', tags: [small]'), '{get: r, tags: [one]}');
    expect(await world.finished(id)).toBe('succeeded');
    expect(ran).toEqual(['two: check image', 'two: in image', 'one: in r']);
  });

  it('are those of the step where its type has none', async () => {
    const id = await build(types(), '{get: r, tags: [big]}');
    expect(await world.finished(id)).toBe('succeeded');
    expect(ran).toEqual(['one: check image', 'one: in image', 'one: in r']);
  });

  it('of a type go before those of the resource that is checked', async () => {
    const settings = new Settings({ dataDir: world.folder, instanceId: 'one', epoch: 1 });
    const get = (): ResourceType => base;
    const customTypes = new CustomTypes(world.db, pool, world.artifacts, { get }, settings, systemClock, silent);
    const credentials = credentialsOn(world.db, settings);
    const metrics = new Metrics();
    const checker = new Checker(world.db, { get }, settings, systemClock, silent, metrics, credentials, customTypes);
    const { id } = await pipeline(types(', tags: [two]'), '{get: r}');
    const [row] = await world.db.query<{ id: ResourceId }>(`select id from resources where pipeline_id = $1`, [id]);
    await checker.runCheck(row!.id, { signal: AbortSignal.timeout(10_000), log: () => undefined });
    expect(ran).toEqual(['two: check image', 'two: in image', 'one: check r']);
  });

  it('of an image_resource go before those of its task, which runs where it would without', async () => {
    const id = await build(types(), task('{type: inner, source: {of: task}, tags: [small]}'));
    expect(await world.finished(id)).toBe('succeeded');
    expect(ran).toEqual(['two: check task', 'two: in task', 'one: ok']);
  });

  it('are those of the task where its image_resource has none, also for the image of the type of its image', async () => {
    const id = await build(types(), task('{type: outer, source: {of: task}}'));
    expect(await world.finished(id)).toBe('succeeded');
    expect(ran).toEqual([...['one: check image', 'one: in image', 'one: check task'], ...['one: in task', 'one: ok']]);
  });

  it('have no effect on types of the server', async () => {
    const id = await build(types(), task('{type: base, source: {of: server}, tags: [huge]}'));
    expect(await world.finished(id)).toBe('succeeded');
    expect(ran).toEqual(['one: ok']);
  });

  it('that no runtime has are an error that names them', async () => {
    const id = await build(types(', tags: [huge]'), '{get: r, tags: [one]}');
    expect(await world.finished(id)).toBe('errored');
    expect(await errors(id)).toContain("no workers satisfying: tag 'huge'");
    expect(ran).toEqual([]);
  });
});
