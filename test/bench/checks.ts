/**
 * Checks per second and core of resource types by themselves: `npm run bench:checks [-- --seconds 3]`. `time` and `mock`
 * answer from their source; `git` asks a repository on this disk, or behind `git daemon`, that has nothing new, as most checks
 * do, and at last one that has a new commit each time.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, mkdir, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { git } from '../../resource-types/git/index.js';
import { mock } from '../../resource-types/mock/index.js';
import { time } from '../../resource-types/time/index.js';
import type { CheckContext, ResourceType, Version } from '../../src/resources/index.js';
import { removeTree } from '../../src/runtime/files.js';
import { GitRepository } from '../support/git-repository.js';

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '3' } } });
const base = await mkdtemp(path.join(os.tmpdir(), 'weir-bench-'));
const repository = await GitRepository.create(path.join(base, 'repository'));
for (let i = 0; i < 20; i++) await repository.commit(`commit ${i}`, { file: String(i) });

/**
 * As many at once as there are cores: a check that waits for a process leaves the core to another. Beside the wall clock,
 * which shares the machine with others, counts the processor time of this process and of those that it started.
 * @param advance makes something new before each check; then one check runs at a time
 */
async function measure(
  name: string,
  type: ResourceType,
  given: unknown,
  advance?: () => Promise<boolean>,
): Promise<void> {
  const source: unknown = type.schema.source.parse(given);
  const context = await contextOf(name);
  let from: Version | undefined;
  const check = async (): Promise<void> => {
    from = (await type.check(context, { source, ...(from ? { version: from } : {}) })).at(-1) ?? from;
  };
  for (let times = 0; times < 3; times++) await check(); // until the history is known
  const [begin, cpuBegin] = [performance.now(), cpuSeconds()];
  const end = begin + Number(values.seconds) * 1000;
  let done = 0;
  const one = async (): Promise<void> => {
    while (performance.now() < end && (await advance?.()) !== false) {
      await check();
      done++;
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const lanes = advance === undefined ? os.availableParallelism() : 1;
  await Promise.all(Array.from({ length: lanes }, one));
  const perLane = done / ((performance.now() - begin) / 1000) / lanes;
  const perCpuSecond = done / (cpuSeconds() - cpuBegin);
  console.log(
    `${name}: ${perLane.toFixed(0)} checks/s per core by the clock, ` +
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

/** @returns its address, and what ends it. */
async function serve(dir: string): Promise<{ readonly uri: string; readonly stop: () => void }> {
  const free = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => free.once('listening', resolve));
  const { port } = free.address() as AddressInfo;
  await new Promise((resolve) => free.close(resolve));
  const args = ['daemon', '--export-all', '--listen=127.0.0.1', `--port=${port}`, `--base-path=${base}`, '--reuseaddr'];
  const daemon = spawn('git', args, { stdio: 'ignore', detached: true });
  const uri = `git://127.0.0.1:${port}/${path.relative(base, dir)}`;
  while (!(await repository.git('ls-remote', uri).catch(() => ''))) await new Promise((go) => setTimeout(go, 50));
  return { uri, stop: () => process.kill(-(daemon.pid ?? 0), 'SIGTERM') };
}

/** Moves the branch along the commits from the oldest on. */
function along(commits: readonly string[]): () => Promise<boolean> {
  let at = 0;
  return async () => {
    const next = commits[at++];
    if (next !== undefined) await writeFile(path.join(repository.path, '.git/refs/heads/main'), `${next}\n`);
    return next !== undefined;
  };
}

const onDisk = { uri: repository.path, branch: 'main' };
await measure('time', time, { interval: '1h' });
await measure('mock', mock, { initial_version: 'v1' });
await measure('git', git, onDisk);
await repository.git('tag', 'v1');
await measure('git, tags', git, { ...onDisk, tag_filter: 'v*' });
await repository.commit('elsewhere', { other: '1' });
await measure('git, newest commit is no version', git, { ...onDisk, paths: ['file'] });
const { uri, stop } = await serve(repository.path);
await measure('git over git://', git, { ...onDisk, uri });
await measure('git over git://, tags', git, { ...onDisk, uri, tag_filter: 'v*' });
stop();
for (let i = 0; i < 60; i++) await repository.commit(`new ${i}`);
const commits = (await repository.git('rev-list', '--reverse', 'HEAD')).split('\n').slice(20);
await along(commits)();
await measure('git, a new commit each time', git, onDisk, along(commits.slice(1)));
await removeTree(base);
