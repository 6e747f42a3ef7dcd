import type { UserId } from '../../model/index.js';
import type { Queryable, Tx } from '../db.js';

/** A user as known here. */
export interface UserRow {
  readonly id: UserId;
  readonly connector: string;
  /** The connector's own name for the user. */
  readonly subject: string;
  readonly name: string;
  readonly email: string;
  readonly groups: readonly string[];
}

export interface LocalUserRow extends UserRow {
  /** Null: may not log in with a password any more. */
  readonly passwordHash: string | null;
}

const USER = `u.id, u.connector, u.subject, u.name, u.email, u.groups`;

/** Inserts the local user only while there is none at all. @returns false when there was one. */
export async function insertFirstUser(tx: Tx, name: string, passwordHash: string): Promise<boolean> {
  // Two servers that start on one empty database must not both show a password.
  await tx.query(`lock table users in share row exclusive mode`);
  const rows = await tx.query(
    `insert into users (name, subject, email, password_hash) select $1, lower($1), $1, $2
     where not exists (select from users where connector = 'local') returning id`,
    [name, passwordHash],
  );
  return rows.length > 0;
}

/** Is there a local user? */
export async function hasUsers(db: Queryable): Promise<boolean> {
  const rows = await db.query(`select 1 from users where connector = 'local' limit 1`);
  return rows.length > 0;
}

/** The local user of that name, in any case. */
export async function findLocalUser(db: Queryable, name: string): Promise<LocalUserRow | undefined> {
  const [user] = await db.query<LocalUserRow>(
    `select ${USER}, u.password_hash as "passwordHash" from users u where u.connector = 'local' and u.subject = lower($1)`,
    [name],
  );
  return user;
}

/** Makes the local user of the settings, or gives it that password. Tokens of another password end. */
export async function saveLocalUser(tx: Tx, name: string, passwordHash: string): Promise<void> {
  const [user] = await tx.query<{ id: UserId }>(
    `insert into users (name, subject, email, password_hash, from_settings) values ($1, lower($1), $1, $2, true)
     on conflict (connector, subject) do update set name = $1, password_hash = $2, from_settings = true returning id`,
    [name, passwordHash],
  );
  await tx.query(`delete from tokens where user_id = $1`, [user?.id]);
}

/** Users that earlier settings named and these do not can no longer log in, and their tokens end. @returns their names. */
export async function retireLocalUsers(tx: Tx, kept: readonly string[]): Promise<string[]> {
  const users = await tx.query<{ id: UserId; name: string }>(
    `update users set password_hash = null where from_settings and password_hash is not null
       and connector = 'local' and subject <> all (select lower(n) from unnest($1::text[]) n) returning id, name`,
    [kept],
  );
  await tx.query(`delete from tokens where user_id = any($1::bigint[])`, [users.map(({ id }) => id)]);
  return users.map(({ name }) => name);
}

/** What a connector says of somebody who logged in. */
export type LoggedIn = Omit<UserRow, 'id'>;

/** Notes a login: makes the user or renews name, mail and groups. */
export async function recordLogin(tx: Tx, user: LoggedIn, now: Date): Promise<UserId> {
  const [row] = await tx.query<{ id: UserId }>(
    `insert into users as u (connector, subject, name, email, groups, last_login_at) values ($1, $2, $3, $4, $5, $6)
     on conflict (connector, subject) do update set name = $3, email = $4, groups = $5, last_login_at = $6 returning id`,
    [user.connector, user.subject, user.name, user.email, JSON.stringify(user.groups), now],
  );
  if (!row) throw new Error('a login was not recorded');
  return row.id;
}

/** Users who logged in since then, by name. */
export async function activeUsers(db: Queryable, since: Date): Promise<(UserRow & { readonly lastLoginAt: Date })[]> {
  return db.query(
    `select ${USER}, u.last_login_at as "lastLoginAt" from users u where u.last_login_at >= $1 order by u.name, u.id`,
    [since],
  );
}
