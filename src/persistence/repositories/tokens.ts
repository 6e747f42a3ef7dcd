import type { UserId } from '../../model/index.js';
import type { Queryable, Tx } from '../db.js';

/** Keeps a token's digest, never the token, and forgets those that expired before `now`. */
export async function saveToken(tx: Tx, userId: UserId, digest: string, now: Date, expiresAt: Date): Promise<void> {
  await tx.query(`delete from tokens where expires_at <= $1`, [now]);
  await tx.query(`insert into tokens (user_id, digest, created_at, expires_at) values ($1, $2, $3, $4)`, [
    userId,
    digest,
    now,
    expiresAt,
  ]);
}

/** The user whose unexpired token has this digest. */
export async function findTokenUser(
  db: Queryable,
  digest: string,
  now: Date,
): Promise<{ readonly id: UserId; readonly name: string } | undefined> {
  const [user] = await db.query<{ id: UserId; name: string }>(
    `select u.id, u.name from tokens t join users u on u.id = t.user_id where t.digest = $1 and t.expires_at > $2`,
    [digest, now],
  );
  return user;
}

/** @returns false when there was no such token. */
export async function deleteToken(tx: Tx, digest: string): Promise<boolean> {
  const rows = await tx.query(`delete from tokens where digest = $1 returning id`, [digest]);
  return rows.length > 0;
}
