import type {
  BuildId,
  HistoryId,
  JsonObject,
  MetadataField,
  PipelineId,
  ResourceConfig,
  ResourceId,
  Version,
} from '../../model/index.js';
import type { Marked } from '../../platform/index.js';
import type { Queryable, Tx } from '../db.js';

/** A resource with everything that is shown about it. Times are Unix seconds. */
export interface ResourceRow {
  readonly id: ResourceId;
  readonly name: string;
  readonly type: string;
  readonly config: ResourceConfig;
  readonly historyId: HistoryId | null;
  readonly teamName: string;
  readonly pipelineId: PipelineId;
  readonly pipelineName: string;
  readonly instanceVars: JsonObject | null;
  readonly pipelineArchived: boolean;
  readonly pipelinePaused: boolean;
  readonly paused: boolean;
  readonly pausedBy: string | null;
  readonly pausedAt: number | null;
  readonly pauseReason: string | null;
  readonly pin: {
    readonly version: Version;
    readonly origin: 'config' | 'api';
    readonly comment: string;
    readonly by: string | null;
    readonly at: number;
  } | null;
  readonly check: {
    readonly startedAt: number | null;
    readonly endedAt: number | null;
    readonly succeeded: boolean | null;
    readonly error: string | null;
    readonly nextAt: number | null;
    readonly running: boolean;
  } | null;
  /** The last check that was asked for by a person or a webhook. */
  readonly checkBuildId: BuildId | null;
}

const RESOURCES = `
  select r.id, r.name, r.type, r.config, r.history_id as "historyId",
    t.name as "teamName", p.id as "pipelineId", p.name as "pipelineName", p.instance_vars as "instanceVars",
    p.archived as "pipelineArchived", p.paused as "pipelinePaused",
    r.paused, r.paused_by as "pausedBy", extract(epoch from r.paused_at)::float8 as "pausedAt", r.pause_reason as "pauseReason",
    case when pin.resource_id is not null then json_build_object('version', pin.version, 'origin', pin.origin,
      'comment', pin.comment, 'by', pin.pinned_by, 'at', extract(epoch from pin.pinned_at)) end as pin,
    case when h.id is not null then json_build_object('startedAt', extract(epoch from h.check_started_at),
      'endedAt', extract(epoch from h.check_ended_at), 'succeeded', h.check_succeeded, 'error', h.check_error,
      'nextAt', extract(epoch from nullif(h.next_check_at, 'infinity')),
      'running', coalesce(h.check_claimed_until > now(), false)) end as check,
    (select max(b.id) from builds b where b.resource_id = r.id) as "checkBuildId"
  from resources r
  join pipelines p on p.id = r.pipeline_id
  join teams t on t.id = p.team_id
  left join histories h on h.id = r.history_id
  left join pins pin on pin.resource_id = r.id`;

export async function resourceById(db: Queryable, id: ResourceId): Promise<ResourceRow | undefined> {
  const [row] = await db.query<ResourceRow>(`${RESOURCES} where r.id = $1`, [id]);
  return row;
}

/** Active resources by name. */
export async function resourcesOfPipeline(db: Queryable, pipelineId: PipelineId): Promise<ResourceRow[]> {
  return db.query<ResourceRow>(`${RESOURCES} where r.pipeline_id = $1 and r.active order by r.name`, [pipelineId]);
}

/**
 * Active resources of all pipelines that are not archived, or of those `among` them, by team, pipeline and name, each with a mark
 * that is another one as soon as anything is that is shown about it: a row that was written again has another `xmin`.
 */
export async function markResources(db: Queryable, among?: readonly PipelineId[]): Promise<Marked<ResourceId>[]> {
  return db.query<Marked<ResourceId>>(
    `select r.id, concat_ws(' ', r.xmin, p.xmin, t.xmin, coalesce(h.xmin::text, '-'), coalesce(pin.xmin::text, '-'),
       h.check_claimed_until > now(), checks.last) as mark
     from resources r join pipelines p on p.id = r.pipeline_id join teams t on t.id = p.team_id
     left join histories h on h.id = r.history_id left join pins pin on pin.resource_id = r.id
     left join (select resource_id, max(id) as last from builds where resource_id is not null group by resource_id) checks
       on checks.resource_id = r.id
     where r.active and not p.archived and ($1::bigint[] is null or p.id = any($1))
     order by t.name, p.name, p.id, r.name`,
    [among ?? null],
  );
}

export async function resourcesById(db: Queryable, ids: readonly ResourceId[]): Promise<ResourceRow[]> {
  return db.query<ResourceRow>(`${RESOURCES} where r.id = any($1::bigint[])`, [ids]);
}

/** Names of the pipeline's active resources. */
export async function resourceNames(
  db: Queryable,
  pipelineId: PipelineId,
): Promise<{ id: ResourceId; name: string }[]> {
  return db.query(`select id, name from resources where pipeline_id = $1 and active order by name`, [pipelineId]);
}

/** @returns false when it was paused already: who paused first stays on record. */
export async function pauseResource(tx: Tx, id: ResourceId, by: string, reason: string | null): Promise<boolean> {
  const rows = await tx.query(
    `update resources set paused = true, paused_by = $2, paused_at = now(), pause_reason = $3
     where id = $1 and not paused returning id`,
    [id, by, reason],
  );
  return rows.length > 0;
}

/** @returns false when it was not paused. */
export async function unpauseResource(tx: Tx, id: ResourceId): Promise<boolean> {
  const rows = await tx.query(
    `update resources set paused = false, paused_by = null, paused_at = null, pause_reason = null
     where id = $1 and paused returning id`,
    [id],
  );
  return rows.length > 0;
}

