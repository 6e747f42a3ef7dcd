import type { Role, TeamId, TokenId, UserId } from '../../model/index.js';
import type { Queryable, Tx } from '../db.js';
import type { UserRow } from './users.js';

/** What a lasting token is limited to; null: no limit. */
export interface TokenLimits {
  readonly role: Role | null;
  /** Globs of pipeline names. */
  readonly pipelines: readonly string[] | null;
  readonly actions: readonly string[] | null;
}

/** A token that is good now, with whose it is. */
export interface TokenRow extends TokenLimits {
  readonly id: TokenId;
  readonly kind: 'login' | 'personal' | 'robot';
  readonly name: string | null;
  readonly expiresAt: Date;
  readonly lastUsedAt: Date | null;
  readonly teamName: string | null;
  /** Absent for robots. */
  readonly user?: UserRow;
}

const LIMITS = `t.role, t.pipelines, t.actions`;

/** Keeps the digest of a login's token, never the token, and forgets logins that expired before `now`. */
export async function saveToken(tx: Tx, userId: UserId, digest: string, now: Date, expiresAt: Date): Promise<TokenId> {
  await tx.query(`delete from tokens where expires_at <= $1 and kind = 'login'`, [now]);
  const [row] = await tx.query<{ id: TokenId }>(
    `insert into tokens (user_id, digest, created_at, expires_at) values ($1, $2, $3, $4) returning id`,
    [userId, digest, now, expiresAt],
  );
  if (!row) throw new Error('a token was not saved');
  return row.id;
}

/** The unexpired token of this digest, and the version of the roles that hold at that moment (see `readRoles`). */
export async function findToken(
  db: Queryable,
  digest: string,
  now: Date,
): Promise<{ readonly token: TokenRow; readonly roleVersion: number } | undefined> {
  const [row] = await db.query<Omit<TokenRow, 'user'> & { user: UserRow | null; roleVersion: number }>(
    `select t.id, t.kind, t.name, ${LIMITS}, t.expires_at as "expiresAt", t.last_used_at as "lastUsedAt",
       m.name as "teamName", case when u.id is not null then jsonb_build_object('id', u.id, 'connector', u.connector,
         'subject', u.subject, 'name', u.name, 'email', u.email, 'groups', u.groups) end as user,
       (select version from role_version) as "roleVersion"
     from tokens t left join users u on u.id = t.user_id left join teams m on m.id = t.team_id
     where t.digest = $1 and t.expires_at > $2`,
    [digest, now],
    'weir_find_token',
  );
  if (!row) return undefined;
  const { user, roleVersion, ...token } = row;
  return { token: user ? { ...token, user } : token, roleVersion };
}

/** Notes that the token was used, if that was not noted since `noted`. */
export async function touchToken(tx: Tx, id: TokenId, now: Date, noted: Date): Promise<void> {
  await tx.query(`update tokens set last_used_at = $2 where id = $1 and (last_used_at is null or last_used_at < $3)`, [
    id,
    now,
    noted,
  ]);
}

/** @returns false when there was no such token. */
export async function deleteToken(tx: Tx, digest: string): Promise<boolean> {
  const rows = await tx.query(`delete from tokens where digest = $1 returning id`, [digest]);
  return rows.length > 0;
}

/** A personal or robot token as shown: everything but what it is. */
export interface LastingTokenRow extends TokenLimits {
  readonly id: TokenId;
  readonly kind: 'personal' | 'robot';
  readonly name: string;
  readonly teamName: string | null;
  readonly createdBy: string | null;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly lastUsedAt: Date | null;
}

export interface NewLastingToken extends TokenLimits {
  readonly kind: 'personal' | 'robot';
  readonly name: string;
  /** Null for robots. */
  readonly userId: UserId | null;
  readonly teamId: TeamId | null;
  readonly createdBy: string;
}

/** @returns undefined when the owner has a token of that name. */
export async function insertLastingToken(
  tx: Tx,
  token: NewLastingToken,
  digest: string,
  now: Date,
  expiresAt: Date,
): Promise<TokenId | undefined> {
  const [row] = await tx.query<{ id: TokenId }>(
    `insert into tokens (kind, name, user_id, team_id, role, pipelines, actions, created_by, digest, created_at, expires_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict do nothing returning id`,
    [
      token.kind,
      token.name,
      token.userId,
      token.teamId,
      token.role,
      token.pipelines && JSON.stringify(token.pipelines),
      token.actions && JSON.stringify(token.actions),
      token.createdBy,
      digest,
      now,
      expiresAt,
    ],
  );
  return row?.id;
}

/** Whose lasting tokens: a user's own, and the robots of these teams. */
export interface TokenOwners {
  readonly userId: UserId | null;
  readonly teamIds: readonly TeamId[];
}

const OWNED = `((t.kind = 'personal' and t.user_id = $1) or (t.kind = 'robot' and t.team_id = any($2::bigint[])))`;

export async function lastingTokens(db: Queryable, { userId, teamIds }: TokenOwners): Promise<LastingTokenRow[]> {
  return db.query<LastingTokenRow>(
    `select t.id, t.kind, t.name, m.name as "teamName", ${LIMITS}, t.created_by as "createdBy",
       t.created_at as "createdAt", t.expires_at as "expiresAt", t.last_used_at as "lastUsedAt"
     from tokens t left join teams m on m.id = t.team_id where ${OWNED} order by t.kind, t.name, t.id`,
    [userId, teamIds],
  );
}

/** @returns the name and kind of what was removed; undefined when the owners have no such token. */
export async function deleteLastingToken(
  tx: Tx,
  { userId, teamIds }: TokenOwners,
  id: TokenId,
): Promise<{ readonly name: string; readonly kind: string } | undefined> {
  const [row] = await tx.query<{ name: string; kind: string }>(
    `delete from tokens t where ${OWNED} and t.id = $3 returning t.name, t.kind`,
    [userId, teamIds, id],
  );
  return row;
}
