import type {
  BuildId,
  FinalStatus,
  JobConfig,
  JobId,
  JsonObject,
  PipelineId,
  PlanNode,
  ResourceId,
  TeamId,
} from '../../model/index.js';
import type { Queryable, Tx } from '../db.js';
import { notify } from '../notify.js';
import { appendEvents } from './build-events.js';
import { freeSlotsOfBuild } from './runtime-slots.js';
import { scheduleRequests } from './schedule-requests.js';
import { notifyWatchers } from './watched-jobs.js';

/**
 * Defaults of the vars of job `j`; null when there are none. A build takes them when it is created, so that a later config
 * does not change it.
 */
export const DEFAULT_VARS = `(
  select jsonb_object_agg(v->>'name', v->'default') from jsonb_array_elements(j.config->'vars') v where v ? 'default')`;

/**
 * Inserts a pending build of the job under its next number. The job's row lock keeps numbers in order of ids.
 * @param vars given for it, checked; defaults fill up the rest
 */
export async function createManualBuild(
  tx: Tx,
  jobId: JobId,
  createdBy: string | undefined,
  vars: JsonObject = {},
): Promise<BuildId> {
  const [row] = await tx.query<{ id: BuildId }>(
    `with job as (
       update jobs j set next_build_number = next_build_number + 1 where id = $1
       returning id, pipeline_id, next_build_number - 1 as number, ${DEFAULT_VARS} as defaults
     )
     insert into builds (team_id, pipeline_id, job_id, name, manually_triggered, created_by, vars)
     select p.team_id, p.id, job.id, job.number::text, true, $2, nullif(coalesce(job.defaults, '{}') || $3, '{}')
     from job join pipelines p on p.id = job.pipeline_id
     returning id`,
    [jobId, createdBy ?? null, JSON.stringify(vars)],
  );
  if (!row) throw new Error(`job ${jobId} is gone`);
  await refreshJobPointers(tx, jobId);
  await scheduleRequests.jobs(tx, [jobId]);
  return row.id;
}

/**
 * Inserts a pending rerun of the build (of its original, when it is a rerun itself), named `<original>.<n>`
 * (scheduler-semantics §8.3, §14.1).
 * @param resumeOf the build whose finished steps it takes over when it starts
 * @returns undefined when the original's inputs were never adopted: there is nothing to run again.
 */
export async function createRerun(
  tx: Tx,
  buildId: BuildId,
  createdBy: string | undefined,
  resumeOf?: BuildId,
): Promise<BuildId | undefined> {
  const [original] = await tx.query<{ id: BuildId; job_id: JobId; inputs_ready: boolean }>(
    `select o.id, o.job_id, o.inputs_ready from builds b join builds o on o.id = coalesce(b.rerun_of, b.id)
     where b.id = $1 and o.job_id is not null`,
    [buildId],
  );
  if (!original?.inputs_ready) return undefined;
  await tx.query(`select from jobs where id = $1 for update`, [original.job_id]); // one rerun gets one number
  const [row] = await tx.query<{ id: BuildId }>(
    `insert into builds (team_id, pipeline_id, job_id, name, rerun_of, rerun_number, created_by, resume_of, vars)
     select o.team_id, o.pipeline_id, o.job_id, o.name || '.' || n.number, o.id, n.number, $2, $3, o.vars
     from builds o, lateral (select count(*)::int + 1 as number from builds r where r.rerun_of = o.id) n
     where o.id = $1 returning id`,
    [original.id, createdBy ?? null, resumeOf ?? null],
  );
  await refreshJobPointers(tx, original.job_id);
  await scheduleRequests.jobs(tx, [original.job_id]);
  return row?.id;
}

/**
 * Inserts a check build of the resource, already started with its one-step plan, and wakes the engine. An unfinished check
 * build of the same resource is not joined: every manual check is a build of its own (scheduler-semantics §3.4).
 */
export async function createCheckBuild(
  tx: Tx,
  resourceId: ResourceId,
  plan: PlanNode,
  createdBy: string | undefined,
): Promise<BuildId> {
  const [row] = await tx.query<{ id: BuildId; started: number }>(
    `insert into builds (team_id, pipeline_id, resource_id, name, status, manually_triggered, created_by, started_at, plan)
     select p.team_id, p.id, r.id, 'check', 'started', true, $3, now(), $2
     from resources r join pipelines p on p.id = r.pipeline_id where r.id = $1
     returning id, floor(extract(epoch from now()))::bigint as started`,
    [resourceId, JSON.stringify(plan), createdBy ?? null],
  );
  if (!row) throw new Error(`resource ${resourceId} is gone`);
  await appendEvents(tx, row.id, [{ event: 'status', data: { status: 'started', time: row.started } }]);
  await notify(tx, 'builds', [row.id]);
  return row.id;
}

