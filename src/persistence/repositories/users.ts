import type { UserId } from '../../model/index.js';
import type { Queryable, Tx } from '../db.js';

export interface UserRow {
  readonly id: UserId;
  readonly name: string;
  readonly password_hash: string;
}

/** Inserts the user only while there is none at all. @returns false when there was one. */
export async function insertFirstUser(tx: Tx, name: string, passwordHash: string): Promise<boolean> {
  // Two servers that start on one empty database must not both show a password.
  await tx.query(`lock table users in share row exclusive mode`);
  const rows = await tx.query(
    `insert into users (name, password_hash) select $1, $2 where not exists (select from users) returning id`,
    [name, passwordHash],
  );
  return rows.length > 0;
}

export async function hasUsers(db: Queryable): Promise<boolean> {
  const rows = await db.query(`select 1 from users limit 1`);
  return rows.length > 0;
}

export async function findUser(db: Queryable, name: string): Promise<UserRow | undefined> {
  const [user] = await db.query<UserRow>(`select id, name, password_hash from users where name = $1`, [name]);
  return user;
}
