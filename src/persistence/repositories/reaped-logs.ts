import type { BuildId, JobId } from '../../model/index.js';
import type { Queryable, Tx } from '../db.js';

/** What the operator says about logs; 0: nothing. Defaults are for jobs that set no bound, no job keeps more than a maximum. */
export interface LogPolicy {
  readonly defaultBuilds: number;
  readonly maxBuilds: number;
  readonly defaultDays: number;
  readonly maxDays: number;
}

/** What a job keeps of the logs of its ended builds; 0 sets no bound. */
export interface LogBounds {
  readonly jobId: JobId;
  readonly days: number;
  readonly builds: number;
  readonly minimumSucceeded: number;
}

/** Jobs that do not keep all logs, by their `build_log_retention` and the operator's policy. */
export async function boundedLogs(db: Queryable, policy: LogPolicy): Promise<LogBounds[]> {
  const bound = (own: string, standard: string, most: string): string =>
    `least(coalesce(nullif(${own}, 0), nullif(${standard}, 0), nullif(${most}, 0)), nullif(${most}, 0), 1000000000)`;
  return db.query<LogBounds>(
    `select job_id as "jobId", coalesce(least(days, 100000), 0)::integer as days, coalesce(builds, 0)::integer as builds,
       least(coalesce(minimum, 0), builds)::integer as "minimumSucceeded"
     from (
       select j.id as job_id, ${bound(`(k.keep->>'days')::numeric`, '$3::numeric', '$4::numeric')} as days,
         ${bound(`coalesce((k.keep->>'builds')::numeric, (j.config->>'build_logs_to_retain')::numeric)`, '$1::numeric', '$2::numeric')} as builds,
         (k.keep->>'minimum_succeeded_builds')::numeric as minimum
       from jobs j, lateral (select j.config->'build_log_retention' as keep) k
     ) b where days > 0 or builds > 0 order by job_id`,
    [policy.defaultBuilds, policy.maxBuilds, policy.defaultDays, policy.maxDays],
  );
}

/**
 * Ended builds whose log their job no longer keeps, oldest first. The newest `minimumSucceeded` that succeeded are kept; the others go
 * when they ended more than `days` ago, or when they are not among the newest `builds`, those kept included.
 */
export async function buildsToReap(db: Queryable, now: Date, bounds: LogBounds): Promise<BuildId[]> {
  const rows = await db.query<{ id: BuildId }>(
    `with ended as (
       select id, ended_at, status = 'succeeded' and row_number() over (
           partition by status = 'succeeded' order by id desc) <= $4 as is_safe
       from builds where job_id = $1 and ended_at is not null and reaped_at is null
     ), placed as (
       select *, row_number() over (order by is_safe desc, id desc) as place from ended
     )
     select id from placed
     where not is_safe
       and (($3 > 0 and place > $3) or ($2 > 0 and ended_at < $5::timestamptz - make_interval(days => $2)))
     order by id`,
    [bounds.jobId, bounds.days, bounds.builds, bounds.minimumSucceeded, now],
  );
  return rows.map(({ id }) => id);
}

/**
 * Removes the log of an ended build as a whole; the build itself, its versions and its status stay.
 * @returns false when there is nothing to do: it is gone, not ended, reaped, or another server is at it.
 */
export async function reapLog(tx: Tx, buildId: BuildId): Promise<boolean> {
  const [build] = await tx.query(
    `select id from builds where id = $1 and ended_at is not null and reaped_at is null for update skip locked`,
    [buildId],
  );
  if (!build) return false;
  await tx.query(`delete from build_events where build_id = $1`, [buildId]);
  await tx.query(`delete from build_event_chunks where build_id = $1`, [buildId]);
  await tx.query(`update builds set reaped_at = now() where id = $1`, [buildId]);
  return true;
}
