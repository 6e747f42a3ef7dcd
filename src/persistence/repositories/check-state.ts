import type {
  BuildId,
  HistoryId,
  JobId,
  PipelineId,
  ResourceConfig,
  ResourceId,
  ResourceTypeConfig,
  Version,
} from '../../model/index.js';
import type { Queryable, Tx } from '../db.js';
import { notify } from '../notify.js';
import { scheduleRequests } from './schedule-requests.js';
import { ensureHistory, saveCheckedVersions } from './versions.js';

/** A resource to check, with what its source is made of. */
export interface CheckTarget {
  readonly resourceId: ResourceId;
  readonly pipelineId: PipelineId;
  readonly pipelineName: string;
  readonly teamName: string;
  readonly config: ResourceConfig;
  /** The pipeline's own types. */
  readonly resourceTypes: readonly ResourceTypeConfig[] | null;
  readonly pin: Version | null;
  /** A paused resource, or one of a paused or archived pipeline, gets no new versions by a check. */
  readonly isStopped: boolean;
  /** Names the config of the resource's history; null before its first check. */
  readonly configDigest: string | null;
  /** When the last check began, if it succeeded, and the database's time. */
  readonly checkedSinceMs: number | null;
  readonly nowMs: number;
  /** Its versions are the builds of a job, as its last check has found. */
  readonly isWatchingJob: boolean;
}

const millis = (column: string): string => `(extract(epoch from ${column}) * 1000)::float8`;

const TARGET = `
  select r.id as "resourceId", p.id as "pipelineId", p.name as "pipelineName", t.name as "teamName", r.config,
    (select v.resource_types from pipeline_revisions v where v.pipeline_id = p.id and v.version = p.config_version) as "resourceTypes",
    pin.version as pin, r.paused or p.paused or p.archived as "isStopped", h.config_digest as "configDigest",
    case when h.check_succeeded and h.check_ended_at >= h.check_started_at then ${millis('h.check_started_at')} end as "checkedSinceMs",
    ${millis('clock_timestamp()')} as "nowMs", r.watched_job_id is not null as "isWatchingJob"
  from resources r join pipelines p on p.id = r.pipeline_id join teams t on t.id = p.team_id
  left join histories h on h.id = r.history_id
  left join pins pin on pin.resource_id = r.id
  where r.active`;

/**
 * Is the resource to be checked, whether or not that is being done (scheduler-semantics §3.1)? Asked for; the job that it watches has
 * another latest build; or due, not `never`, and needed: an input triggers on it, it was never checked or failed the last
 * time, its history is empty, or a pinned version is not in it. Whatever is read here besides the time has a trigger that makes the search look
 * again (migration 0031).
 */
const IS_WANTED = `r.active and not r.paused and not p.paused and not p.archived
  and (
    exists (select from jobs w where w.id = r.watched_job_id and w.latest_completed_build_id is distinct from r.watched_build_id)
    or coalesce(h.check_requested_at > coalesce(h.check_ended_at, '-infinity'), false)
    or (
      coalesce(r.config->>'check_every', '') <> 'never'
      and (h.id is null or h.next_check_at <= statement_timestamp() or h.check_every is distinct from r.config->>'check_every')
      and (
        h.check_ended_at is null or not h.check_succeeded
        or exists (
          select from job_inputs i join jobs j on j.id = i.job_id
          where i.resource_id = r.id and j.active and i.passed is null and (
            i.trigger
            or not exists (select from versions v where v.history_id = h.id)
            or (coalesce(case when jsonb_typeof(i.version) = 'object' then i.version end, pin.version) is not null
                and not exists (select from versions v where v.history_id = h.id
                  and v.version @> coalesce(case when jsonb_typeof(i.version) = 'object' then i.version end, pin.version))))
        )
      )
    )
  )`;

/**
 * Resources to check now whose checks nobody makes, the longest due first, at most `limit`. Those of the resources that it looks
 * at which are not wanted are put off to their next time, unless something about them has changed meanwhile; so a search reads what is due and not all
 * resources. `offset 0` keeps the look-ups by id, whatever the statistics say.
 */
