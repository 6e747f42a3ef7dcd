import type { JobId } from '../../model/index.js';
import type { Queryable, Tx } from '../db.js';

/** Ids of the caches that the job's task of that name has at these paths, made where there is none yet. */
export async function taskCacheIds(
  tx: Tx,
  jobId: JobId,
  stepName: string,
  paths: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  if (paths.length === 0) return new Map();
  await tx.query(
    `insert into task_caches (job_id, step_name, path) select $1, $2, path from unnest($3::text[]) as path
     on conflict on constraint task_caches_are_unique do nothing`,
    [jobId, stepName, paths],
  );
  const rows = await tx.query<{ id: number; path: string }>(
    `select id, path from task_caches where job_id = $1 and step_name = $2 and path = any($3)`,
    [jobId, stepName, paths],
  );
  return new Map(rows.map(({ path, id }) => [path, id]));
}

/** Ids of all caches whose job is still there. */
export async function allTaskCacheIds(db: Queryable): Promise<number[]> {
  const rows = await db.query<{ id: number }>(`select id from task_caches`);
  return rows.map(({ id }) => id);
}

/** The task's next step begins with empty caches. @param path only this one. @returns how many there were. */
export async function clearTaskCaches(tx: Tx, jobId: JobId, stepName: string, path?: string): Promise<number> {
  const rows = await tx.query(
    `delete from task_caches where job_id = $1 and step_name = $2 and ($3::text is null or path = $3) returning id`,
    [jobId, stepName, path ?? null],
  );
  return rows.length;
}
