import type { JsonObject, PipelineId, SourceId, TeamId } from '../../model/index.js';
import type { Queryable, Tx } from '../db.js';

/** A pipeline source. `credentials` never leave the server. */
export interface SourceRow {
  readonly id: SourceId;
  readonly teamName: string;
  readonly name: string;
  readonly uri: string;
  readonly branch: string | null;
  readonly pathGlob: string;
  readonly credentials: JsonObject;
  readonly vars: JsonObject;
  readonly intervalSeconds: number;
  readonly webhookDigest: string | null;
  readonly createdAt: Date;
  readonly nextSyncAt: Date;
  readonly isSyncing: boolean;
  readonly failures: number;
  readonly lastSyncedAt: Date | null;
  readonly lastCommit: string | null;
  /** In the form its writer gave it. */
  readonly lastError: unknown;
  /** Names of its pipelines that are not archived. */
  readonly pipelines: readonly string[];
}

const SOURCES = `
  select s.id, t.name as "teamName", s.name, s.uri, s.branch, s.path_glob as "pathGlob", s.credentials, s.vars,
    s.interval_seconds as "intervalSeconds", s.webhook_digest as "webhookDigest", s.created_at as "createdAt",
    s.next_sync_at as "nextSyncAt", coalesce(s.sync_claimed_until > now(), false) as "isSyncing",
    s.sync_failures as failures, s.last_synced_at as "lastSyncedAt", s.last_commit as "lastCommit", s.last_error as "lastError",
    array(select p.name from pipelines p where p.source_id = s.id and not p.archived order by 1) as pipelines
  from pipeline_sources s join teams t on t.id = s.team_id`;

export async function findSource(db: Queryable, teamName: string, name: string): Promise<SourceRow | undefined> {
  const [row] = await db.query<SourceRow>(`${SOURCES} where t.name = $1 and s.name = $2`, [teamName, name]);
  return row;
}

/** Of one team or of all, by name. */
export async function findSources(db: Queryable, teamName?: string): Promise<SourceRow[]> {
  return db.query<SourceRow>(`${SOURCES} where $1::text is null or t.name = $1 order by t.name, s.name`, [
    teamName ?? null,
  ]);
}

/** What a person decides about a source. */
export interface SourceSettings {
  readonly uri: string;
  readonly branch: string | null;
  readonly pathGlob: string;
  readonly credentials: JsonObject;
  readonly vars: JsonObject;
  readonly intervalSeconds: number;
  readonly webhookDigest: string | null;
}

function settingsOf(settings: SourceSettings): unknown[] {
  const { uri, branch, pathGlob, credentials, vars, intervalSeconds, webhookDigest } = settings;
  return [uri, branch, pathGlob, JSON.stringify(credentials), JSON.stringify(vars), intervalSeconds, webhookDigest];
}

/** @returns undefined when the team has a source of that name. */
export async function insertSource(
  tx: Tx,
  teamId: TeamId,
  name: string,
  settings: SourceSettings,
): Promise<SourceId | undefined> {
  const [row] = await tx.query<{ id: SourceId }>(
    `insert into pipeline_sources (team_id, name, uri, branch, path_glob, credentials, vars, interval_seconds, webhook_digest)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict on constraint source_names_are_unique_in_a_team do nothing returning id`,
    [teamId, name, ...settingsOf(settings)],
  );
  return row?.id;
}

/** Asks for a sync too, as new settings may give other pipelines for the same commit. */
export async function updateSource(tx: Tx, id: SourceId, settings: SourceSettings): Promise<void> {
  await tx.query(
    `update pipeline_sources set uri = $2, branch = $3, path_glob = $4, credentials = $5, vars = $6, interval_seconds = $7,
       webhook_digest = $8, sync_requested_at = now(), sync_failures = 0 where id = $1`,
    [id, ...settingsOf(settings)],
  );
}

export async function deleteSource(tx: Tx, id: SourceId): Promise<void> {
  await tx.query(`delete from pipeline_sources where id = $1`, [id]);
}

/** The next sync reads the files even if the commit is known. */
export async function markSyncRequested(tx: Tx, id: SourceId): Promise<void> {
  await tx.query(`update pipeline_sources set sync_requested_at = now() where id = $1`, [id]);
}