export async function dueChecks(tx: Tx, limit: number): Promise<CheckTarget[]> {
  return tx.query<CheckTarget>(
    `with looked as materialized (
       select s.resource_id, s.look_at, found.* from check_schedule s cross join lateral (
         select h.next_check_at, coalesce(${IS_WANTED}, false) as wanted,
           exists (select from histories o where o.config_digest = h.config_digest and o.check_claimed_until > now()) as claimed
         from resources r join pipelines p on p.id = r.pipeline_id
         left join histories h on h.id = r.history_id left join pins pin on pin.resource_id = r.id
         where r.id = s.resource_id offset 0) found
       where s.look_at <= statement_timestamp()
     ), settled as (
       select s.resource_id, case when l.next_check_at > statement_timestamp() then l.next_check_at else 'infinity' end as look_at
       from looked l join check_schedule s on s.resource_id = l.resource_id and s.look_at = l.look_at
       where not l.wanted order by s.resource_id for no key update of s skip locked
     ), put_off as (
       update check_schedule s set look_at = settled.look_at from settled where s.resource_id = settled.resource_id
     ), due as (
       select resource_id, next_check_at from looked where wanted and not claimed
       order by next_check_at nulls first, resource_id limit $1
     )
     select target.* from due cross join lateral (${TARGET} and r.id = due.resource_id offset 0) target
     order by due.next_check_at nulls first, due.resource_id`,
    [limit],
    'weir_due_checks',
  );
}

/** Undefined when the resource is gone or inactive. */
export async function checkTarget(db: Queryable, id: ResourceId): Promise<CheckTarget | undefined> {
  const [row] = await db.query<CheckTarget>(`${TARGET} and r.id = $1`, [id]);
  return row;
}

/** The right to check one history, until it is ended, released, or not renewed in time. */
export interface CheckClaim {
  readonly historyId: HistoryId;
  readonly claim: string;
  /** The newest version known, where the check starts from. */
  readonly newest: Version | null;
}

/**
 * Points the resource at the history of its config and claims it, unless a check of the same config, for this or any other
 * resource and by any server, is running; or one that began after `unlessSinceMs` (Unix time) has succeeded for it.
 */
export async function claimCheck(
  tx: Tx,
  resourceId: ResourceId,
  configDigest: string,
  claim: string,
  leaseMs: number,
  unlessSinceMs?: number,
): Promise<CheckClaim | undefined> {
  const historyId = await ensureHistory(tx, resourceId, configDigest);
  await tx.query(`select pg_advisory_xact_lock(hashtextextended($1, 0))`, [configDigest]); // claims of equal configs come one by one
  const [row] = await tx.query<{ newest: Version | null }>(
    `update histories h
     set check_claim = $3, check_claimed_until = clock_timestamp() + $4 * interval '1 ms', check_started_at = clock_timestamp()
     where h.id = $1
       and not exists (select from histories o where o.config_digest = $2 and o.check_claimed_until > clock_timestamp())
       and not coalesce(h.check_succeeded and ${millis('h.check_started_at')} >= $5, false)
     returning (select version from versions v where v.history_id = h.id and v.check_order > 0 order by v.check_order desc limit 1) as newest`,
    [historyId, configDigest, claim, leaseMs, unlessSinceMs ?? null],
  );
  return row && { historyId, claim, newest: row.newest };
}

/** @returns false when the claim is lost: somebody else may be checking. */
export async function renewCheckClaim(tx: Tx, { historyId, claim }: CheckClaim, leaseMs: number): Promise<boolean> {
  const rows = await tx.query(
    `update histories set check_claimed_until = clock_timestamp() + $3 * interval '1 ms' where id = $1 and check_claim = $2 returning id`,
    [historyId, claim, leaseMs],
  );
  return rows.length > 0;
}

/** Gives the claim back as if the check had never begun. */
export async function releaseCheckClaim(tx: Tx, { historyId, claim }: CheckClaim): Promise<void> {
  await tx.query(
    `update histories set check_claim = null, check_claimed_until = null, check_started_at = check_ended_at
     where id = $1 and check_claim = $2`,
    [historyId, claim],
  );
}

/** Frees what an earlier life of this server had claimed, so that nobody waits for leases to run out. */
export async function releaseCheckClaimsOf(tx: Tx, prefix: string): Promise<void> {
  await tx.query(
    `update histories set check_claim = null, check_claimed_until = null where starts_with(check_claim, $1)`,
    [prefix],
  );
}

export interface CheckEnd {
  /** Oldest first; undefined when the check failed. */
  readonly versions: readonly Version[] | undefined;
  readonly error: string | null;
  /** Time until the next check in milliseconds; null: only when asked for. */
  readonly nextDelayMs: number | null;
  /** As in the config: when it changes, the resource is due at once. */
  readonly checkEvery: string | null;
}

