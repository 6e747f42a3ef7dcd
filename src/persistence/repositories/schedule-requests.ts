import type { BuildId, HistoryId, JobId, PipelineId, ResourceId } from '../../model/index.js';
import type { Tx } from '../db.js';
import { notify } from '../notify.js';

/**
 * Asks the trigger loop to look at jobs again, in the caller's transaction. Which event asks for which jobs:
 * scheduler-semantics §12. Rows are locked in id order, so two askers cannot deadlock.
 */
async function request(tx: Tx, jobs: string, parameters: readonly unknown[]): Promise<void> {
  const rows = await tx.query<{ id: number }>(
    `with wanted as (select id from jobs where active and id in (${jobs}) order by id for update)
     update jobs set schedule_requested = schedule_requested + 1, schedule_requested_at = clock_timestamp()
     from wanted where jobs.id = wanted.id returning jobs.id`,
    parameters,
  );
  await notify(
    tx,
    'schedule',
    rows.map((row) => row.id),
  );
}

export const scheduleRequests = {
  jobs: (tx: Tx, ids: readonly JobId[]) => request(tx, `select unnest($1::bigint[])`, [ids]),

  pipeline: (tx: Tx, id: PipelineId) => request(tx, `select id from jobs where pipeline_id = $1`, [id]),

  /** Jobs with any input on the resource: pins, disabled marks and a change of history concern them. */
  resource: (tx: Tx, id: ResourceId) => request(tx, `select job_id from job_inputs where resource_id = $1`, [id]),

  /** Jobs with an input without `passed` on a resource of these histories: a new version concerns only them. */
  newVersions: (tx: Tx, histories: readonly HistoryId[]) =>
    request(
      tx,
      `select i.job_id from job_inputs i join resources r on r.id = i.resource_id
       where r.history_id = any($1) and r.active and i.passed is null`,
      [histories],
    ),

  /** Jobs that name this job in some `passed`. */
  downstreamOf: (tx: Tx, id: JobId) =>
    request(tx, `select job_id from job_inputs where passed_job_ids @> array[$1::bigint]`, [id]),

  /** Jobs with pending builds that may get the slot which this build frees: its own job and those sharing a serial group. */
  slotFreedBy: (tx: Tx, id: BuildId) =>
    request(
      tx,
      `select p.job_id from builds p where p.status = 'pending' and p.job_id in (
         select b.job_id from builds b where b.id = $1
         union select g.job_id from builds b
           join job_serial_groups own on own.job_id = b.job_id
           join job_serial_groups g on g.pipeline_id = own.pipeline_id and g.name = own.name
         where b.id = $1)`,
      [id],
    ),

  /** Jobs with pending builds that share a serial group with this job: its builds no longer stand before theirs. */
  groupOf: (tx: Tx, id: JobId) =>
    request(
      tx,
      `select p.job_id from builds p where p.status = 'pending' and p.job_id in (
         select g.job_id from job_serial_groups own
           join job_serial_groups g on g.pipeline_id = own.pipeline_id and g.name = own.name
         where own.job_id = $1 and g.job_id <> $1)`,
      [id],
    ),

  /** Jobs with pending builds that wait for a check of these histories. */
  checkEnded: (tx: Tx, histories: readonly HistoryId[]) =>
    request(
      tx,
      `select i.job_id from job_inputs i join resources r on r.id = i.resource_id
       where r.history_id = any($1) and i.passed is null
         and exists (select from builds b where b.job_id = i.job_id and b.status = 'pending')`,
      [histories],
    ),
};
