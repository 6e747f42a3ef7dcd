import type { JobConfig, JobId, PipelineId, ResourceConfig, ResourceId } from '../../model/index.js';
import type { Tx } from '../db.js';
import { deleteUnusedHistories } from './pipelines.js';

/**
 * Makes the pipeline's resources those of the config, by name: renamed ones keep their identity, vanished ones become
 * inactive, and one whose type or source changed is detached from its history, which goes (scheduler-semantics §2.5).
 * @returns ids by name.
 */
export async function writeResources(
  tx: Tx,
  pipelineId: PipelineId,
  resources: readonly ResourceConfig[],
): Promise<Map<string, ResourceId>> {
  await renameItems(tx, 'resources', pipelineId, resources);
  await detachChanged(tx, pipelineId, resources);
  await deactivateOthers(tx, 'resources', pipelineId, resources);
  const rows = await tx.query<{ id: ResourceId; name: string }>(
    `insert into resources (pipeline_id, name, type, config)
     select $1, r.name, r.type, r.config from unnest($2::text[], $3::text[], $4::jsonb[]) with ordinality as r(name, type, config, place)
     order by place
     on conflict on constraint resource_names_are_unique_in_a_pipeline
       do update set type = excluded.type, config = excluded.config, active = true
     returning id, name`,
    [pipelineId, names(resources), resources.map((r) => r.type), configs(resources)],
  );
  await writeConfigPins(tx, pipelineId, resources);
  return new Map(rows.map((row) => [row.name, row.id]));
}

/**
 * Makes the pipeline's jobs those of the config, by name. A job keeps its builds, its pause and its counters.
 * @returns ids by name.
 */
export async function writeJobs(
  tx: Tx,
  pipelineId: PipelineId,
  jobs: readonly JobConfig[],
): Promise<Map<string, JobId>> {
  await renameItems(tx, 'jobs', pipelineId, jobs);
  await deactivateOthers(tx, 'jobs', pipelineId, jobs);
  const rows = await tx.query<{ id: JobId; name: string }>(
    `insert into jobs (pipeline_id, name, config, max_in_flight)
     select $1, j.name, j.config, j.max_in_flight
     from unnest($2::text[], $3::jsonb[], $4::integer[]) with ordinality as j(name, config, max_in_flight, place) order by place
     on conflict on constraint job_names_are_unique_in_a_pipeline
       do update set config = excluded.config, max_in_flight = excluded.max_in_flight, active = true
     returning id, name`,
    [pipelineId, names(jobs), configs(jobs), jobs.map(effectiveMaxInFlight)],
  );
  await writeSerialGroups(tx, pipelineId, jobs);
  return new Map(rows.map((row) => [row.name, row.id]));
}

/** A row of `job_inputs`. `passed` is the planner's form, with job ids. */
export interface JobInputRow {
  readonly job_id: JobId;
  readonly name: string;
  readonly ordinal: number;
  readonly resource_id: ResourceId;
  readonly trigger: boolean;
  readonly passed: unknown;
  readonly passed_job_ids: readonly JobId[];
  /** null for `latest`. */
  readonly version: unknown;
}

export interface JobOutputRow {
  readonly job_id: JobId;
  readonly name: string;
  readonly ordinal: number;
  readonly resource_id: ResourceId;
}

/** Replaces what the pipeline's jobs get and put. */
export async function writeJobGraph(
  tx: Tx,
  pipelineId: PipelineId,
  inputs: readonly JobInputRow[],
  outputs: readonly JobOutputRow[],
): Promise<void> {
  for (const table of ['job_inputs', 'job_outputs']) {
    await tx.query(`delete from ${table} where job_id in (select id from jobs where pipeline_id = $1)`, [pipelineId]);
  }
  await tx.query(
    `insert into job_inputs (job_id, name, ordinal, resource_id, trigger, passed, passed_job_ids, version)
     select * from jsonb_to_recordset($1) as i(job_id bigint, name text, ordinal integer, resource_id bigint, trigger boolean,
       passed jsonb, passed_job_ids bigint[], version jsonb)`,
    [JSON.stringify(inputs)],
  );
  await tx.query(
    `insert into job_outputs (job_id, name, ordinal, resource_id)
     select * from jsonb_to_recordset($1) as o(job_id bigint, name text, ordinal integer, resource_id bigint)`,
    [JSON.stringify(outputs)],
  );
}

interface Renamable {
  readonly name: string;
  readonly old_name?: string;
}

/**
 * Applies `old_name`, swaps included. The old row takes the new name; an inactive row of that name gives way. An active one
 * does not: then the rename happened in an earlier set, and `old_name` just stayed in the file.
 */