/** Inserts a build of no job, already started with its plan and named after its id, and wakes the engine. */
export async function createOneOffBuild(
  tx: Tx,
  owner: { readonly teamId: TeamId; readonly pipelineId?: PipelineId },
  plan: PlanNode,
  createdBy: string | undefined,
): Promise<BuildId> {
  const [row] = await tx.query<{ id: BuildId; started: number }>(
    `with named as (select nextval(pg_get_serial_sequence('builds', 'id')) as id)
     insert into builds (id, team_id, pipeline_id, name, status, manually_triggered, created_by, started_at, plan)
     overriding system value
     select id, $1, $2, id::text, 'started', true, $4, now(), $3 from named
     returning id, floor(extract(epoch from now()))::bigint as started`,
    [owner.teamId, owner.pipelineId ?? null, JSON.stringify(plan), createdBy ?? null],
  );
  if (!row) throw new Error('the build was not made');
  await appendEvents(tx, row.id, [{ event: 'status', data: { status: 'started', time: row.started } }]);
  await notify(tx, 'builds', [row.id]);
  return row.id;
}

/**
 * Marks the build for abortion. Pending: its job is asked to schedule, which finishes it. Started: the engine that runs it
 * stops its steps. @returns false when the build is final already (nothing to abort) or unknown.
 */
export async function requestAbort(tx: Tx, buildId: BuildId, by: string | undefined): Promise<boolean> {
  await lockJobsAround(tx, buildId);
  const [row] = await tx.query<{ status: string; job_id: JobId | null }>(
    `update builds set aborted_at = coalesce(aborted_at, now()), aborted_by = coalesce(aborted_by, $2)
     where id = $1 and status in ('pending', 'started') returning status, job_id`,
    [buildId, by ?? null],
  );
  if (!row) return false;
  if (row.status === 'pending' && row.job_id !== null) await scheduleRequests.jobs(tx, [row.job_id]);
  await notify(tx, 'builds', [buildId]);
  return true;
}

/**
 * Gives the build its final status, once: the terminal `status` event, the effective set of a succeeded build, the job's
 * pointers, requests for the jobs concerned, and the end of its lease, in the caller's transaction. Serves the engine and
 * the scheduler (pending builds that are aborted or cannot be planned) alike.
 * @returns false when the build is final already or gone; then nothing was written.
 */
export async function finishBuild(tx: Tx, buildId: BuildId, status: FinalStatus): Promise<boolean> {
  await lockJobsAround(tx, buildId);
  const [job] = await tx.query<{ id: JobId; pipelineId: PipelineId; before: BuildId | null; hasChildren: boolean }>(
    `select j.id, j.pipeline_id as "pipelineId", j.latest_completed_build_id as before,
       exists (select from pipelines c where c.parent_job_id = j.id and not c.archived) as "hasChildren"
     from jobs j join builds b on b.job_id = j.id where b.id = $1`,
    [buildId],
  );
  const [build] = await tx.query<{ ended: number }>(
    `update builds set status = $2, ended_at = now(), lease_instance = null, lease_epoch = null, lease_until = null
     where id = $1 and status in ('pending', 'started')
     returning floor(extract(epoch from now()))::bigint as ended`,
    [buildId, status],
  );
  if (!build) return false;
  await appendEvents(tx, buildId, [{ event: 'status', data: { status, time: build.ended } }]);
  await freeSlotsOfBuild(tx, buildId);
  if (!job) return true;
  if (status === 'succeeded') await saveEffectiveSet(tx, buildId);
  if (status === 'succeeded' && job.hasChildren) await notify(tx, 'pipelines', [job.pipelineId]);
  await moveTransition(tx, job.id, buildId, job.before);
  await refreshJobPointers(tx, job.id);
  await scheduleRequests.downstreamOf(tx, job.id);
  await scheduleRequests.slotFreedBy(tx, buildId);
  await notifyWatchers(tx, job.id);
  return true;
}

/**
 * Locks the build's job and those that its end concerns, in id order, as everybody locks jobs. To be called before the build
 * itself is locked, as the scheduler does. The lock of the own job puts the effective sets of one job in order.
 */
export async function lockJobsAround(tx: Tx, buildId: BuildId): Promise<void> {
  await tx.query(
    `select from jobs where id in (
       select job_id from builds where id = $1
       union select i.job_id from builds b join job_inputs i on i.passed_job_ids @> array[b.job_id] where b.id = $1
       union select g.job_id from builds b
         join job_serial_groups own on own.job_id = b.job_id
         join job_serial_groups g on g.pipeline_id = own.pipeline_id and g.name = own.name
       where b.id = $1)
     order by id for update`,
    [buildId],
  );
}

