/**
 * A version recorded -> its build started, with 1,000 jobs and 1,000 resources in 50 pipelines:
 * `npm run bench:trigger [-- --pipelines 50 --rate 20 --seconds 30 --history 100]`. The database is an embedded PostgreSQL with the settings of production,
 * the trigger loop the real one; versions are recorded as a check does it and builds ended as the engine does it.
 */
import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { BuildId, HistoryId, PipelineConfig } from '../../src/model/index.js';
import {
  Db,
  finishBuild,
  migrateDatabase,
  NotificationListener,
  saveCheckedVersions,
} from '../../src/persistence/index.js';
import { startEmbeddedPostgres } from '../../src/persistence/embedded/index.js';
import { createLogger, Metrics } from '../../src/platform/index.js';
import { SchedulingLoop } from '../../src/scheduling/index.js';
import { planOnPostgres } from '../../src/scheduling/plan-on-postgres.js';
import { insertPipeline } from '../support/pipeline-rows.js';

const PER_PIPELINE = 20;
const BUILD_MS = 100;

const { values: flags } = parseArgs({
  options: {
    pipelines: { type: 'string', default: '50' },
    rate: { type: 'string', default: '20' },
    seconds: { type: 'string', default: '30' },
    history: { type: 'string', default: '100' },
  },
});
const PIPELINES = Number(flags.pipelines);
const [rate, seconds, history] = [Number(flags.rate), Number(flags.seconds), Number(flags.history)];
const log = createLogger('warn');
const base = await mkdtemp(path.join(os.tmpdir(), 'weir-bench-'));
const postgres = await startEmbeddedPostgres(path.join(base, 'pg'));
await migrateDatabase(postgres.url);
const db = await Db.connect(postgres.url);
const listener = new NotificationListener(postgres.url, log);
const loop = new SchedulingLoop(db, listener, planOnPostgres, log, new Metrics());

/** When what a build waited for was committed: by version of its input, or by the build upstream. */
const recordedAt = new Map<string, number>();
const finishedAt = new Map<BuildId, number>();
const startedAt = new Map<BuildId, number>();
const ends: Promise<unknown>[] = [];

try {
  const histories = await buildWorld();
  await listener.start();
  listener.on('builds', (id) => {
    if (id === undefined || startedAt.has(id as BuildId)) return;
    startedAt.set(id as BuildId, performance.now());
    ends.push(endLater(id as BuildId));
  });
  loop.onApplicationBootstrap();
  await measure('warming up', histories, 5);
  recordedAt.clear();
  await measure(`measuring ${seconds} s at ${rate} versions/s`, histories, seconds);
  await report();
} finally {
  await loop.onModuleDestroy();
  await listener.stop();
  await db.close();
  await postgres.stop();
  await rm(base, { recursive: true, force: true });
}

/** Half of the jobs trigger on a resource of their own, the other half on the same resource after it has passed the first. */
async function buildWorld(): Promise<HistoryId[]> {
  const pairs = Array.from({ length: PER_PIPELINE / 2 }, (_, n) => n);
  const config: PipelineConfig = {
    resources: Array.from({ length: PER_PIPELINE }, (_, n) => ({ name: `r${n}`, type: 'mock', source: {} })),
    jobs: [
      ...pairs.map((n) => ({
        name: `test${n}`,
        plan: [{ get: `r${n}`, trigger: true }, { put: `r${n + pairs.length}` }],
      })),
      ...pairs.map((n) => ({
        name: `deploy${n}`,
        serial: true,
        plan: [{ get: `r${n}`, trigger: true, passed: [`test${n}`] }],
      })),
    ],
  };
  for (let n = 0; n < PIPELINES; n++) await insertPipeline(db, `p${n}`, config);
  // Every triggering resource has a past: versions, and builds of both jobs that used them.
  await db.query(
    `insert into versions (history_id, digest, version, check_order, origin, created_at)
     select r.history_id, encode(sha256(convert_to('{"ref":"' || r.id || '.' || n || '"}', 'utf8')), 'hex'),
       jsonb_build_object('ref', r.id || '.' || n), n, 'check', now() from resources r, generate_series(1, $1::int) n`,
    [history],
  );
  await db.query(`update histories set next_check_order = $1 + 1`, [history]);
  await db.query(
    `insert into builds (team_id, pipeline_id, job_id, name, status, started_at, ended_at, inputs_ready)
     select p.team_id, p.id, j.id, n::text, 'succeeded', now(), now(), true
     from jobs j join pipelines p on p.id = j.pipeline_id, generate_series(1, $1::int) n order by n, j.id`,
    [history],
  );
  await db.query(`update jobs set next_build_number = $1 + 1`, [history]);
  await db.query(
    `insert into build_inputs (build_id, job_id, name, ordinal, resource_id, digest, version, first_occurrence)
     select b.id, b.job_id, i.name, 0, i.resource_id, v.digest, v.version, true
     from builds b join job_inputs i on i.job_id = b.job_id join resources r on r.id = i.resource_id
     join versions v on v.history_id = r.history_id and v.check_order = b.name::int`,
  );
  await db.query(
    `insert into effective_sets (build_id, job_id, place, versions)
     select build_id, job_id, build_id, jsonb_build_object(resource_id::text, jsonb_build_array(digest)) from build_inputs`,
  );
  await db.query(`vacuum analyze`);
  const rows = await db.query<{ id: HistoryId }>(
    `select distinct r.history_id as id from resources r join job_inputs i on i.resource_id = r.id`,
  );
  return rows.map((row) => row.id);
}

