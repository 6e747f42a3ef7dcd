import { versionDigest, type HistoryId, type MetadataField, type ResourceId, type Version } from '../../model/index.js';
import type { Tx } from '../db.js';
import { scheduleRequests } from './schedule-requests.js';

/**
 * Records what a check returned (oldest first) in the history. If at least one version is new, every version of the list
 * moves to the top in the list's order and the jobs concerned are asked to schedule; otherwise nothing changes
 * (scheduler-semantics §2.1). The history's row lock makes check orders unique.
 * @returns how many versions were new.
 */
export async function saveCheckedVersions(tx: Tx, historyId: HistoryId, versions: readonly Version[]): Promise<number> {
  return saveVersionsOfCheck(tx, [historyId], versions);
}

/** The same for the histories of several resources that one check has answered for. */
export async function saveVersionsOfCheck(
  tx: Tx,
  histories: readonly HistoryId[],
  versions: readonly Version[],
): Promise<number> {
  if (versions.length === 0) return 0;
  const fresh = await insertUnknown(tx, histories, versions, 'check');
  if (fresh.length === 0) return 0;
  const changed = [...new Set(fresh)];
  await takeCheckOrders(tx, changed, versions.length);
  // A version that stands twice in the list ends with its later place.
  const placeOf = new Map(versions.map((version, index) => [versionDigest(version), index]));
  await tx.query(
    `update versions v set check_order = h.next_check_order - $4 + o.place
     from histories h, unnest($2::text[], $3::bigint[]) as o(digest, place)
     where h.id = any($1) and v.history_id = h.id and v.digest = o.digest`,
    [changed, [...placeOf.keys()], [...placeOf.values()], versions.length],
  );
  await scheduleRequests.newVersions(tx, changed);
  return fresh.length;
}

/**
 * Records the version that a put produced. Only a version unknown so far becomes the newest and asks jobs to schedule; a
 * known one keeps its place (scheduler-semantics §2.2). Metadata, when given, replaces what was there.
 */
export async function savePutVersion(
  tx: Tx,
  historyId: HistoryId,
  version: Version,
  metadata: readonly MetadataField[],
): Promise<void> {
  const fresh = await insertUnknown(tx, [historyId], [version], 'put');
  if (metadata.length > 0) await saveMetadata(tx, historyId, version, metadata);
  if (fresh.length === 0) return;
  await takeCheckOrders(tx, [historyId], 1);
  await tx.query(
    `update versions v set check_order = h.next_check_order - 1 from histories h
     where h.id = $1 and v.history_id = h.id and v.digest = $2`,
    [historyId, versionDigest(version)],
  );
  await scheduleRequests.newVersions(tx, [historyId]);
}

/** Fills in what a get learned about a version. */
export async function saveMetadata(
  tx: Tx,
  historyId: HistoryId,
  version: Version,
  metadata: readonly MetadataField[],
): Promise<void> {
  await tx.query(`update versions set metadata = $3 where history_id = $1 and digest = $2`, [
    historyId,
    versionDigest(version),
    JSON.stringify(metadata),
  ]);
}

/** The history a resource points at now, if any. */
export async function historyOf(tx: Tx, resourceId: ResourceId): Promise<HistoryId | undefined> {
  const [row] = await tx.query<{ history_id: HistoryId | null }>(`select history_id from resources where id = $1`, [
    resourceId,
  ]);
  return row?.history_id ?? undefined;
}

/**
 * Points the resource at the history of the given config (digest of type and evaluated source), making a new private one
 * when the config differs from the present history's. The old history, its versions included, goes; pins, disabled marks
 * and what builds recorded stay, as they name digests (scheduler-semantics §2.4, §2.5).
 */
export async function ensureHistory(tx: Tx, resourceId: ResourceId, configDigest: string): Promise<HistoryId> {
  // Locked first, read then: a statement that waits for the lock would read the history as it was before the wait.
  await tx.query(`select from resources where id = $1 for update`, [resourceId]);
  const [present] = await tx.query<{ history_id: HistoryId | null; config_digest: string | null }>(
    `select r.history_id, h.config_digest from resources r left join histories h on h.id = r.history_id where r.id = $1`,
    [resourceId],
  );
  if (present?.history_id && present.config_digest === configDigest) return present.history_id;
  const [created] = await tx.query<{ id: HistoryId }>(
    // A check that was asked for is still to be made.
    `insert into histories (config_digest, check_requested_at)
     values ($1, (select check_requested_at from histories where id = $2)) returning id`,
    [configDigest, present?.history_id ?? null],
  );
  if (!created) throw new Error('insert into histories returned no row');
  await tx.query(`update resources set history_id = $2 where id = $1`, [resourceId, created.id]);
  if (present?.history_id) await tx.query(`delete from histories where id = $1`, [present.history_id]);
  await scheduleRequests.resource(tx, resourceId);
  return created.id;
}

/** @returns the history of each version that was new to it. */
async function insertUnknown(
  tx: Tx,
  histories: readonly HistoryId[],
  versions: readonly Version[],
  origin: 'check' | 'put',
): Promise<HistoryId[]> {
  await tx.query(`select 1 from histories where id = any($1) order by id for update`, [histories]);
  const byDigest = new Map(versions.map((version) => [versionDigest(version), version]));
  const rows = await tx.query<{ history: HistoryId }>(
    `insert into versions (history_id, digest, version, check_order, origin)
     select history, digest, version, 0, $4
     from unnest($1::bigint[]) as history, unnest($2::text[], $3::jsonb[]) as v(digest, version)
     on conflict on constraint versions_are_unique_in_a_history do nothing returning history_id as history`,
    [histories, [...byDigest.keys()], [...byDigest.values()].map((v) => JSON.stringify(v)), origin],
  );
  return rows.map((row) => row.history);
}

/** Takes `count` consecutive check orders of each history: the last are those before `next_check_order`. */
async function takeCheckOrders(tx: Tx, histories: readonly HistoryId[], count: number): Promise<void> {
  await tx.query(`update histories set next_check_order = next_check_order + $2 where id = any($1)`, [
    histories,
    count,
  ]);
}
