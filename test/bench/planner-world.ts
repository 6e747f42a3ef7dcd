import type { Digest, JobId, ResourceId, Version } from '../../src/model/index.js';
import type { Db } from '../../src/persistence/index.js';
import type { InputRequest, JobRequest, WorldBuild, WorldResource } from '../../src/planner/index.js';

/** A world as large installations have it: 80 jobs, 95 resources; times `scale` 54,000 versions and 120,000 outputs. */
export interface BenchWorld {
  readonly scale: number;
  readonly wide: JobRequest;
  readonly deep: JobRequest;
  readonly hopeless: JobRequest;
  /** Every job of the pipeline, as it would be planned when something changed for all. */
  readonly all: readonly JobRequest[];
}

const JOBS = 80;
const RESOURCES = 95;
const VERSIONS = 568;
const BUILDS = 250;
/** Resources that a build of a job holds. */
const HELD = 6;

/**
 * Writes the world in SQL. Build k of job j holds version 2(k - j mod 5), give or take, of six resources, so the newest versions passed
 * some jobs only and those a little older all. Constraint triggers are off while writing: the rows are made to fit.
 */
export async function writeBenchWorld(db: Db, scale: number): Promise<BenchWorld> {
  const [frame] = await db.query<{ team: number }>(`select id as team from teams where name = 'main'`);
  const builds = BUILDS * scale;
  const versions = VERSIONS * scale;
  await db.tx(async (tx) => {
    await tx.query(`set local session_replication_role = replica`);
    await tx.query(`set local statement_timeout = 0`);
    await tx.query(`set local maintenance_work_mem = '512MB'`);
    const dropped = await tx.query<{ indexname: string; indexdef: string }>(
      `select indexname, indexdef from pg_indexes where schemaname = current_schema() and tablename in ('versions', 'effective_sets', 'builds', 'build_inputs')
       and indexname not in (select conname from pg_constraint)`,
    );
    for (const { indexname } of dropped) await tx.query(`drop index ${indexname}`);
    await tx.query(`insert into pipelines (id, team_id, name) overriding system value values (1, $1, 'bench')`, [
      frame!.team,
    ]);
    await tx.query(
      `insert into jobs (id, pipeline_id, name, config, schedule_done) overriding system value select n, 1, 'job-' || n, '{}', 1 from generate_series(1, $1::int) n`,
      [JOBS],
    );
    await tx.query(
      `insert into histories (id, config_digest, next_check_order) overriding system value select n, 'x', 1000000000 from generate_series(1, $1::int) n`,
      [RESOURCES],
    );
    await tx.query(
      `insert into resources (id, pipeline_id, name, type, config, history_id) overriding system value
       select n, 1, 'resource-' || n, 'mock', '{}', n from generate_series(1, $1::int) n`,
      [RESOURCES],
    );
    await tx.query(
      `insert into versions (history_id, digest, version, check_order, origin)
       select r, md5('a' || r || ':' || v) || md5('b' || r || ':' || v), jsonb_build_object('ref', r || ':' || v), v, 'check'
       from generate_series(1, $1::int) r, generate_series(1, $2::int) v`,
      [RESOURCES, versions],
    );
    await tx.query(
      `insert into builds (id, team_id, pipeline_id, job_id, name, status, manually_triggered, ended_at, inputs_ready) overriding system value
       select k::bigint * 100 + j, $3, 1, j, k::text, 'succeeded', true, now(), true
       from generate_series(1, $2::int) k, generate_series(1, $1::int) j`,
      [JOBS, builds, frame!.team],
    );
    // Job j holds resources j, j + 1, ... (mod 95) and, in the stage jobs 51 to 75, always resource 95.
    await tx.query(
      `insert into effective_sets (build_id, job_id, place, versions)
       select k::bigint * 100 + j, j, k::bigint * 100 + j, (
         select jsonb_object_agg(r::text, jsonb_build_array(md5('a' || r || ':' || v) || md5('b' || r || ':' || v)))
         from (select case when j between 51 and 75 and n = 0 then ${RESOURCES} else 1 + (j + n) % ${RESOURCES - 1} end as r,
                      greatest(1, 2 * (k - j % 5) + $3) as v from generate_series(0, ${HELD - 1}) n) held)
       from generate_series(1, $2::int) k, generate_series(1, $1::int) j`,
      [JOBS, builds, versions - 2 * builds - 8],
    );
    // What the planned jobs themselves consumed, so that every and first occurrences have something to look at.
    await tx.query(
      `insert into build_inputs (build_id, job_id, name, ordinal, resource_id, digest, version, first_occurrence)
       select k::bigint * 100 + j, j, 'in-' || r, r, r, md5('a' || r || ':' || v) || md5('b' || r || ':' || v), '{}', true
       from generate_series(1, $1::int) k, generate_series(76, 80) j, generate_series(1, 17) n,
         lateral (select 51 + n as r, greatest(1, 2 * k - 20 + $2) as v) used`,
      [builds, versions - 2 * builds - 8],
    );
    for (const { indexdef } of dropped) await tx.query(indexdef);
  });
  await db
    .query(`set statement_timeout = 0; analyze versions, effective_sets, builds, build_inputs`)
    .catch(async () => {
      for (const table of ['versions', 'effective_sets', 'builds', 'build_inputs']) await db.query(`analyze ${table}`);
    });
  return { scale, wide: wide(), deep: deep(), hopeless: hopeless(), all: allJobs() };
}