/** A version as a resource shows it. */
export interface ResourceVersionRow {
  readonly id: number;
  readonly version: Version;
  readonly metadata: readonly MetadataField[] | null;
  readonly enabled: boolean;
  readonly disabledBy: string | null;
  readonly disabledReason: string | null;
  readonly checkOrder: number;
}

const VERSIONS = `
  select v.id, v.version, v.metadata, v.check_order as "checkOrder", d.digest is null as enabled,
    d.disabled_by as "disabledBy", d.reason as "disabledReason"
  from resources r
  join versions v on v.history_id = r.history_id and v.check_order > 0
  left join disabled_versions d on d.resource_id = r.id and d.digest = v.digest
  where r.id = $1`;

/**
 * Versions of the resource's history that contain `filter`, by check order, at most `limit`.
 * @param bound start at (and include) this version id, going to older or newer ones; an id of another history finds nothing.
 * @returns in the order of the walk: `older` newest first, `newer` oldest first.
 */
export async function walkVersions(
  db: Queryable,
  id: ResourceId,
  filter: Version,
  bound: { readonly direction: 'older' | 'newer'; readonly at?: number; readonly limit: number },
): Promise<ResourceVersionRow[]> {
  const [comparison, order] = bound.direction === 'older' ? ['<=', 'desc'] : ['>=', 'asc'];
  return db.query<ResourceVersionRow>(
    `${VERSIONS} and v.version @> $2::jsonb
       and ($3::bigint is null or v.check_order ${comparison} (select check_order from versions where id = $3 and history_id = r.history_id))
     order by v.check_order ${order} limit $4`,
    [id, JSON.stringify(filter), bound.at ?? null, bound.limit],
  );
}

/** A version of the resource's present history. */
export async function versionOfResource(
  db: Queryable,
  id: ResourceId,
  versionId: number,
): Promise<ResourceVersionRow | undefined> {
  const [row] = await db.query<ResourceVersionRow>(`${VERSIONS} and v.id = $2`, [id, versionId]);
  return row;
}

/** @returns false when the version is unknown or disabled already. */
export async function disableVersion(
  tx: Tx,
  id: ResourceId,
  versionId: number,
  by: string,
  reason: string | null,
): Promise<boolean> {
  const rows = await tx.query(
    `insert into disabled_versions (resource_id, digest, disabled_by, reason)
     select r.id, v.digest, $3, $4 from resources r join versions v on v.history_id = r.history_id
     where r.id = $1 and v.id = $2 on conflict do nothing returning digest`,
    [id, versionId, by, reason],
  );
  return rows.length > 0;
}

/** @returns false when the version is unknown or not disabled. */
export async function enableVersion(tx: Tx, id: ResourceId, versionId: number): Promise<boolean> {
  const rows = await tx.query(
    `delete from disabled_versions d using versions v, resources r
     where r.id = $1 and v.id = $2 and v.history_id = r.history_id and d.resource_id = r.id and d.digest = v.digest
     returning d.digest`,
    [id, versionId],
  );
  return rows.length > 0;
}

/**
 * Pins by the API: copies the version, keeps the comment of an earlier API pin.
 * @returns `config` when a pin of the pipeline's config stands in the way.
 */
export async function pinVersion(
  tx: Tx,
  id: ResourceId,
  versionId: number,
  by: string,
): Promise<'pinned' | 'unknown' | 'config'> {
  const rows = await tx.query<{ known: boolean; written: boolean }>(
    `with chosen as (
       select r.id, v.version from resources r join versions v on v.history_id = r.history_id where r.id = $1 and v.id = $2
     ), written as (
       insert into pins (resource_id, version, origin, pinned_by) select id, version, 'api', $3 from chosen
       on conflict (resource_id) do update set version = excluded.version, pinned_by = excluded.pinned_by, pinned_at = now()
         where pins.origin = 'api'
       returning resource_id
     )
     select exists (select from chosen) as known, exists (select from written) as written`,
    [id, versionId, by],
  );
  if (!rows[0]?.known) return 'unknown';
  return rows[0].written ? 'pinned' : 'config';
}

/** Removes an API pin. @returns false when there is none. */
export async function unpin(tx: Tx, id: ResourceId): Promise<boolean> {
  const rows = await tx.query(`delete from pins where resource_id = $1 and origin = 'api' returning resource_id`, [id]);
  return rows.length > 0;
}

/** @returns false when the resource is not pinned. */
export async function commentPin(tx: Tx, id: ResourceId, comment: string): Promise<boolean> {
  const rows = await tx.query(`update pins set comment = $2 where resource_id = $1 returning resource_id`, [
    id,
    comment,
  ]);
  return rows.length > 0;
}

/** Builds that used the version as an input, newest first, at most 100. */
export async function buildsWithInput(db: Queryable, id: ResourceId, versionId: number): Promise<BuildId[]> {
  return buildsWith(db, 'build_inputs', id, versionId);
}

/** Builds that produced the version, newest first, at most 100. */
export async function buildsWithOutput(db: Queryable, id: ResourceId, versionId: number): Promise<BuildId[]> {
  return buildsWith(db, 'build_outputs', id, versionId);
}

async function buildsWith(
  db: Queryable,
  table: 'build_inputs' | 'build_outputs',
  id: ResourceId,
  versionId: number,
): Promise<BuildId[]> {
  const rows = await db.query<{ id: BuildId }>(
    `select distinct u.build_id as id from versions v
     join ${table} u on u.digest = v.digest and u.resource_id = $1
     where v.id = $2 order by u.build_id desc limit 100`,
    [id, versionId],
  );
  return rows.map((row) => row.id);
}
