import type { JobId, JobInput, JobShape, PipelineConfig, PipelineId } from '../../model/index.js';
import type { Queryable } from '../db.js';

/** The jobs of a pipeline as a version of its config made them. */
export interface PipelineShape {
  readonly pipelineId: PipelineId;
  readonly jobs: ReadonlyMap<JobId, JobShape>;
}

/** A pause in the form of PauseInfo, null when not paused. */
export function pauseColumn(table: string): string {
  return `case when ${table}.paused then jsonb_build_object('by', ${table}.paused_by, 'at', ${table}.paused_at, 'reason', ${table}.pause_reason) end`;
}

/** What the jobs in `picked` get and put, read for all of them at once. */
export const INPUTS_AND_OUTPUTS = `
  passed as (
    select i.job_id, i.name, jsonb_agg(u.name order by u.id) as names from job_inputs i join jobs u on u.id = any(i.passed_job_ids)
    where i.job_id in (select id from picked) and i.passed_job_ids <> '{}' group by i.job_id, i.name
  ), inputs as (
    select i.job_id, jsonb_agg(jsonb_strip_nulls(jsonb_build_object('name', i.name, 'resource', r.name, 'trigger', i.trigger,
      'version', i.version, 'passed', coalesce(passed.names, '[]'))) order by i.ordinal) as list
    from job_inputs i join resources r on r.id = i.resource_id
    left join passed on passed.job_id = i.job_id and passed.name = i.name
    where i.job_id in (select id from picked) group by i.job_id
  ), outputs as (
    select o.job_id, jsonb_agg(jsonb_build_object('name', o.name, 'resource', r.name) order by o.ordinal) as list
    from job_outputs o join resources r on r.id = o.resource_id
    where o.job_id in (select id from picked) group by o.job_id
  )`;

interface ShapeRow {
  id: PipelineId;
  groups: PipelineConfig['groups'] | null;
  jobs: readonly { id: JobId; name: string; inputs: readonly JobInput[]; outputs: JobShape['outputs'] }[];
}

/** The active jobs of these pipelines by their present configs. */
export async function findJobShapes(
  db: Queryable,
  pipelines: readonly PipelineId[],
): Promise<Map<PipelineId, PipelineShape>> {
  const rows = await db.query<ShapeRow>(
    `with picked as materialized (
       select id, pipeline_id, name from jobs where active and pipeline_id = any($1::bigint[])
     ), ${INPUTS_AND_OUTPUTS}, listed as (
       select picked.pipeline_id, jsonb_agg(jsonb_build_object('id', picked.id, 'name', picked.name,
         'inputs', coalesce(inputs.list, '[]'), 'outputs', coalesce(outputs.list, '[]'))) as jobs
       from picked left join inputs on inputs.job_id = picked.id left join outputs on outputs.job_id = picked.id
       group by picked.pipeline_id
     )
     select p.id, v.groups, listed.jobs from listed
     join pipelines p on p.id = listed.pipeline_id
     left join pipeline_revisions v on v.pipeline_id = p.id and v.version = p.config_version`,
    [pipelines],
  );
  return new Map(rows.map(({ id, ...row }) => [id, { pipelineId: id, jobs: shapesOf(row) }]));
}

function shapesOf({ groups, jobs }: Pick<ShapeRow, 'groups' | 'jobs'>): Map<JobId, JobShape> {
  return new Map(
    jobs.map(({ id, name, inputs, outputs }) => [id, { groups: groupsOf(name, groups), inputs, outputs }]),
  );
}

/** Names of the groups that the job belongs to. */
export function groupsOf(job: string, groups: PipelineConfig['groups'] | null): string[] {
  return (groups ?? [])
    .filter((group) => group.jobs?.some((pattern) => isGlobOf(pattern, job)))
    .map((group) => group.name);
}

/** Group members are names or shell globs with `*`, `?` and `[set]`. */
function isGlobOf(pattern: string, name: string): boolean {
  if (pattern === name) return true;
  if (!/[*?[]/.test(pattern)) return false;
  const source = pattern
    .replace(/[.+^${}()|\\]/g, '\\$&')
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]');
  try {
    return new RegExp(`^${source}$`, 'u').test(name);
  } catch {
    return false; // an unclosed set matches nothing
  }
}