/**
 * Points the job at its latest completed and its next build (scheduler-semantics §14.2). To be called after a build of the
 * job was created or finished, with the job's row locked.
 */
export async function refreshJobPointers(tx: Tx, jobId: JobId): Promise<void> {
  await tx.query(
    `with latest as (
       select max(id) as id from builds
       where job_id = $1 and rerun_of is null and status not in ('pending', 'started')
     )
     update jobs set
       latest_completed_build_id = coalesce(
         (select max(r.id) from builds r, latest where r.rerun_of = latest.id and r.status not in ('pending', 'started')),
         (select id from latest)),
       next_build_id = (
         select min(b.id) from builds b where b.job_id = $1 and b.status in ('pending', 'started')
           and (b.rerun_of is null or b.rerun_of = (select id from latest)))
     where id = $1`,
    [jobId],
  );
}

/** The build with which the job last changed its colour; `before` is the latest completed build as it was until now. */
async function moveTransition(tx: Tx, jobId: JobId, buildId: BuildId, before: BuildId | null): Promise<void> {
  await tx.query(
    `update jobs set transition_build_id = $2 from builds b
     where jobs.id = $1 and b.id = $2 and (
       $3::bigint is null
       or (b.id > $3 and (b.rerun_of is null or b.rerun_of = $3)
           and b.status is distinct from (select status from builds where id = $3)))`,
    [jobId, buildId, before],
  );
}

/** Distinct digests per resource: first what the puts made, then what the gets used, each in recorded order. */
async function saveEffectiveSet(tx: Tx, buildId: BuildId): Promise<void> {
  await tx.query(
    `insert into effective_sets (build_id, job_id, place, versions)
     select b.id, b.job_id, coalesce(b.rerun_of, b.id), coalesce(
       (select jsonb_object_agg(resource_id::text, digests) from (
          select resource_id, jsonb_agg(digest order by kind, place) as digests from (
            select distinct on (resource_id, digest) resource_id, digest, kind, place from (
              select resource_id, digest, 0 as kind, id as place from build_outputs where build_id = $1
              union all
              select resource_id, digest, 1, ordinal from build_inputs where build_id = $1
            ) used order by resource_id, digest, kind, place
          ) firsts group by resource_id
        ) per_resource), '{}')
     from builds b where b.id = $1`,
    [buildId],
  );
}

export interface TriggerTarget {
  readonly name: string;
  readonly config: JobConfig;
  readonly archived: boolean;
}

/** What triggering asks of a job; its row stays locked so that the answer holds. Inactive jobs are not found. */
export async function findTriggerTarget(tx: Tx, jobId: JobId): Promise<TriggerTarget | undefined> {
  const [row] = await tx.query<TriggerTarget>(
    `select j.name, j.config, p.archived from jobs j join pipelines p on p.id = j.pipeline_id
     where j.id = $1 and j.active for update of j`,
    [jobId],
  );
  return row;
}

/** Id of the pipeline's active resource of that name, and whether its puts may learn who created the build. */
export async function findResourceOfPipeline(
  db: Queryable,
  pipelineId: PipelineId,
  name: string,
): Promise<{ readonly id: ResourceId; readonly exposesCreator: boolean } | undefined> {
  const [row] = await db.query<{ id: ResourceId; exposesCreator: boolean }>(
    `select id, coalesce((config->>'expose_build_created_by')::boolean, false) as "exposesCreator"
     from resources where pipeline_id = $1 and name = $2 and active`,
    [pipelineId, name],
  );
  return row;
}

/** @returns false when there is no such build. */
export async function setBuildComment(tx: Tx, buildId: BuildId, comment: string): Promise<boolean> {
  const rows = await tx.query(`update builds set comment = $2 where id = $1 returning 1`, [buildId, comment]);
  return rows.length === 1;
}

/** Builds that wait for a job which is no longer in its pipeline's config, oldest first. */
export async function pendingBuildsOfRemovedJobs(
  db: Queryable,
  pipelineId: PipelineId,
): Promise<{ readonly id: BuildId; readonly job: string }[]> {
  return db.query(
    `select b.id, j.name as job from builds b join jobs j on j.id = b.job_id
     where j.pipeline_id = $1 and not j.active and b.status = 'pending' order by b.id`,
    [pipelineId],
  );
}

/** Ends a build that cannot start, with the reason as its error event. */
export async function refuseBuild(
  tx: Tx,
  buildId: BuildId,
  status: 'errored' | 'aborted',
  message: string,
): Promise<void> {
  const [row] = await tx.query<{ now: number }>(`select floor(extract(epoch from now()))::bigint as now`);
  await appendEvents(tx, buildId, [{ event: 'error', data: { origin: {}, time: row?.now ?? 0, message } }]);
  await finishBuild(tx, buildId, status);
}
