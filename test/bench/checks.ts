/**
 * Checks per second and core of resource types by themselves: `npm run bench:checks [-- --seconds 3]`. `time` and `mock`
 * answer from their source; `git` asks a repository on this disk that has nothing new, as most checks do.
 */
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, mkdir } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { git } from '../../resource-types/git/index.js';
import { mock } from '../../resource-types/mock/index.js';
import { time } from '../../resource-types/time/index.js';
import type { CheckContext, ResourceType } from '../../src/resources/index.js';
import { removeTree } from '../../src/runtime/files.js';
import { GitRepository } from '../support/git-repository.js';

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '3' } } });
const base = await mkdtemp(path.join(os.tmpdir(), 'weir-bench-'));
const repository = await GitRepository.create(path.join(base, 'repository'));
for (let i = 0; i < 20; i++) await repository.commit(`commit ${i}`, { file: String(i) });

/**
 * As many at once as there are cores: a check that waits for a process leaves the core to another. Beside the wall clock,
 * which shares the machine with others, counts the processor time of this process and of those that it started.
 */
async function measure(type: ResourceType, given: unknown): Promise<void> {
  const source: unknown = type.schema.source.parse(given);
  const context = await contextOf(type.name);
  let from = (await type.check(context, { source })).at(-1);
  const [begin, cpuBegin] = [performance.now(), cpuSeconds()];
  const end = begin + Number(values.seconds) * 1000;
  let done = 0;
  const one = async (): Promise<void> => {
    while (performance.now() < end) {
      from = (await type.check(context, { source, ...(from ? { version: from } : {}) })).at(-1) ?? from;
      done++;
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await Promise.all(Array.from({ length: os.availableParallelism() }, one));
  const perCore = done / ((performance.now() - begin) / 1000) / os.availableParallelism();
  const perCpuSecond = done / (cpuSeconds() - cpuBegin);
  console.log(
    `${type.name}: ${perCore.toFixed(0)} checks/s per core by the clock, ` +
      `${perCpuSecond.toFixed(0)} per second of processor time (load ${os.loadavg()[0]?.toFixed(1)})`,
  );
}

/** Of this process and of its children that ended, in seconds; without the children where there is no /proc. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  const own = (user + system) / 1_000_000;
  if (!existsSync('/proc/self/stat')) return own;
  const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]?.split(' ') ?? [];
  const ticks = Number(fields[13] ?? 0) + Number(fields[14] ?? 0); // cutime and cstime, 100 a second
  return own + ticks / 100;
}

async function contextOf(name: string): Promise<CheckContext> {
  const cacheDir = path.join(base, `cache-${name}`);
  await mkdir(cacheDir, { recursive: true });
  return {
    cacheDir,
    log: () => undefined,
    now: () => new Date(),
    signal: new AbortController().signal,
  };
}

await measure(time, { interval: '1h' });
await measure(mock, { initial_version: 'v1' });
await measure(git, { uri: repository.path, branch: 'main' });
await removeTree(base);
