import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { observe } from '../support/build-scenarios.js';
import { EngineWorld } from '../support/engine-world.js';

let world: EngineWorld;
const limits: unknown[] = [];
beforeAll(async () => {
  world = await EngineWorld.create({
    limited: async ({ spec }) => {
      limits.push(spec.limits);
      return 0;
    },
  });
  world
    .engine(1, {
      settings: {
        defaultGetTimeout: '100ms',
        defaultPutTimeout: '110ms',
        defaultTaskTimeout: '120ms',
        defaultTaskCpuLimit: 512,
        defaultTaskMemoryLimit: '1GB',
      },
    })
    .start();
});
afterAll(() => world.close());

const repo = `resources: [{name: repo, type: git, source: {uri: x}}]`;
async function errorsOf(steps: string): Promise<{ status: string; errors: unknown }> {
  const { id, plan } = await world.start(
    await world.pipeline(`${steps.includes('repo') ? repo : ''}\njobs: [{name: j, plan: [${steps}]}]`),
  );
  const status = await world.finished(id);
  return { status, errors: (await observe(world, id, plan)).errors };
}
const task = (more = ''): string => `{task: a, config: {platform: linux, run: {path: stay}}${more}}`;

describe('the timeout by the operator', () => {
  it.each([
    ['get', '{get: repo, params: {hang: true}}', 'repo'],
    ['put', '{put: repo, params: {hang: true}}', 'repo'],
    ['task', task(), 'a'],
  ])('ends a %s that sets none', async (_kind, step, name) => {
    expect(await errorsOf(step)).toEqual({ status: 'failed', errors: [`${name}: timeout exceeded`] });
  });

  it('gives way to that of the step', async () => {
    expect((await errorsOf(`{task: a, timeout: 1h, config: {platform: linux, run: {path: ok}}}`)).status).toBe(
      'succeeded',
    );
    const [step] = await world.db.query(
      `select deadline_at > now() + interval '30 min' as "isFar" from build_steps where deadline_at is not null order by build_id desc limit 1`,
    );
    expect(step).toEqual({ isFar: true });
  });
});

describe('the limits by the operator', () => {
  it('count for a task where it and its step say nothing, one by one', async () => {
    const limited = (own: string, more = ''): string =>
      `{task: a, timeout: 1h, config: {platform: linux, run: {path: limited}${own}}${more}}`;
    const steps = [
      limited(''),
      limited(', container_limits: {memory: 5MB}'),
      limited(', container_limits: {memory: 5MB}', ', container_limits: {cpu: 2}'),
      limited(', container_limits: {cpu: 0, memory: 0}'),
    ];
    expect(await errorsOf(steps.join(', '))).toEqual({ status: 'succeeded', errors: [] });
    expect(limits).toEqual([
      { memoryBytes: 2 ** 30, cpuShares: 512 },
      { memoryBytes: 5 * 2 ** 20, cpuShares: 512 },
      { memoryBytes: 2 ** 30, cpuShares: 2 },
      {},
    ]);
  });
});