const input = (
  resource: number,
  passed: readonly number[],
  version: InputRequest['version'] = 'latest',
): InputRequest => ({
  name: `in-${resource}`,
  resourceId: resource as ResourceId,
  trigger: true,
  passed: passed.length === 0 ? null : { all: passed.map((job) => ({ job: job as JobId })) },
  version,
});

/** 17 inputs, all of one group by a chain: each names two jobs, and shares one with its neighbour. */
function wide(): JobRequest {
  // Resource 52 + n is held by jobs 46 + n to 51 + n.
  const inputs = Array.from({ length: 17 }, (_, n) => input(52 + n, [49 + n, 50 + n]));
  return { jobId: 76 as JobId, inputs };
}

/** One input that passed 25 jobs, one free one, one that takes every version. */
function deep(): JobRequest {
  const stage = Array.from({ length: 25 }, (_, n) => 51 + n);
  return { jobId: 77 as JobId, inputs: [input(95, stage), input(53, []), input(54, [], 'every')] };
}

/** No build of job 1 holds what job 30 holds: nothing can be found, however long one looks. */
function hopeless(): JobRequest {
  return { jobId: 78 as JobId, inputs: [input(3, [1, 2]), input(4, [2, 40])] };
}

function allJobs(): JobRequest[] {
  return Array.from({ length: JOBS }, (_, i): JobRequest => {
    const j = i + 1;
    const upstream = j > 2 ? [j - 1, j - 2] : [];
    const shared = 1 + ((j + 1) % (RESOURCES - 1));
    return { jobId: j as JobId, inputs: [input(shared, upstream.length > 0 ? upstream : []), input(1 + (j % 90), [])] };
  });
}

/** The same world read back into memory. Only sensible at scale 1. */
export async function readBenchWorld(db: Db): Promise<{ resources: WorldResource[]; builds: WorldBuild[] }> {
  const rows = await db.query<{ history: ResourceId; digest: Digest; version: Version; order: number }>(
    `select history_id as history, digest, version, check_order as "order" from versions`,
  );
  const byResource = new Map<ResourceId, { digest: Digest; version: Version; checkOrder: number }[]>();
  for (const { history, digest, version, order } of rows) {
    const list = byResource.get(history) ?? [];
    list.push({ digest, version, checkOrder: order });
    byResource.set(history, list);
  }
  const sets = await db.query<{ id: WorldBuild['id']; job: JobId; versions: Record<string, Digest[]> }>(
    `select build_id as id, job_id as job, versions from effective_sets`,
  );
  const inputs = await db.query<{ id: number; name: string; resource: ResourceId; digest: Digest }>(
    `select build_id as id, name, resource_id as resource, digest from build_inputs`,
  );
  const inputsOf = new Map<number, { name: string; resourceId: ResourceId; digest: Digest }[]>();
  for (const { id, name, resource, digest } of inputs) {
    const list = inputsOf.get(id) ?? [];
    list.push({ name, resourceId: resource, digest });
    inputsOf.set(id, list);
  }
  return {
    resources: [...byResource].map(([id, versions]) => ({ id, versions, disabled: new Set<Digest>() })),
    builds: sets.map(({ id, job, versions }) => ({
      id,
      jobId: job,
      status: 'succeeded',
      rerunOf: null,
      outputs: Object.entries(versions).flatMap(([resource, digests]) =>
        digests.map((digest) => ({ resourceId: Number(resource) as ResourceId, digest })),
      ),
      inputs: inputsOf.get(id) ?? [],
      pipes: [],
    })),
  };
}