/**
 * Ends a check: saves its versions, when the next one is due, and wakes whoever waited for it. Nothing happens if the claim
 * is lost. A resource that was paused meanwhile gets no versions; it is due again as soon as it is unpaused.
 */
export async function endCheck(tx: Tx, resourceId: ResourceId, claim: CheckClaim, end: CheckEnd): Promise<void> {
  const [resource] = await tx.query<{ history_id: HistoryId | null; stopped: boolean }>(
    `select r.history_id, r.paused or p.paused or p.archived as stopped
     from resources r join pipelines p on p.id = r.pipeline_id where r.id = $1 for share`,
    [resourceId],
  );
  const isStopped = resource?.stopped ?? true;
  const rows = await tx.query(
    `update histories set check_claim = null, check_claimed_until = null, check_ended_at = clock_timestamp(),
       check_succeeded = $3, check_error = $4, check_failures = case when $3 then 0 else check_failures + 1 end, check_every = $5,
       next_check_at = case when $7 then clock_timestamp()
         when $6::float8 is null then 'infinity' else clock_timestamp() + $6::float8 * interval '1 ms' end
     where id = $1 and check_claim = $2 returning id`,
    [claim.historyId, claim.claim, end.versions !== undefined, end.error, end.checkEvery, end.nextDelayMs, isStopped],
  );
  if (rows.length === 0) return;
  const isCurrent = resource?.history_id === claim.historyId;
  if (end.versions && isCurrent && !isStopped) await saveCheckedVersions(tx, claim.historyId, end.versions);
  await scheduleRequests.checkEnded(tx, [claim.historyId]);
}

/** How many checks of the history failed since the last that did not. */
export async function checkFailures(db: Queryable, id: HistoryId): Promise<number> {
  const [row] = await db.query<{ failures: number }>(`select check_failures as failures from histories where id = $1`, [
    id,
  ]);
  return row?.failures ?? 0;
}

/** The job's inputs whose resources could not be checked the last time, and why. */
export async function failedChecks(db: Queryable, job: JobId): Promise<{ input: string; error: string }[]> {
  return db.query(
    `select i.name as input, h.check_error as error
     from job_inputs i join resources r on r.id = i.resource_id join histories h on h.id = r.history_id
     where i.job_id = $1 and not h.check_succeeded and h.check_error is not null order by i.ordinal`,
    [job],
  );
}

/** A history for errors of a resource whose config cannot even be evaluated; one that it has already is kept. */
export async function anyHistoryOf(tx: Tx, id: ResourceId): Promise<string> {
  const [row] = await tx.query<{ digest: string }>(
    `select h.config_digest as digest from resources r join histories h on h.id = r.history_id where r.id = $1`,
    [id],
  );
  return row?.digest ?? `unevaluated:${id}`;
}

/**
 * Asks for a check of each resource unless one is asked for already, or running. In a transaction of its own, after the
 * builds that wait for it are visible: whoever ends a check then finds them.
 */
export async function requestFreshChecks(tx: Tx, resources: readonly ResourceId[]): Promise<void> {
  const known = await tx.query<{ id: ResourceId; history_id: HistoryId | null }>(
    `select id, history_id from resources where id = any($1) order by id`,
    [resources],
  );
  const histories: HistoryId[] = [];
  for (const { id, history_id } of known)
    histories.push(history_id ?? (await ensureHistory(tx, id, `unevaluated:${id}`)));
  await tx.query(
    `with wanted as (select id from histories where id = any($1) order by id for update)
     update histories h set check_requested_at = clock_timestamp() from wanted
     where h.id = wanted.id
       and not coalesce(h.check_claimed_until > now(), false)
       and not coalesce(h.check_requested_at > coalesce(h.check_ended_at, '-infinity'), false)`,
    [histories],
  );
  await notify(tx, 'checks', histories);
}

/** The newest check build of the resource that has not ended. */
export async function unfinishedCheckBuild(db: Queryable, id: ResourceId): Promise<BuildId | undefined> {
  const [row] = await db.query<{ id: BuildId }>(
    `select id from builds where resource_id = $1 and status in ('pending', 'started') order by id desc limit 1`,
    [id],
  );
  return row?.id;
}
