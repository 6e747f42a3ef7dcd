import type { Queryable, Tx } from '../db.js';

/** The message for everybody and what is left of its time; undefined when there is none. */
export async function readWall(
  db: Queryable,
): Promise<{ readonly message: string; readonly leftMs: number | null } | undefined> {
  const [row] = await db.query<{ message: string; leftMs: number | null }>(
    `select message, extract(epoch from expires_at - now())::float8 * 1000 as "leftMs" from wall
     where expires_at is null or expires_at > now()`,
  );
  return row;
}

/** @param ttlMs how long it stays; undefined: until it is cleared. */
export async function writeWall(tx: Tx, message: string, ttlMs: number | undefined): Promise<void> {
  await tx.query(
    `insert into wall (message, expires_at) values ($1, now() + $2::float8 * interval '1 ms')
     on conflict (id) do update set message = excluded.message, expires_at = excluded.expires_at`,
    [message, ttlMs ?? null],
  );
}

export async function clearWall(tx: Tx): Promise<void> {
  await tx.query(`delete from wall`);
}
