import type { HistoryId, Version } from '../../model/index.js';
import type { Queryable, Tx } from '../db.js';
import type { CheckClaim } from './check-state.js';
import { saveCheckedVersions } from './versions.js';

/**
 * Histories of images of resource types belong to no resource: every type with the same image, of any pipeline, uses the one
 * with the digest of its config.
 */
const digestOf = (configDigest: string): string => `image:${configDigest}`;

/** `fresh`: no check is needed; `busy`: somebody checks just now; `claimed`: the caller must check and end the claim. */
export type ImageCheck =
  | { readonly kind: 'fresh'; readonly newest: Version }
  | { readonly kind: 'busy' }
  | { readonly kind: 'claimed'; readonly claim: CheckClaim };

/** @param maxAgeMs how old the last good check may be; null: any will do. */
export async function claimImageCheck(
  tx: Tx,
  configDigest: string,
  claim: string,
  { leaseMs, maxAgeMs }: { readonly leaseMs: number; readonly maxAgeMs: number | null },
): Promise<ImageCheck> {
  const digest = digestOf(configDigest);
  await tx.query(`select pg_advisory_xact_lock(hashtextextended($1, 0))`, [digest]); // there must be only one history
  const [known] = await tx.query<{ id: HistoryId; newest: Version | null; isFresh: boolean; isBusy: boolean }>(
    `select h.id, coalesce(h.check_claimed_until > clock_timestamp(), false) as "isBusy",
       coalesce(h.check_succeeded and ($2::float8 is null or h.check_ended_at >= clock_timestamp() - $2 * interval '1 ms'), false) as "isFresh",
       (select version from versions v where v.history_id = h.id and v.check_order > 0 order by v.check_order desc limit 1) as newest
     from histories h where h.config_digest = $1 order by h.id limit 1`,
    [digest, maxAgeMs],
  );
  if (known?.isFresh && known.newest) return { kind: 'fresh', newest: known.newest };
  if (known?.isBusy) return { kind: 'busy' };
  const historyId = known?.id ?? (await insertHistory(tx, digest));
  await tx.query(
    `update histories set check_claim = $2, check_claimed_until = clock_timestamp() + $3 * interval '1 ms',
       check_started_at = clock_timestamp() where id = $1`,
    [historyId, claim, leaseMs],
  );
  return { kind: 'claimed', claim: { historyId, claim, newest: known?.newest ?? null } };
}

async function insertHistory(tx: Tx, digest: string): Promise<HistoryId> {
  // Never due by itself: it is checked when something needs the image.
  const [row] = await tx.query<{ id: HistoryId }>(
    `insert into histories (config_digest, next_check_at) values ($1, 'infinity') returning id`,
    [digest],
  );
  if (!row) throw new Error('insert into histories returned no row');
  return row.id;
}

/**
 * Ends a check of an image. Nothing happens if the claim is lost.
 * @returns the newest version known now.
 */
export async function endImageCheck(
  tx: Tx,
  { historyId, claim }: CheckClaim,
  { versions, error }: { readonly versions: readonly Version[] | undefined; readonly error: string | null },
): Promise<Version | undefined> {
  const rows = await tx.query(
    `update histories set check_claim = null, check_claimed_until = null, check_ended_at = clock_timestamp(),
       check_succeeded = $3, check_error = $4, check_failures = case when $3 then 0 else check_failures + 1 end
     where id = $1 and check_claim = $2 returning id`,
    [historyId, claim, versions !== undefined, error],
  );
  if (rows.length > 0 && versions) await saveCheckedVersions(tx, historyId, versions);
  const [row] = await tx.query<{ version: Version }>(
    `select version from versions where history_id = $1 and check_order > 0 order by check_order desc limit 1`,
    [historyId],
  );
  return row?.version;
}

/** Forgets images that nobody has asked for in a long time. */
export async function forgetImageChecks(db: Queryable, unusedMs: number): Promise<void> {
  await db.query(
    `delete from histories where starts_with(config_digest, 'image:')
       and coalesce(check_started_at, '-infinity') < now() - $1 * interval '1 ms'
       and coalesce(check_claimed_until < now(), true)`,
    [unusedMs],
  );
}
