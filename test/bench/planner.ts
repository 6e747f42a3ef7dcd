/**
 * How fast is a plan, and does it stay so with a hundred times the history? `npm run bench:planner [-- --scales 1,10,100]`.
 * All figures of one run are of one machine and one PostgreSQL, so their ratios mean something; see docs/performance.md.
 */
import { mkdtempSync, rmSync, chmodSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import v8 from 'node:v8';
import vm from 'node:vm';
import pg from 'pg';
import type { Digest, JobId, ResourceId } from '../../src/model/index.js';
import { startEmbeddedPostgres } from '../../src/persistence/embedded/index.js';
import { Db, migrateDatabase, type Queryable } from '../../src/persistence/index.js';
import {
  planInputs,
  type InputPlan,
  runOn,
  World,
  type JobRequest,
  type WorldBuild,
  type WorldResource,
} from '../../src/planner/index.js';
import { EffectiveSetCache } from '../../src/scheduling/effective-set-cache.js';
import { planOnPostgres } from '../../src/scheduling/plan-on-postgres.js';
import { readBenchWorld, writeBenchWorld, type BenchWorld } from './planner-world.js';

const option = process.argv.indexOf('--scales');
const SCALES = (option > 0 ? process.argv[option + 1]! : '1,10,100').split(',').map(Number);
/** Not measured: code is compiled meanwhile, and statements are parsed once per connection. */
const WARM_UP = 50;
const CACHE_BYTES = 64 * 1024 * 1024;

interface Figures {
  readonly p50: number;
  readonly p99: number;
}
/** CPU time of work that does not wait, in milliseconds, the garbage collector's threads included. */
function cpuMs(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
function measure(times: number, work: () => unknown): Figures {
  for (let i = 0; i < 3000; i++) work(); // let the compiler finish: it takes back and makes anew what it optimized too early
  const samples = Array.from({ length: times }, () => {
    const start = performance.now();
    work();
    return performance.now() - start;
  }).sort((a, b) => a - b);
  return { p50: samples[Math.floor(times * 0.5)]!, p99: samples[Math.floor(times * 0.99)]! };
}
/** Collects what was left by making a world in memory, which no plan is to be charged for. */
function collectGarbage(): void {
  v8.setFlagsFromString('--expose-gc');
  (vm.runInNewContext('gc') as () => void)();
}
const ms = (value: number): string => `${value.toFixed(value < 10 ? 3 : 1)} ms`;
const line = (what: string, text: string): void => console.log(`${what.padEnd(58)} ${text}`);
const show = (what: string, { p50, p99 }: Figures, more = ''): void =>
  line(what, `p50 ${ms(p50)}  p99 ${ms(p99)}  ${more}`);

/** Counts round trips. */
function counted(db: Queryable): Queryable & { count: number } {
  const counter = {
    count: 0,
    query: <Row>(...args: Parameters<Queryable['query']>): Promise<Row[]> => {
      counter.count++;
      return db.query<Row>(...args);
    },
  };
  return counter;
}

/** One world in a database of its own. */
interface Stand {
  readonly world: BenchWorld;
  readonly db: Db;
  readonly counter: ReturnType<typeof counted>;
  readonly cache: EffectiveSetCache;
}

/**
 * Measures the same on every stand in turn, again and again, so that whatever else the machine does troubles all of them
 * alike and the ratios hold.
 */
async function compare(
  what: string,
  times: number,
  stands: readonly Stand[],
  work: (stand: Stand) => Promise<unknown>,
): Promise<void> {
  const samples = stands.map((): number[] => []);
  for (const stand of stands) for (let i = 0; i < Math.min(times, WARM_UP); i++) await work(stand);
  const queriesBefore = stands.map(({ counter }) => counter.count);
  for (let i = 0; i < times; i++) {
    for (const [n, stand] of stands.entries()) {
      const start = performance.now();
      await work(stand);
      samples[n]!.push(performance.now() - start);
    }
  }
  const figures = samples.map((taken): Figures => {
    taken.sort((a, b) => a - b);
    return { p50: taken[Math.floor(times * 0.5)]!, p99: taken[Math.floor(times * 0.99)]! };
  });
  figures.forEach((each, n) => {
    const { world, counter } = stands[n]!;
    const queries = ((counter.count - queriesBefore[n]!) / times).toFixed(0);
    show(
      `×${world.scale} PostgreSQL, ${what}`,
      each,
      `${queries} queries, ${(each.p50 / figures[0]!.p50).toFixed(2)} of ×${stands[0]!.world.scale}`,
    );
  });
}

async function onPostgres(stands: readonly Stand[]): Promise<void> {
  for (const { db, world } of stands) {
    for (const request of [world.wide, world.deep]) {
      const plan = await planOnPostgres(db, request);
      if (!plan.resolved) throw new Error(JSON.stringify(plan));
    }
  }
  for (const name of ['wide', 'deep'] as const) {
    const called = { wide: '17 inputs', deep: '25 passed' }[name];
    await compare(`${called}, cold`, 300, stands, ({ counter, world }) =>
      planOnPostgres(counter, world[name], { cache: new EffectiveSetCache(CACHE_BYTES) }),
    );
    await compare(`${called}, cache kept`, 300, stands, ({ counter, world, cache }) =>
      planOnPostgres(counter, world[name], { cache }),
    );
  }
  await compare('no set exists', 5, stands, ({ counter, world, cache }) =>
    planOnPostgres(counter, world.hopeless, { cache }),
  );
  await compare('1,000 jobs planned, 4 at a time', 3, stands, ({ counter, world, cache }) =>
    Promise.all(
      Array.from({ length: 4 }, async (_, lane) => {
        for (let i = lane; i < 1000; i += 4) await planOnPostgres(counter, world.all[i % world.all.length]!, { cache });
      }),
    ),
  );
  for (const { world, cache } of stands) {
    line(`×${world.scale} cache`, `${(cache.sizeBytes / 1e6).toFixed(1)} MB of ${(CACHE_BYTES / 1e6).toFixed(0)} MB`);
  }
}

async function inMemory(db: Db, world: BenchWorld): Promise<void> {
  const { resources, builds } = await readBenchWorld(db);
  const start = performance.now();
  const memory = new World(resources, builds).prepare();
  line('×1 in memory, all indexes made', ms(performance.now() - start));
  collectGarbage();
  for (const [name, request] of [
    ['17 inputs', world.wide],
    ['25 passed', world.deep],
    ['no set exists', world.hopeless],
  ] as const) {
    show(
      `×1 in memory, ${name}, warm`,
      measure(2000, () => runOn(memory, planInputs(request))),
    );
  }
  const thousand = cpuMs(() => {
    for (let i = 0; i < 1000; i++) runOn(memory, planInputs(world.all[i % world.all.length]!));
  });
  line('×1 in memory, 1,000 jobs planned, CPU time', ms(thousand));
}

/** Worlds made to be hard: every pair of inputs shares a job whose builds hold random pairs of versions. */
function hardWorld(
  inputs: number,
  versions: number,
  buildsPerJob: number,
  seed: number,
): { world: World; request: JobRequest } {
  let state = seed;
  const next = (n: number): number => (((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32) * n) | 0;
  const digest = (r: number, v: number): Digest => `${r}:${v}` as Digest;
  const resources = Array.from({ length: inputs }, (_, r): WorldResource => {
    const list = Array.from({ length: versions }, (_, v) => ({
      digest: digest(r, v),
      version: { v: `${v}` },
      checkOrder: v + 1,
    }));
    return { id: (r + 1) as ResourceId, versions: list, disabled: new Set() };
  });
  const builds: WorldBuild[] = [];
  const passed: number[][] = resources.map(() => []);
  let job = 0;
  for (let a = 0; a < inputs; a++) {
    for (let b = a + 1; b < inputs; b++) {
      job++;
      passed[a]!.push(job);
      passed[b]!.push(job);
      for (let k = 0; k < buildsPerJob; k++) {
        const outputs = [a, b].map((r) => ({ resourceId: (r + 1) as ResourceId, digest: digest(r, next(versions)) }));
        builds.push({
          id: (builds.length + 1) as never,
          jobId: job as JobId,
          status: 'succeeded',
          rerunOf: null,
          outputs,
          inputs: [],
          pipes: [],
        });
      }
    }
  }
  const request = {
    jobId: 9999 as JobId,
    inputs: resources.map((r, i) => ({
      name: `i${i}`,
      resourceId: r.id,
      trigger: true,
      passed: { all: passed[i]!.map((j) => ({ job: j as JobId })) },
      version: 'latest' as const,
    })),
  };
  return { world: new World(resources, builds), request };
}

/** Looks through shapes and seeds for the plan that takes longest, at the usual budget. */
function worstCase(): void {
  let worst = { took: 0, what: '' };
  let spent = 0;
  let tried = 0;
  for (const inputs of [4, 5, 6, 8, 10]) {
    for (const versions of [4, 8, 16, 40]) {
      // Just too few pairs for a set to exist is hardest.
      for (const density of [0.3, 0.45, 0.6]) {
        for (let seed = 1; seed <= 2; seed++) {
          const buildsPerJob = Math.max(2, Math.round(versions * versions * density));
          const { world, request } = hardWorld(inputs, versions, buildsPerJob, seed);
          let plan: InputPlan | undefined;
          const took = cpuMs(() => (plan = runOn(world, planInputs(request))));
          tried++;
          const first = plan!.inputs[0]!;
          const outcome = 'error' in first ? first.error : 'resolved';
          if (outcome === 'work_budget_spent') spent++;
          if (took > worst.took)
            worst = {
              took,
              what: `${inputs} inputs × ${versions} versions, ${buildsPerJob} builds per pair, ${outcome}`,
            };
        }
      }
    }
  }
  line(`hard worlds: ${tried} tried, budget spent in ${spent}; worst, CPU time`, `${ms(worst.took)}: ${worst.what}`);
}

async function main(): Promise<void> {
  line(`node ${process.version}, ${os.cpus().length} cores, ${os.cpus()[0]?.model ?? ''}`, '');
  worstCase();
  const base = mkdtempSync(path.join(os.tmpdir(), 'weir-bench-'));
  chmodSync(base, 0o711); // as root, PostgreSQL runs as another user
  const postgres = await startEmbeddedPostgres(base, { isForTests: true });
  try {
    const stands: Stand[] = [];
    for (const scale of SCALES) {
      const client = new pg.Client({ connectionString: postgres.url });
      await client.connect();
      await client.query(`create database bench_${scale}`);
      await client.end();
      const url = postgres.url.replace(/\/postgres(?=\?|$)/, `/bench_${scale}`);
      await migrateDatabase(url);
      const db = await Db.connect(url, { extra: { statement_timeout: 0 } });
      const start = performance.now();
      const world = await writeBenchWorld(db, scale);
      const seconds = ((performance.now() - start) / 1000).toFixed(0);
      line(`×${scale} written: ${54 * scale},000 versions, ${120 * scale},000 outputs`, `${seconds} s`);
      if (scale === 1) await inMemory(db, world);
      stands.push({ world, db, counter: counted(db), cache: new EffectiveSetCache(CACHE_BYTES) });
    }
    collectGarbage();
    await onPostgres(stands);
    for (const { db } of stands) await db.close();
    line('memory of this process', `${(process.memoryUsage().rss / 1e6).toFixed(0)} MB resident`);
  } finally {
    await postgres.stop();
    rmSync(base, { recursive: true, force: true });
  }
}
await main();
