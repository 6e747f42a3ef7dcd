import type { JobId, SlotKey } from '../../model/index.js';
import type { Queryable, Tx } from '../db.js';

/** A cache as a task wants it. */
export interface WantedCache {
  readonly path: string;
  /** How long after its last use it ends, in milliseconds, at least 1000; undefined: never. */
  readonly ttlMs?: number | undefined;
}

/** Of row `c`. A step that has the cache keeps it from ending, however long it runs. */
const HAS_ENDED = `extract(epoch from now() - c.used_at) * 1000 > c.ttl_ms
  and not exists (select from step_slots s where c.id = any(s.caches))`;

/**
 * Ids of the caches that the job's task of that name has at these paths, by path, made where there is none yet; instead of one
 * that has ended, a new one. The step has them from now on, until its slot is freed: asked again, it gets the same. Everybody
 * locks the job before slots, and those before caches.
 */
export async function taskCacheIds(
  tx: Tx,
  { buildId, stepId }: SlotKey,
  { jobId, stepName }: { readonly jobId: JobId; readonly stepName: string },
  caches: readonly WantedCache[],
): Promise<ReadonlyMap<string, number>> {
  if (caches.length === 0) return new Map();
  const ttls = new Map(caches.map(({ path, ttlMs }) => [path, ttlMs ?? null])); // a path that stands twice is one cache
  const paths = [...ttls.keys()];
  await tx.query(`select from jobs where id = $1 for key share`, [jobId]);
  await tx.query(`select from step_slots where build_id = $1 and step_id = $2 for no key update`, [buildId, stepId]);
  const known = await tx.query<{ id: number }>(
    `select id from task_caches where job_id = $1 and step_name = $2 and path = any($3) order by id for update`,
    [jobId, stepName, paths],
  );
  await forgetEnded(tx, known);
  const rows = await tx.query<{ id: number; path: string }>(
    `insert into task_caches (job_id, step_name, path, ttl_ms)
     select $1, $2, path, ttl_ms from unnest($3::text[], $4::bigint[]) as wanted (path, ttl_ms) order by path
     on conflict on constraint task_caches_are_unique do update set ttl_ms = excluded.ttl_ms, used_at = now()
     returning id, path`,
    [jobId, stepName, paths, [...ttls.values()]],
  );
  await tx.query(`update step_slots set caches = $3 where build_id = $1 and step_id = $2`, [
    buildId,
    stepId,
    rows.map(({ id }) => id),
  ]);
  return new Map(rows.map(({ path, id }) => [path, id]));
}

/** Nobody has the caches any more who had them: the time until they end begins. */
export async function touchTaskCaches(tx: Tx, ids: readonly number[]): Promise<void> {
  if (ids.length === 0) return;
  await tx.query(
    `with used as (select id from task_caches where id = any($1) order by id for no key update)
     update task_caches c set used_at = now() from used where c.id = used.id`,
    [ids],
  );
}

/** Forgets the caches that have ended. One that somebody asks for just now is left to him. */
export async function forgetEndedTaskCaches(tx: Tx): Promise<void> {
  const ended = await tx.query<{ id: number }>(
    `select c.id from task_caches c where ${HAS_ENDED} order by c.id for update skip locked`,
  );
  await forgetEnded(tx, ended);
}

/** @param locked rows; what was committed before their locks counts, so this is a statement of its own. */
async function forgetEnded(tx: Tx, locked: readonly { readonly id: number }[]): Promise<void> {
  if (locked.length === 0) return;
  await tx.query(`delete from task_caches c where c.id = any($1) and ${HAS_ENDED}`, [locked.map(({ id }) => id)]);
}

/** Ids of all caches whose job is still there. */
export async function allTaskCacheIds(db: Queryable): Promise<number[]> {
  const rows = await db.query<{ id: number }>(`select id from task_caches`);
  return rows.map(({ id }) => id);
}

/** The task's next step begins with empty caches. @param path only this one. @returns how many there were. */
export async function clearTaskCaches(tx: Tx, jobId: JobId, stepName: string, path?: string): Promise<number> {
  const rows = await tx.query(
    `delete from task_caches where id in (
       select id from task_caches where job_id = $1 and step_name = $2 and ($3::text is null or path = $3)
       order by id for update)
     returning id`,
    [jobId, stepName, path ?? null],
  );
  return rows.length;
}
