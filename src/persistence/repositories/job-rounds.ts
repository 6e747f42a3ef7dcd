import type {
  BuildBlockers,
  BuildId,
  JobId,
  PendingBuild,
  PipelineId,
  PlanNode,
  StoredInput,
} from '../../model/index.js';
import type { Queryable, Tx } from '../db.js';
import { appendEvents } from './build-events.js';
import { DEFAULT_VARS } from './build-lifecycle.js';

/** What must still be as it was read for a decision to be applied. */
export interface RoundGuard {
  readonly scheduleRequested: number;
  readonly scheduleDone: number;
  readonly configVersion: number;
  readonly isPaused: boolean;
  readonly isArchived: boolean;
}

/**
 * Locks the pipeline against being paused or changed, then the job and all jobs that share a serial group with it, in id
 * order: until the end of the transaction nobody else can request, start or end a build of theirs.
 * @returns undefined when the job is gone or inactive.
 */
export async function lockForRound(tx: Tx, pipelineId: PipelineId, id: JobId): Promise<RoundGuard | undefined> {
  // The pipeline's lock comes first: whoever sets or pauses a pipeline locks it before its jobs. A row that was waited for is
  // read as it is after the wait; if the pipeline changed meanwhile, its config version tells.
  const [job] = await tx.query<RoundGuard>(
    `with pipeline as materialized (
       select paused, archived, config_version from pipelines where id = $1 for share
     ), jobs_of_groups as materialized (
       select id, paused, schedule_requested, schedule_done from jobs
       where (select count(*) from pipeline) = 1 and active and id = any(array(
           select $2::bigint
           union select g.job_id from job_serial_groups own
             join job_serial_groups g on g.pipeline_id = own.pipeline_id and g.name = own.name where own.job_id = $2))
       order by id for no key update
     )
     select j.schedule_requested as "scheduleRequested", j.schedule_done as "scheduleDone", p.config_version as "configVersion",
       p.paused or j.paused as "isPaused", p.archived as "isArchived"
     from jobs_of_groups j, pipeline p where j.id = $2`,
    [pipelineId, id],
  );
  return job;
}

/** Replaces the job's next inputs and pipes as a whole. */
export async function saveNextInputs(
  tx: Tx,
  id: JobId,
  inputs: readonly StoredInput[],
  pipes: readonly BuildId[],
): Promise<void> {
  await tx.query(
    `with wanted as (
       select * from jsonb_to_recordset($2::jsonb) as w(name text, ordinal int, "resourceId" bigint, digest text, version jsonb,
         "firstOccurrence" boolean, "errorCode" text, "errorText" text)
     ), gone as (
       delete from next_inputs n where job_id = $1 and not exists (select from wanted w where w.name = n.name)
     ), written as (
       insert into next_inputs (job_id, name, ordinal, resource_id, digest, version, first_occurrence, error_code, error_text)
       select $1, name, ordinal, "resourceId", digest, version, "firstOccurrence", "errorCode", "errorText" from wanted
       on conflict (job_id, name) do update set ordinal = excluded.ordinal, resource_id = excluded.resource_id,
         digest = excluded.digest, version = excluded.version, first_occurrence = excluded.first_occurrence,
         error_code = excluded.error_code, error_text = excluded.error_text
     ), unpiped as (
       delete from next_pipes where job_id = $1 and from_build_id <> all($3::bigint[])
     )
     insert into next_pipes (job_id, from_build_id) select $1, unnest($3::bigint[]) on conflict do nothing`,
    [id, JSON.stringify(inputs.map((input, ordinal) => ({ ...input, ordinal }))), pipes],
  );
}

/**
 * Puts an automatic build in the job's queue under the next number. The index one_pending_automatic_build_per_job is the
 * last guard: if one is pending nothing is written and no number is used.
 */
export async function createAutomaticBuild(tx: Tx, id: JobId): Promise<PendingBuild | undefined> {
  const [row] = await tx.query<{ id: BuildId; name: string; createdAtMs: number }>(
    `with created as (
       insert into builds (team_id, pipeline_id, job_id, name, vars)
       select p.team_id, p.id, j.id, j.next_build_number::text, ${DEFAULT_VARS} from jobs j join pipelines p on p.id = j.pipeline_id where j.id = $1
       on conflict (job_id) where status = 'pending' and not manually_triggered and rerun_of is null and job_id is not null
       do nothing returning id, name, (extract(epoch from created_at) * 1000)::float8 as "createdAtMs"
     ), counted as (
       -- Of all builds it has the highest id, so it is the next one only if there is no other.
       update jobs set next_build_number = next_build_number + 1, next_build_id = coalesce(next_build_id, created.id)
       from created where jobs.id = $1
     )
     select * from created`,
    [id],
  );
  return row && { ...row, isManual: false, rerunOf: null, isAborted: false };
}

/**
 * Fixes the build's inputs and the builds that vouch for them.
 * @returns names of the inputs whose version is no longer in its resource's history; then the caller must roll back.
 */
