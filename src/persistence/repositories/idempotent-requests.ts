import type { TokenId } from '../../model/index.js';
import type { Queryable, Tx } from '../db.js';

/** Answers are kept so long, and the keys with them. */
const KEEP_HOURS = 24;

/** Whose request it is, and by which key. */
export interface RequestKey {
  readonly tokenId: TokenId;
  readonly keyDigest: string;
}

export interface IdempotentRequestRow {
  /** Null: its body is still being read. */
  readonly fingerprint: string | null;
  /** Null: it has begun and not ended. */
  readonly status: number | null;
  /** Sealed. */
  readonly answer: Buffer | null;
}

/**
 * Begins a request and forgets those of yesterday. Of several at the same time one begins.
 * @returns undefined when it has begun now, else what is known of the earlier one.
 */
export async function beginRequest(
  tx: Tx,
  { tokenId, keyDigest }: RequestKey,
  fingerprint: string | null,
  now: Date,
): Promise<IdempotentRequestRow | undefined> {
  await tx.query(`delete from idempotent_requests where created_at < $1::timestamptz - make_interval(hours => $2)`, [
    now,
    KEEP_HOURS,
  ]);
  const begun = await tx.query(
    `insert into idempotent_requests (token_id, key_digest, fingerprint, created_at) values ($1, $2, $3, $4)
     on conflict do nothing returning token_id`,
    [tokenId, keyDigest, fingerprint, now],
  );
  return begun.length > 0 ? undefined : findRequest(tx, { tokenId, keyDigest });
}

async function findRequest(db: Queryable, { tokenId, keyDigest }: RequestKey): Promise<IdempotentRequestRow> {
  const [row] = await db.query<IdempotentRequestRow>(
    `select fingerprint, status, answer from idempotent_requests where token_id = $1 and key_digest = $2`,
    [tokenId, keyDigest],
  );
  // It ended without an answer between the two statements: to the caller it is as if it still ran.
  return row ?? { fingerprint: null, status: null, answer: null };
}

/** Keeps the answer of a request that was done. */
export async function keepAnswer(
  tx: Tx,
  { tokenId, keyDigest }: RequestKey,
  done: { readonly fingerprint: string; readonly status: number; readonly answer: Buffer },
): Promise<void> {
  await tx.query(
    `update idempotent_requests set fingerprint = $3, status = $4, answer = $5 where token_id = $1 and key_digest = $2`,
    [tokenId, keyDigest, done.fingerprint, done.status, done.answer],
  );
}

/** A request that was refused did nothing: its key is free again. */
export async function freeKey(tx: Tx, { tokenId, keyDigest }: RequestKey): Promise<void> {
  await tx.query(`delete from idempotent_requests where token_id = $1 and key_digest = $2 and status is null`, [
    tokenId,
    keyDigest,
  ]);
}
