import type { ResourceId } from '../../model/index.js';
import type { Queryable, Tx } from '../db.js';

/** One life of one server. */
export interface ServerLife {
  readonly instance: string;
  readonly epoch: number;
}

/** A container that is the caller's until {@link releaseCheckContainer} or {@link forgetCheckContainer}. */
export interface ClaimedCheckContainer {
  readonly handle: string;
  /** Handle of the resource's container for another digest, which is nobody's now. */
  readonly replaced: string | undefined;
}

/**
 * The container that this server keeps for the resource, if it was made for the digest; else `newHandle`.
 * @returns undefined while somebody checks in it
 */
export async function claimCheckContainer(
  tx: Tx,
  resourceId: ResourceId,
  { instance, epoch }: ServerLife,
  digest: string,
  newHandle: string,
): Promise<ClaimedCheckContainer | undefined> {
  const rows = await tx.query<{ handle: string; before: string | null }>(
    `with before as (select handle from check_containers where resource_id = $1 and instance = $2)
     insert into check_containers as c (resource_id, instance, handle, digest, epoch) values ($1, $2, $3, $4, $5)
     on conflict (resource_id, instance) do update set epoch = excluded.epoch, digest = excluded.digest, used_at = now(),
       handle = case when c.digest = excluded.digest then c.handle else excluded.handle end
     where c.epoch is distinct from excluded.epoch
     returning c.handle, (select handle from before) as before`,
    [resourceId, instance, newHandle, digest, epoch],
  );
  return rows.map(({ handle, before }) => ({
    handle,
    replaced: before !== null && before !== handle ? before : undefined,
  }))[0];
}

/** The next check may have the container. */
export async function releaseCheckContainer(tx: Tx, handle: string): Promise<void> {
  await tx.query(`update check_containers set epoch = null, used_at = now() where handle = $1`, [handle]);
}

/** The next check gets a new container. */
export async function forgetCheckContainer(tx: Tx, handle: string): Promise<void> {
  await tx.query(`delete from check_containers where handle = $1`, [handle]);
}

/** Somebody is in the container: it counts as used. */
export async function touchCheckContainer(tx: Tx, handle: string): Promise<void> {
  await tx.query(`update check_containers set used_at = now() where handle = $1`, [handle]);
}

/** Forgets the containers of the server that were not used for `keepMs`, and all but the `max` that were used last. */
export async function forgetIdleCheckContainers(
  tx: Tx,
  { instance, epoch }: ServerLife,
  { keepMs, max }: { readonly keepMs: number; readonly max: number },
): Promise<void> {
  await tx.query(
    `delete from check_containers where instance = $1 and epoch is distinct from $2 and (
       used_at < now() - $3 * interval '1 ms' or handle in (
         select handle from check_containers where instance = $1 order by used_at desc, handle offset $4))`,
    [instance, epoch, keepMs, max],
  );
}

/** Which of the handles are still somebody's. */
export async function knownCheckContainers(db: Queryable, handles: readonly string[]): Promise<Set<string>> {
  const rows = await db.query<{ handle: string }>(`select handle from check_containers where handle = any($1)`, [
    handles,
  ]);
  return new Set(rows.map(({ handle }) => handle));
}