async function measure(what: string, histories: readonly HistoryId[], forSeconds: number): Promise<void> {
  console.log(`${what} ...`);
  const records: Promise<void>[] = [];
  const begin = performance.now();
  for (let n = 0; n < rate * forSeconds; n++) {
    const wait = begin + (n * 1000) / rate - performance.now();
    if (wait > 0) await pause(wait);
    records.push(record(histories[randomInt(histories.length)]!, `${what} ${n}`));
  }
  await Promise.all(records);
  await pause(2_000);
  await Promise.all(ends);
}

async function record(history: HistoryId, ref: string): Promise<void> {
  await db.tx((tx) => saveCheckedVersions(tx, history, [{ ref }]));
  recordedAt.set(ref, performance.now());
}

/** A build takes a moment and succeeds; what it started downstream is measured from then on. */
async function endLater(id: BuildId): Promise<void> {
  await pause(BUILD_MS);
  if (await db.tx((tx) => finishBuild(tx, id, 'succeeded'))) finishedAt.set(id, performance.now());
}

async function report(): Promise<void> {
  const builds = await db.query<{ id: BuildId; ref: string; upstream: BuildId | null }>(
    `select b.id, i.version->>'ref' as ref, (select max(from_build_id) from build_pipes where build_id = b.id) as upstream
     from builds b join build_inputs i on i.build_id = b.id where b.id = any($1)`,
    [[...startedAt.keys()]],
  );
  const latencies = (upstream: boolean): number[] =>
    builds.flatMap(({ id, ref, upstream: from }) => {
      const begin = from === null ? recordedAt.get(ref) : recordedAt.has(ref) ? finishedAt.get(from) : undefined;
      return begin === undefined || (from !== null) !== upstream ? [] : [startedAt.get(id)! - begin];
    });
  console.log(
    `${PIPELINES} pipelines, ${PIPELINES * PER_PIPELINE} jobs, ${PIPELINES * PER_PIPELINE} resources, ${history} versions and builds each;`,
  );
  console.log(
    `${os.cpus().length} cores, Node ${process.version}, load ${os.loadavg()[0]!.toFixed(1)}; from the commit to the engine's NOTIFY`,
  );
  show('version recorded -> build started', latencies(false));
  show('upstream build ended -> build started', latencies(true));
  const [left] = await db.query<{ pending: number }>(
    `select count(*)::int as pending from builds where status = 'pending'`,
  );
  console.log(`left pending: ${left!.pending}; pending without a reason: ${loop.violations}`);
  console.log(`memory of the process: ${Math.round(process.memoryUsage().rss / 1e6)} MB`);
}

function show(what: string, values: number[]): void {
  values.sort((a, b) => a - b);
  const at = (share: number): string =>
    (values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? NaN).toFixed(1);
  console.log(
    `${what}: ${values.length} builds, p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, p99 ${at(0.99)} ms, worst ${at(1)} ms`,
  );
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
