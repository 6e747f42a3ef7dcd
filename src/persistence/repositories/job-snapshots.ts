import type { BuildId, JobId, JobSnapshot, PipelineConfig, PipelineId } from '../../model/index.js';
import type { Queryable, Tx } from '../db.js';
import { pauseColumn } from './job-shapes.js';

const millis = (column: string): string => `(extract(epoch from ${column}) * 1000)::float8`;

/** Jobs whose builds count towards the limit of job `j`: itself, and those that share a serial group with it. */
const GROUP = `
  select j.id as job_id
  union
  select g.job_id from job_serial_groups own
  join job_serial_groups g on g.pipeline_id = own.pipeline_id and g.name = own.name
  where own.job_id = j.id`;

const groupBuild = (
  build: string,
  job: string,
): string => `jsonb_build_object('id', ${build}.id, 'name', ${build}.name, 'job', ${job}.name,
  'place', coalesce(${build}.rerun_of, ${build}.id),
  'groups', (select coalesce(jsonb_agg(s.name order by s.name), '[]') from job_serial_groups s where s.job_id = ${job}.id))`;

/** One statement, so that everything is of one moment. Every part is reached by an index from the job's id. */
const SNAPSHOT = `
  select j.id as "jobId", j.name as "jobName", p.id as "pipelineId", p.config_version as "configVersion",
    ${millis('clock_timestamp()')} as "nowMs",
    j.schedule_requested as "scheduleRequested", j.schedule_done as "scheduleDone", p.archived as "isArchived",
    ${pauseColumn('p')} as "pipelinePaused", ${pauseColumn('j')} as "jobPaused",
    j.has_new_inputs as "hasNewInputs", j.inputs_determined as "inputsDetermined", j.scheduled_at is not null as "isKnown", j.blockers, j.max_in_flight as "limit",
    coalesce((select jsonb_agg(s.name order by s.name) from job_serial_groups s where s.job_id = j.id), '[]') as "serialGroups",
    coalesce((
      select jsonb_agg(jsonb_build_object('name', i.name, 'resource', r.name, 'resourceId', r.id, 'trigger', i.trigger,
        'passed', i.passed, 'version', i.version,
        'pin', case when pin.resource_id is not null then jsonb_build_object('version', pin.version, 'by', pin.origin) end,
        'isResourcePaused', r.paused, 'hasHistory', r.history_id is not null,
        'checkEndedAtMs', ${millis('h.check_ended_at')},
        'nextCheckAtMs', case when h.next_check_at < 'infinity' then ${millis('h.next_check_at')} end,
        'checkEvery', r.config->>'check_every') order by i.ordinal)
      from job_inputs i join resources r on r.id = i.resource_id
      left join histories h on h.id = r.history_id left join pins pin on pin.resource_id = r.id
      where i.job_id = j.id), '[]') as inputs,
    coalesce((
      select jsonb_agg(jsonb_build_object('name', n.name, 'resourceId', n.resource_id, 'digest', n.digest, 'version', n.version,
        'firstOccurrence', n.first_occurrence, 'errorCode', n.error_code, 'errorText', n.error_text) order by n.ordinal)
      from next_inputs n where n.job_id = j.id), '[]') as "nextInputs",
    coalesce((select jsonb_agg(n.from_build_id order by n.from_build_id) from next_pipes n where n.job_id = j.id), '[]') as "nextPipes",
    coalesce((
      select jsonb_agg(jsonb_build_object('id', b.id, 'name', b.name, 'isManual', b.manually_triggered, 'rerunOf', b.rerun_of,
        'isAborted', b.aborted_at is not null, 'createdAtMs', ${millis('b.created_at')}) order by coalesce(b.rerun_of, b.id), b.id)
      from builds b where b.job_id = j.id and b.status = 'pending'), '[]') as pending
  from jobs j join pipelines p on p.id = j.pipeline_id
  where j.id = $1 and j.active`;

/** Apart, as only jobs with a limit need it: preparing this much SQL takes longer than running it. */
const SLOTS = `
  select coalesce((
      select jsonb_agg(${groupBuild('b', 'o')} order by coalesce(b.rerun_of, b.id), b.id)
      from (${GROUP}) g join jobs o on o.id = g.job_id join builds b on b.job_id = o.id
      where b.status = 'started'), '[]') as running,
    coalesce((
      select jsonb_agg(${groupBuild('b', 'o')} order by coalesce(b.rerun_of, b.id), b.id)
      from (${GROUP}) g join jobs o on o.id = g.job_id join builds b on b.job_id = o.id
      where b.status = 'pending' and b.aborted_at is null and o.id <> j.id and o.active and not o.paused
        and (b.rerun_of is not null or o.inputs_determined or o.scheduled_at is null)), '[]') as rivals
  from jobs j where j.id = $1`;

/** Who holds and who wants the slots that the job shares. */
export async function readSlots(db: Queryable, id: JobId): Promise<Pick<JobSnapshot, 'running' | 'rivals'>> {
  const [row] = await db.query<Pick<JobSnapshot, 'running' | 'rivals'>>(SLOTS, [id]);
  return row ?? { running: [], rivals: [] };
}

/** Any number that no other advisory lock of ours uses. */
const ROUNDS = 0x524e44;

/**
 * For a round: without who holds the slots, which is read under its locks. `busy` while another transaction has a round of
 * the job: that saves two servers from planning the same job at once and guards nothing; it ends with the transaction.
 */
export async function readJobForRound(tx: Tx, id: JobId): Promise<JobSnapshot | 'busy' | undefined> {
  const [row] = await tx.query<JobSnapshot & { isMine: boolean }>(
    SNAPSHOT.replace('select', `select pg_try_advisory_xact_lock(${ROUNDS}, j.id::int) as "isMine",`),
    [id],
  );
  if (!row) return undefined;
  const { isMine, ...snapshot } = row;
  return isMine ? { ...snapshot, running: [], rivals: [] } : 'busy';
}

/** Undefined when the job is gone or inactive. */
export async function readJobSnapshot(db: Queryable, id: JobId): Promise<JobSnapshot | undefined> {
  const [row] = await db.query<JobSnapshot>(SNAPSHOT, [id]);
  if (!row) return undefined;
  return { ...row, ...(row.limit === null ? { running: [], rivals: [] } : await readSlots(db, id)) };
}

/** The pipeline's config of that version; without one, its present config. */
export async function pipelineConfigOf(db: Queryable, id: PipelineId, version?: number): Promise<PipelineConfig> {
  const [row] = await db.query<{ config: PipelineConfig }>(
    `select v.config from pipelines p
     join pipeline_revisions v on v.pipeline_id = p.id and v.version = coalesce($2, p.config_version) where p.id = $1`,
    [id, version ?? null],
  );
  if (!row) throw new Error(`pipeline ${id} has no config`);
  return row.config;
}

/** The versions that a build was given, by name of the get step. */
export async function adoptedVersions(db: Queryable, id: BuildId): Promise<Map<string, Record<string, string>>> {
  const rows = await db.query<{ name: string; version: Record<string, string> }>(
    `select name, version from build_inputs where build_id = $1`,
    [id],
  );
  return new Map(rows.map((row) => [row.name, row.version]));
}
