import type { Tx } from '../db.js';

/** Failures older than this no longer count. */
const FORGET_AFTER_SECONDS = 900;
const FREE_FAILURES = 6;
const LONGEST_WAIT_SECONDS = 60;

/**
 * Takes one attempt to log in, counted as failed until {@link forgetLoginAttempts}. From the sixth failure on each one
 * doubles the wait, from 1 s up to 60 s. One statement, so that attempts made at the same time cannot slip past.
 * @param key one of a bounded set of keys: rows are never removed for names that do not exist.
 * @returns 0 when the attempt may go on, otherwise the seconds to wait.
 */
export async function takeLoginAttempt(tx: Tx, key: string, now: Date): Promise<number> {
  const admitted = await tx.query(
    `insert into login_attempts as a (key, failures, failed_at, not_before) values ($1, 1, $2, $2)
     on conflict (key) do update set (failures, failed_at, not_before) = (
       select f.count, $2::timestamptz, case when f.count < $4 then $2::timestamptz
         else $2::timestamptz + make_interval(secs => least($5, power(2, least(f.count - $4, 10)))) end
       from (select case when a.failed_at < $2::timestamptz - make_interval(secs => $3) then 1 else a.failures + 1 end as count) f
     )
     where a.not_before <= $2::timestamptz
     returning key`,
    [key, now, FORGET_AFTER_SECONDS, FREE_FAILURES, LONGEST_WAIT_SECONDS],
  );
  if (admitted.length > 0) return 0;
  const [row] = await tx.query<{ seconds: number }>(
    `select ceil(extract(epoch from not_before - $2::timestamptz))::int as seconds from login_attempts where key = $1`,
    [key, now],
  );
  return Math.max(1, row?.seconds ?? 1);
}

export async function forgetLoginAttempts(tx: Tx, key: string): Promise<void> {
  await tx.query(`delete from login_attempts where key = $1`, [key]);
}
