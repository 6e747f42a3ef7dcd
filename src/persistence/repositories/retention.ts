import type { Tx } from '../db.js';

/** How many rows of each kind were removed. */
export interface Removed {
  readonly tokens: number;
  readonly checkBuilds: number;
}

/**
 * Removes what nobody may see again: expired tokens, and check builds that ended more than `checkBuildHours` ago, except the
 * newest of each resource. Builds of jobs are never touched.
 */
export async function removeOutdated(tx: Tx, now: Date, checkBuildHours: number): Promise<Removed> {
  const tokens = await tx.query(`delete from tokens where expires_at <= $1 returning id`, [now]);
  const checkBuilds = await tx.query(
    `delete from builds b
     where b.job_id is null and b.resource_id is not null and b.ended_at < $1::timestamptz - make_interval(hours => $2)
       and b.id < (select max(newest.id) from builds newest where newest.resource_id = b.resource_id)
     returning b.id`,
    [now, checkBuildHours],
  );
  return { tokens: tokens.length, checkBuilds: checkBuilds.length };
}