export async function adoptInputs(
  tx: Tx,
  buildId: BuildId,
  jobId: JobId,
  inputs: readonly StoredInput[],
  pipes: readonly BuildId[],
): Promise<string[]> {
  const rows = await tx.query<{ name: string }>(
    `with wanted as (
       select * from jsonb_to_recordset($3::jsonb) as w(name text, ordinal int, "resourceId" bigint, digest text, version jsonb,
         "firstOccurrence" boolean)
     ), adopted as (
       insert into build_inputs (build_id, job_id, name, ordinal, resource_id, digest, version, first_occurrence)
       select $1, $2, w.name, w.ordinal, w."resourceId", w.digest, w.version, w."firstOccurrence" from wanted w
       where ${exists('w."resourceId"', 'w.digest')}
       returning name
     ), piped as (
       insert into build_pipes (build_id, from_build_id) select $1, unnest($4::bigint[]) on conflict do nothing
     ), ready as (
       update builds set inputs_ready = true where id = $1
     )
     select name from wanted where name not in (select name from adopted)`,
    [buildId, jobId, JSON.stringify(inputs.map((input, ordinal) => ({ ...input, ordinal }))), pipes],
  );
  return rows.map((row) => row.name);
}

/**
 * Gives a rerun the inputs and pipes of its original; none of them is a first occurrence.
 * @returns names of the inputs whose version is no longer in its resource's history; then nothing was written.
 */
export async function copyInputs(tx: Tx, buildId: BuildId, originalId: BuildId): Promise<string[]> {
  const missing = await tx.query<{ name: string }>(
    `select name from build_inputs i where build_id = $1 and not ${exists('i.resource_id', 'i.digest')} order by ordinal`,
    [originalId],
  );
  if (missing.length > 0) return missing.map((row) => row.name);
  await tx.query(
    `with copied as (
       insert into build_inputs (build_id, job_id, name, ordinal, resource_id, digest, version, first_occurrence)
       select $1, job_id, name, ordinal, resource_id, digest, version, false from build_inputs where build_id = $2
     ), piped as (
       insert into build_pipes (build_id, from_build_id) select $1, from_build_id from build_pipes where build_id = $2
     )
     update builds set inputs_ready = true where id = $1`,
    [buildId, originalId],
  );
  return [];
}

const exists = (resource: string, digest: string): string =>
  `exists (select from resources r join versions v on v.history_id = r.history_id where r.id = ${resource} and v.digest = ${digest})`;

/** Hands a pending build to the engine: it has its plan and is started from here on. */
export async function startBuild(tx: Tx, id: BuildId, plan: PlanNode): Promise<void> {
  const [row] = await tx.query<{ time: number }>(
    `with started as (
       update builds set status = 'started', slot_claimed = true, started_at = clock_timestamp(), plan = $2
       where id = $1 and status = 'pending' and aborted_at is null returning id, started_at
     )
     select floor(extract(epoch from started_at))::bigint as time, pg_notify('weir_builds', id::text) from started`,
    [id, JSON.stringify(plan)],
  );
  if (!row) throw new Error(`build ${id} is not pending`);
  await appendEvents(tx, id, [{ event: 'status', data: { status: 'started', time: row.time } }]);
}

/** Ends the round: the request is done, and what was found is kept for those who ask. */
export async function saveRound(
  tx: Tx,
  id: JobId,
  round: {
    readonly scheduleDone: number;
    readonly hasNewInputs: boolean;
    readonly inputsDetermined: boolean;
    readonly blockers: readonly BuildBlockers[];
  },
): Promise<void> {
  await tx.query(
    `update jobs set schedule_done = $2, scheduled_at = clock_timestamp(), has_new_inputs = $3, inputs_determined = $4, blockers = $5
     where id = $1`,
    [id, round.scheduleDone, round.hasNewInputs, round.inputsDetermined, JSON.stringify(round.blockers)],
  );
}

/** Jobs with a request that no round has dealt with. */
export async function jobsToSchedule(db: Queryable): Promise<JobId[]> {
  const rows = await db.query<{ id: JobId }>(
    `select id from jobs where schedule_requested > schedule_done and active order by schedule_requested_at`,
  );
  return rows.map((row) => row.id);
}

/**
 * Jobs with pending builds that could go on (not paused), and that no round has looked at for so long. Nothing should ever
 * depend on this; it repairs a wake-up that some mistake has lost.
 */
export async function jobsLeftWaiting(db: Queryable, forMs: number): Promise<JobId[]> {
  const rows = await db.query<{ id: JobId }>(
    `select distinct j.id from builds b join jobs j on j.id = b.job_id join pipelines p on p.id = j.pipeline_id
     where b.status = 'pending' and j.active and (p.archived or not (p.paused or j.paused))
       and coalesce(j.scheduled_at, '-infinity') < now() - $1 * interval '1 ms' and j.schedule_requested = j.schedule_done`,
    [forMs],
  );
  return rows.map((row) => row.id);
}

/** Pending builds of which no stored blocker tells why, although a round has looked at their job since they exist. */
export async function pendingWithoutBlocker(db: Queryable): Promise<BuildId[]> {
  const rows = await db.query<{ id: BuildId }>(
    `select b.id from builds b join jobs j on j.id = b.job_id
     where b.status = 'pending' and j.active and j.schedule_requested = j.schedule_done and j.scheduled_at > b.created_at
       and not j.blockers @> jsonb_build_array(jsonb_build_object('build', b.id))`,
  );
  return rows.map((row) => row.id);
}
