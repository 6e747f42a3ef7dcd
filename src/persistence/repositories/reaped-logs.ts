import type { BuildId } from '../../model/index.js';
import type { Queryable, Tx } from '../db.js';

/**
 * Ended builds whose log their job no longer keeps (`build_log_retention`), oldest first. Of each job the newest
 * `minimum_succeeded_builds` that succeeded are kept; the others go when they ended more than `days` ago, or when they are not
 * among the newest `builds`, those kept included. 0 sets no bound; without any bound all are kept.
 */
export async function buildsToReap(db: Queryable, now: Date, limit: number): Promise<BuildId[]> {
  const rows = await db.query<{ id: BuildId }>(
    `with bounds as (
       select j.id as job_id, coalesce(least((k.keep->>'days')::numeric, 100000)::integer, 0) as days,
         coalesce((k.keep->>'builds')::numeric, (j.config->>'build_logs_to_retain')::numeric, 0) as most,
         coalesce((k.keep->>'minimum_succeeded_builds')::numeric, 0) as least
       from jobs j, lateral (select j.config->'build_log_retention' as keep) k
       where j.config ?| array['build_log_retention', 'build_logs_to_retain']
     ), ended as (
       select b.id, b.ended_at, o.*, b.status = 'succeeded' and row_number() over (
           partition by b.job_id, b.status = 'succeeded' order by b.id desc) <= o.least as is_safe
       from builds b join bounds o on o.job_id = b.job_id
       where b.ended_at is not null and b.reaped_at is null and (o.days > 0 or o.most > 0)
     ), placed as (
       select *, row_number() over (partition by job_id order by is_safe desc, id desc) as place from ended
     )
     select id from placed
     where not is_safe
       and ((most > 0 and place > most) or (days > 0 and ended_at < $1::timestamptz - make_interval(days => days)))
     order by id limit $2`,
    [now, limit],
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
