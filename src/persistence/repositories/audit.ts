import { createHash } from 'node:crypto';
import { canonicalJson, type JsonValue } from '../../model/index.js';
import type { Queryable, Tx } from '../db.js';

/** One change to be kept: who, by what, from where, what, of what. Values must hold no secrets. */
export interface AuditRecord {
  readonly userName?: string | undefined;
  readonly connector?: string | undefined;
  readonly tokenId?: number | undefined;
  readonly tokenKind?: string | undefined;
  readonly remoteAddress?: string | undefined;
  readonly action: string;
  readonly team?: string | undefined;
  /** What was changed, for example `pipelines/app/jobs/unit`. */
  readonly target?: string | undefined;
  /** HTTP status of the answer. */
  readonly status?: number | undefined;
  readonly before?: JsonValue | undefined;
  readonly after?: JsonValue | undefined;
  readonly reason?: string | undefined;
  readonly requestId?: string | undefined;
}

/** A kept change. `hash` covers all other fields and the hash before it. */
export interface AuditRow {
  readonly seq: number;
  readonly at: Date;
  readonly userName: string | null;
  readonly connector: string | null;
  readonly tokenId: number | null;
  readonly tokenKind: string | null;
  readonly remoteAddress: string | null;
  readonly action: string;
  readonly team: string | null;
  readonly target: string | null;
  readonly status: number | null;
  readonly before: JsonValue;
  readonly after: JsonValue;
  readonly reason: string | null;
  readonly requestId: string | null;
  readonly prevHash: string;
  readonly hash: string;
}

/** Any number that is ours: writers of the log queue here, each until its transaction ends. */
const AUDIT_LOCK = 7_031_947_002;
/** The hash before the first entry. */
export const AUDIT_ROOT = '0'.repeat(64);

const AUDIT = `seq, at, user_name as "userName", connector, token_id as "tokenId", token_kind as "tokenKind",
  remote_address as "remoteAddress", action, team, target, status, before, after, reason, request_id as "requestId",
  prev_hash as "prevHash", hash`;

/**
 * Adds an entry to the chain, committed or undone with the change it tells of. Call it last: until the transaction ends no
 * other change can be recorded.
 */
export async function recordAudit(tx: Tx, record: AuditRecord, now: Date): Promise<void> {
  await tx.query(`select pg_advisory_xact_lock($1)`, [AUDIT_LOCK]);
  const [last] = await tx.query<{ seq: number; hash: string }>(
    `select seq, hash from audit_log order by seq desc limit 1`,
  );
  const entry = {
    seq: (last?.seq ?? 0) + 1,
    at: now,
    userName: record.userName ?? null,
    connector: record.connector ?? null,
    tokenId: record.tokenId ?? null,
    tokenKind: record.tokenKind ?? null,
    remoteAddress: record.remoteAddress ?? null,
    action: record.action,
    team: record.team ?? null,
    target: record.target ?? null,
    status: record.status ?? null,
    before: record.before ?? null,
    after: record.after ?? null,
    reason: record.reason ?? null,
    requestId: record.requestId ?? null,
    prevHash: last?.hash ?? AUDIT_ROOT,
  };
  await tx.query(
    `insert into audit_log (seq, at, user_name, connector, token_id, token_kind, remote_address, action, team, target,
       status, before, after, reason, request_id, prev_hash, hash)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
    [
      entry.seq,
      entry.at,
      entry.userName,
      entry.connector,
      entry.tokenId,
      entry.tokenKind,
      entry.remoteAddress,
      entry.action,
      entry.team,
      entry.target,
      entry.status,
      entry.before === null ? null : canonicalJson(entry.before),
      entry.after === null ? null : canonicalJson(entry.after),
      entry.reason,
      entry.requestId,
      entry.prevHash,
      auditHash(entry),
    ],
  );
}

/** An entry as it is shown, exported and hashed. */
export function auditLine(entry: Omit<AuditRow, 'hash'>): Readonly<Record<string, JsonValue>> {
  return {
    seq: entry.seq,
    at: entry.at.toISOString(),
    user: entry.userName,
    connector: entry.connector,
    token_id: entry.tokenId,
    token_kind: entry.tokenKind,
    remote_address: entry.remoteAddress,
    action: entry.action,
    team: entry.team,
    target: entry.target,
    status: entry.status,
    before: entry.before,
    after: entry.after,
    reason: entry.reason,
    request_id: entry.requestId,
    prev_hash: entry.prevHash,
  };
}

/** SHA-256 (hex) of the line's canonical JSON (sorted keys, no spaces); anyone can compute it again from an export. */
export function auditHash(entry: Omit<AuditRow, 'hash'>): string {
  return createHash('sha256')
    .update(canonicalJson(auditLine(entry)))
    .digest('hex');
}

/** Which entries to read. Bounds are inclusive; newest first unless `after` asks for what follows an entry. */
export interface AuditFilter {
  readonly team?: string | undefined;
  readonly userName?: string | undefined;
  readonly action?: string | undefined;
  readonly since?: Date | undefined;
  readonly until?: Date | undefined;
  /** Only entries before this one. */
  readonly beforeSeq?: number | undefined;
  /** Only entries after this one, oldest first. */
  readonly afterSeq?: number | undefined;
}

export async function listAudit(db: Queryable, filter: AuditFilter, limit: number): Promise<AuditRow[]> {
  return db.query<AuditRow>(
    `select ${AUDIT} from audit_log where ($1::text is null or team = $1) and ($2::text is null or user_name = $2)
       and ($3::text is null or action = $3) and ($4::timestamptz is null or at >= $4)
       and ($5::timestamptz is null or at <= $5) and ($6::bigint is null or seq < $6) and ($7::bigint is null or seq > $7)
     order by seq ${filter.afterSeq === undefined ? 'desc' : 'asc'} limit $8`,
    [
      filter.team ?? null,
      filter.userName ?? null,
      filter.action ?? null,
      filter.since ?? null,
      filter.until ?? null,
      filter.beforeSeq ?? null,
      filter.afterSeq ?? null,
      limit,
    ],
  );
}

/** What {@link verifyAudit} found: how many entries hold, the hash of the last, and the first that does not. */
export interface AuditVerdict {
  readonly entries: number;
  readonly lastHash: string;
  readonly broken?: { readonly seq: number; readonly why: string };
}

const PAGE = 1_000;

/**
 * Computes the chain again from its root. Finds changed, removed, added and moved entries; only the removal of the newest
 * ones needs a hash that was kept elsewhere to be seen.
 */
export async function verifyAudit(db: Queryable): Promise<AuditVerdict> {
  let seen = { entries: 0, lastHash: AUDIT_ROOT };
  for (;;) {
    const page = await listAudit(db, { afterSeq: seen.entries }, PAGE);
    for (const entry of page) {
      const why =
        entry.seq !== seen.entries + 1
          ? `entry ${seen.entries + 1} is missing`
          : entry.prevHash !== seen.lastHash
            ? 'does not follow from the entry before it'
            : entry.hash !== auditHash(entry)
              ? 'was changed'
              : undefined;
      if (why !== undefined) return { ...seen, broken: { seq: entry.seq, why } };
      seen = { entries: entry.seq, lastHash: entry.hash };
    }
    if (page.length < PAGE) return seen;
  }
}
