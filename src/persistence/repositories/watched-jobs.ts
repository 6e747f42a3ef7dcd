import type { BuildId, FinalStatus, HistoryId, JobId, JsonObject, ResourceId, Version } from '../../model/index.js';
import type { Queryable, Tx } from '../db.js';
import { notify } from '../notify.js';

/** A job of any pipeline, by names. */
export interface JobName {
  readonly team: string;
  readonly pipeline: string;
  readonly instanceVars: JsonObject | null;
  readonly job: string;
}

/** What a team may see of a pipeline: the ids of its jobs by name. Undefined unless it is its own, or exposed. */
export async function visibleJobs(
  db: Queryable,
  asking: string,
  { team, pipeline, instanceVars }: Omit<JobName, 'job'>,
): Promise<ReadonlyMap<string, JobId> | undefined> {
  const [row] = await db.query<{ jobs: Record<string, JobId> }>(
    `select (select coalesce(jsonb_object_agg(j.name, j.id), '{}') from jobs j where j.pipeline_id = p.id and j.active) as jobs
     from pipelines p join teams t on t.id = p.team_id
     where t.name = $2 and p.name = $3 and p.instance_vars is not distinct from $4::jsonb and (t.name = $1 or p.public)`,
    [asking, team, pipeline, instanceVars === null ? null : JSON.stringify(instanceVars)],
  );
  return row && new Map(Object.entries(row.jobs));
}

/** Notes that the resource's versions are the builds of the job: it is due again when another build is the latest. */
export async function watchJob(tx: Tx, resourceId: ResourceId, jobId: JobId): Promise<void> {
  await tx.query(
    `update resources set watched_job_id = j.id, watched_build_id = j.latest_completed_build_id
     from jobs j where resources.id = $1 and j.id = $2`,
    [resourceId, jobId],
  );
}

/**
 * Forgets which job the resource watches: its check, just claimed, finds that anew. Until that has ended it counts as asked
 * for, so that it is made even if this server dies.
 */
export async function forgetWatchedJob(tx: Tx, resourceId: ResourceId, historyId: HistoryId): Promise<void> {
  await tx.query(`update resources set watched_job_id = null, watched_build_id = null where id = $1`, [resourceId]);
  await tx.query(`update histories set check_requested_at = clock_timestamp() where id = $1`, [historyId]);
}

/** Wakes the checks of whatever watches the job. To be called when one of its builds has ended. */
export async function notifyWatchers(tx: Tx, jobId: JobId): Promise<void> {
  const rows = await tx.query<{ id: HistoryId }>(
    `select distinct history_id as id from resources where watched_job_id = $1 and history_id is not null and active`,
    [jobId],
  );
  await notify(
    tx,
    'checks',
    rows.map((row) => row.id),
  );
}

export interface EndedBuildRow {
  readonly id: BuildId;
  readonly name: string;
  readonly status: FinalStatus;
}

/** A rerun stands behind the build that it repeats, whenever it was made. */
const PLACE = 'coalesce(b.rerun_of, b.id), b.id';
const ENDED = `b.job_id = $1 and b.ended_at is not null`;

/** Ended builds of the job, in its order, from the given one on if it is among them; else the newest. */
export async function endedBuildsOf(
  db: Queryable,
  jobId: JobId,
  statuses: readonly FinalStatus[],
  from: Version | undefined,
): Promise<EndedBuildRow[]> {
  const start = from && (await endedBuildOf(db, jobId, from));
  if (!start || !statuses.includes(start.status)) {
    return db.query<EndedBuildRow>(
      `select b.id, b.name, b.status from builds b where ${ENDED} and b.status = any($2)
       order by coalesce(b.rerun_of, b.id) desc, b.id desc limit 1`,
      [jobId, statuses],
    );
  }
  return db.query<EndedBuildRow>(
    `select b.id, b.name, b.status from builds b, builds s
     where s.id = $3 and ${ENDED} and b.status = any($2) and (${PLACE}) >= (coalesce(s.rerun_of, s.id), s.id)
     order by ${PLACE}`,
    [jobId, statuses, start.id],
  );
}

/** The ended build of the job that the version names by `id`, or by `build` alone. */
export async function endedBuildOf(db: Queryable, jobId: JobId, version: Version): Promise<EndedBuildRow | undefined> {
  const { id, build } = version;
  const [row] = await db.query<EndedBuildRow>(
    `select b.id, b.name, b.status from builds b where ${ENDED} and ${id === undefined ? 'b.name' : 'b.id::text'} = $2`,
    [jobId, id ?? build ?? ''],
  );
  return row;
}

/** A version that a build has got or made, with the resource it is of. */
export interface UsedVersion {
  readonly name: string;
  readonly resource: string;
  readonly type: string;
  readonly version: Version;
}

/** What a build has got and made, in recorded order. */
export async function versionsOfBuild(
  db: Queryable,
  id: BuildId,
): Promise<{ readonly inputs: readonly UsedVersion[]; readonly outputs: readonly UsedVersion[] }> {
  const used = (table: string, order: string): Promise<UsedVersion[]> =>
    db.query<UsedVersion>(
      `select u.name, r.name as resource, r.type, u.version from ${table} u join resources r on r.id = u.resource_id
       where u.build_id = $1 order by u.${order}`,
      [id],
    );
  return { inputs: await used('build_inputs', 'ordinal'), outputs: await used('build_outputs', 'id') };
}