/** The right to sync a source, until it is renewed no more. */
export interface SourceClaim extends SourceRow {
  readonly claim: number;
  /** Someone asked for this sync. */
  readonly requested: boolean;
}

/** Takes the source that is due longest and that nobody syncs. A claim that ran out, as after a crash, counts as nobody's. */
export async function claimSource(db: Queryable, leaseMs: number): Promise<SourceClaim | undefined> {
  const [claimed] = await db.query<{ id: SourceId; claim: number; requested: boolean }>(
    `with due as (
       select id, sync_requested_at is not null as requested from pipeline_sources
       where (next_sync_at <= now() or sync_requested_at is not null)
         and (sync_claimed_until is null or sync_claimed_until <= now())
       order by coalesce(sync_requested_at, next_sync_at) limit 1 for update skip locked
     )
     update pipeline_sources s set sync_claim = sync_claim + 1, sync_requested_at = null,
       sync_claimed_until = now() + make_interval(secs => $1::float8 / 1000)
     from due where due.id = s.id returning s.id, s.sync_claim as claim, due.requested`,
    [leaseMs],
  );
  if (!claimed) return undefined;
  const [source] = await db.query<SourceRow>(`${SOURCES} where s.id = $1`, [claimed.id]);
  return source && { ...source, claim: claimed.claim, requested: claimed.requested };
}

/** @returns false when the claim is lost: someone else has it, or the source is gone. */
export async function renewClaim(db: Queryable, { id, claim }: SourceClaim, leaseMs: number): Promise<boolean> {
  const rows = await db.query(
    `update pipeline_sources set sync_claimed_until = now() + make_interval(secs => $3::float8 / 1000)
     where id = $1 and sync_claim = $2 returning id`,
    [id, claim, leaseMs],
  );
  return rows.length > 0;
}

/** Locks the source if the claim still holds. Nothing of a sync may be written without it. */
export async function lockClaim(tx: Tx, { id, claim }: SourceClaim): Promise<boolean> {
  const rows = await tx.query(`select id from pipeline_sources where id = $1 and sync_claim = $2 for update`, [
    id,
    claim,
  ]);
  return rows.length > 0;
}

/** Gives a claim back without a result, so that the source is due at once for whoever asks. */
export async function releaseClaim(db: Queryable, { id, claim, requested }: SourceClaim): Promise<void> {
  await db.query(
    `update pipeline_sources set sync_claimed_until = null,
       sync_requested_at = case when $3 then coalesce(sync_requested_at, now()) else sync_requested_at end
     where id = $1 and sync_claim = $2`,
    [id, claim, requested],
  );
}

/** How a sync ended. */
export interface SyncOutcome {
  /** null: all is well. */
  readonly error: unknown;
  /** The commit whose pipelines are now set; absent: the one before stays. */
  readonly commit?: string;
  /** The repository could be read. */
  readonly wasRead: boolean;
  readonly failures: number;
  readonly nextInMs: number;
}

/** Writes the outcome and ends the claim; without effect when the claim is lost. */
export async function finishSync(tx: Tx, { id, claim }: SourceClaim, outcome: SyncOutcome): Promise<void> {
  await tx.query(
    `update pipeline_sources set sync_claimed_until = null, last_error = $3, last_commit = coalesce($4, last_commit),
       last_synced_at = case when $5 then now() else last_synced_at end, sync_failures = $6,
       next_sync_at = now() + make_interval(secs => $7::float8 / 1000)
     where id = $1 and sync_claim = $2`,
    [
      id,
      claim,
      outcome.error === null ? null : JSON.stringify(outcome.error),
      outcome.commit ?? null,
      outcome.wasRead,
      outcome.failures,
      outcome.nextInMs,
    ],
  );
}

/** Locks the source's pipelines whose names are not in the list and which are not archived. */
export async function lockOrphans(
  tx: Tx,
  id: SourceId,
  names: readonly string[],
): Promise<{ readonly id: PipelineId; readonly name: string }[]> {
  return tx.query(
    `select id, name from pipelines where source_id = $1 and not archived and name <> all($2::text[])
     order by id for no key update`,
    [id, names],
  );
}