async function renameItems(
  tx: Tx,
  table: 'resources' | 'jobs',
  pipelineId: PipelineId,
  items: readonly Renamable[],
): Promise<void> {
  const rows = await tx.query<{ id: number; name: string; active: boolean }>(
    `select id, name, active from ${table} where pipeline_id = $1 order by id for no key update`,
    [pipelineId],
  );
  const present = new Map(rows.map((row) => [row.name, row]));
  const moves = movesOf(items, present);
  if (moves.length === 0) return;
  const moving = new Set(moves.map((move) => move.id));
  const inTheWay = moves.flatMap(({ to }) => present.get(to)?.id ?? []).filter((id) => !moving.has(id));
  await tx.query(`delete from ${table} where id = any($1::bigint[])`, [inTheWay]);
  // Two steps, as names are unique at every moment and two items may swap theirs.
  const ids = moves.map((move) => move.id);
  await tx.query(`update ${table} set name = '/' || id where id = any($1::bigint[])`, [ids]);
  await tx.query(
    `update ${table} x set name = m.name from unnest($1::bigint[], $2::text[]) as m(id, name) where x.id = m.id`,
    [ids, moves.map((move) => move.to)],
  );
}

interface Move {
  readonly id: number;
  readonly from: string;
  readonly to: string;
}

function movesOf(
  items: readonly Renamable[],
  present: ReadonlyMap<string, { readonly id: number; readonly active: boolean }>,
): Move[] {
  const byId = new Map<number, Move>();
  for (const { name: to, old_name: from } of items) {
    const row = from === undefined || from === to ? undefined : present.get(from);
    if (row !== undefined && from !== undefined && !byId.has(row.id)) byId.set(row.id, { id: row.id, from, to });
  }
  let moves = [...byId.values()];
  for (let before = -1; before !== moves.length;) {
    before = moves.length;
    const leaving = new Set(moves.map((move) => move.from));
    moves = moves.filter(({ to }) => !(present.get(to)?.active ?? false) || leaving.has(to));
  }
  return moves;
}

async function detachChanged(tx: Tx, pipelineId: PipelineId, resources: readonly ResourceConfig[]): Promise<void> {
  const changed = await tx.query<{ id: number; history: number }>(
    `select r.id, r.history_id as history
     from resources r join unnest($2::text[], $3::text[], $4::jsonb[]) as g(name, type, config) on g.name = r.name
     where r.pipeline_id = $1 and r.history_id is not null
       and (r.type <> g.type or coalesce(r.config->'source', '{}') <> coalesce(g.config->'source', '{}'))`,
    [pipelineId, names(resources), resources.map((r) => r.type), configs(resources)],
  );
  if (changed.length === 0) return;
  await tx.query(`update resources set history_id = null where id = any($1::bigint[])`, [changed.map((row) => row.id)]);
  await deleteUnusedHistories(
    tx,
    changed.map((row) => row.history),
  );
}

async function deactivateOthers(
  tx: Tx,
  table: 'resources' | 'jobs',
  pipelineId: PipelineId,
  items: readonly Renamable[],
): Promise<void> {
  await tx.query(`update ${table} set active = false where pipeline_id = $1 and active and name <> all($2::text[])`, [
    pipelineId,
    names(items),
  ]);
}

/** A pin of the config replaces one of the API; API pins of other resources stay (scheduler-semantics §4). */
async function writeConfigPins(tx: Tx, pipelineId: PipelineId, resources: readonly ResourceConfig[]): Promise<void> {
  const pinned = resources.filter((resource) => resource.version !== undefined);
  await tx.query(
    `delete from pins where origin = 'config' and resource_id in (select id from resources where pipeline_id = $1)`,
    [pipelineId],
  );
  await tx.query(
    `insert into pins (resource_id, version, origin)
     select r.id, p.version, 'config' from unnest($2::text[], $3::jsonb[]) as p(name, version)
     join resources r on r.pipeline_id = $1 and r.name = p.name
     on conflict (resource_id) do update
       set version = excluded.version, origin = 'config', comment = '', pinned_by = null, pinned_at = now()`,
    [pipelineId, names(pinned), pinned.map((resource) => JSON.stringify(resource.version))],
  );
}

async function writeSerialGroups(tx: Tx, pipelineId: PipelineId, jobs: readonly JobConfig[]): Promise<void> {
  const pairs = jobs.flatMap((job) => serialGroupsOf(job).map((group) => ({ job: job.name, group })));
  await tx.query(`delete from job_serial_groups where pipeline_id = $1`, [pipelineId]);
  await tx.query(
    `insert into job_serial_groups (job_id, pipeline_id, name)
     select j.id, $1, g.name from unnest($2::text[], $3::text[]) as g(job, name)
     join jobs j on j.pipeline_id = $1 and j.name = g.job`,
    [pipelineId, pairs.map((pair) => pair.job), pairs.map((pair) => pair.group)],
  );
}

/** null: no limit. `serial` and serial groups mean 1, whatever `max_in_flight` says (scheduler-semantics §9.1). */
function effectiveMaxInFlight(job: JobConfig): number | null {
  if (job.serial === true || (job.serial_groups ?? []).length > 0) return 1;
  return (job.max_in_flight ?? 0) > 0 ? (job.max_in_flight ?? null) : null;
}

/** A limited job without listed groups is alone in a group of its own name. */
function serialGroupsOf(job: JobConfig): readonly string[] {
  const listed = [...new Set(job.serial_groups ?? [])];
  return listed.length > 0 || effectiveMaxInFlight(job) === null ? listed : [job.name];
}

function names(items: readonly { readonly name: string }[]): string[] {
  return items.map((item) => item.name);
}

function configs(items: readonly object[]): string[] {
  return items.map((item) => JSON.stringify(item));
}
