import type {
  BuildId,
  JobId,
  JsonObject,
  PipelineConfig,
  PipelineId,
  SourceId,
  TeamId,
  VarSourceConfig,
} from '../../model/index.js';
import type { Queryable, Tx } from '../db.js';

/** A pipeline as shown. Groups and display are those of its present config. */
export interface PipelineRow {
  readonly id: PipelineId;
  readonly teamId: TeamId;
  readonly teamName: string;
  readonly name: string;
  readonly instanceVars: JsonObject | null;
  readonly configVersion: number;
  readonly paused: boolean;
  readonly pausedBy: string | null;
  readonly pausedAt: Date | null;
  readonly pauseReason: string | null;
  readonly public: boolean;
  readonly archived: boolean;
  readonly groups: PipelineConfig['groups'] | null;
  readonly display: PipelineConfig['display'] | null;
  readonly userData: unknown;
  readonly parentJobId: JobId | null;
  readonly parentBuildId: BuildId | null;
  readonly sourceId: SourceId | null;
  readonly sourceName: string | null;
  readonly sourcePath: string | null;
  readonly updatedAt: Date;
}

/** Names one pipeline; without instance vars the plain one of that name. */
export interface PipelineKey {
  readonly teamName: string;
  readonly name: string;
  readonly instanceVars?: JsonObject | undefined;
}

export interface RevisionRow {
  readonly version: number;
  readonly config: PipelineConfig;
  readonly setBy: string | null;
  readonly commit: string | null;
  readonly author: string | null;
  readonly file: string | null;
  readonly createdAt: Date;
}

const PIPELINES = `
  select p.id, p.team_id as "teamId", t.name as "teamName", p.name, p.instance_vars as "instanceVars",
    p.config_version as "configVersion", p.paused, p.paused_by as "pausedBy", p.paused_at as "pausedAt",
    p.pause_reason as "pauseReason", p.public, p.archived, v.groups, v.display,
    v.user_data as "userData", p.parent_job_id as "parentJobId", p.parent_build_id as "parentBuildId",
    p.source_id as "sourceId", s.name as "sourceName", p.source_path as "sourcePath", p.updated_at as "updatedAt"
  from pipelines p
  join teams t on t.id = p.team_id
  left join pipeline_revisions v on v.pipeline_id = p.id and v.version = p.config_version
  left join pipeline_sources s on s.id = p.source_id`;

const IS_KEY = `t.name = $1 and p.name = $2 and p.instance_vars is not distinct from $3::jsonb`;

function keyOf({ teamName, name, instanceVars }: PipelineKey): unknown[] {
  return [teamName, name, instanceVars === undefined ? null : JSON.stringify(instanceVars)];
}

export async function findPipeline(db: Queryable, key: PipelineKey): Promise<PipelineRow | undefined> {
  const [row] = await db.query<PipelineRow>(`${PIPELINES} where ${IS_KEY}`, keyOf(key));
  return row;
}

/** Of one team or of all, in the order people gave them; archived ones too. */
export async function findPipelines(db: Queryable, teamName?: string): Promise<PipelineRow[]> {
  return db.query<PipelineRow>(
    `${PIPELINES} where $1::text is null or t.name = $1 order by t.name, p.ordering, p.name, p.id`,
    [teamName ?? null],
  );
}

/** Names of a team's pipelines, each once. */
export async function findPipelineNames(db: Queryable, teamName: string): Promise<string[]> {
  const rows = await db.query<{ name: string }>(
    `select distinct p.name from pipelines p join teams t on t.id = p.team_id where t.name = $1 order by 1`,
    [teamName],
  );
  return rows.map((row) => row.name);
}

export async function findTeamId(db: Queryable, teamName: string): Promise<TeamId | undefined> {
  const [row] = await db.query<{ id: TeamId }>(`select id from teams where name = $1`, [teamName]);
  return row?.id;
}

/**
 * Locks the pipeline until the transaction ends. Every writer takes this lock first, so writers of one pipeline queue; new
 * builds, which refer to the pipeline, do not wait for it.
 */
export async function lockPipeline(tx: Tx, key: PipelineKey): Promise<PipelineRow | undefined> {
  await tx.query(
    `select p.id from pipelines p join teams t on t.id = p.team_id where ${IS_KEY} for no key update of p`,
    keyOf(key),
  );
  // A second statement, so that it sees what the writer before us committed.
  return findPipeline(tx, key);
}

/**
 * Makes an empty pipeline, last in its team's order, unless there is one; either way it is locked afterwards.
 * @returns true when it was made.
 */
export async function createPipeline(
  tx: Tx,
  teamId: TeamId,
  key: PipelineKey,
  pause: { readonly by: string } | undefined,
): Promise<boolean> {
  const [, name, instanceVars] = keyOf(key);
  const rows = await tx.query(
    `insert into pipelines (team_id, name, instance_vars, ordering, paused, paused_by, paused_at)
     values ($1, $2, $3, (select coalesce(max(ordering), 0) + 1 from pipelines where team_id = $1), $4, $5,
       case when $4 then now() end)
     on conflict on constraint pipeline_names_are_unique_in_a_team do nothing returning id`,
    [teamId, name, instanceVars, pause !== undefined, pause?.by ?? null],
  );
  return rows.length > 0;
}

/** What is written beside the config of a revision. */
export interface RevisionFacts {
  readonly by: string;
  readonly commit?: string | undefined;
  readonly author?: string | undefined;
  readonly file?: string | undefined;
}

/** Stores the config as the pipeline's next revision and makes it the present one. @returns its version. */
export async function addRevision(
  tx: Tx,
  id: PipelineId,
  config: PipelineConfig,
  facts: RevisionFacts,
): Promise<number> {
  const [row] = await tx.query<{ version: number }>(
    `with next as (
       update pipelines set config_version = config_version + 1, updated_at = now(), archived = false where id = $1
       returning config_version
     )
     insert into pipeline_revisions (pipeline_id, version, config, set_by, commit_sha, commit_author, file)
     select $1, config_version, $2, $3, $4, $5, $6 from next returning version`,
    [id, JSON.stringify(config), facts.by, facts.commit ?? null, facts.author ?? null, facts.file ?? null],
  );
  if (!row) throw new Error(`pipeline ${id} is gone`);
  return row.version;
}

export async function linkSource(tx: Tx, id: PipelineId, sourceId: SourceId, path: string): Promise<void> {
  await tx.query(`update pipelines set source_id = $2, source_path = $3 where id = $1`, [id, sourceId, path]);
}

/** A revision by version; without one, the present revision. */
export async function findRevision(db: Queryable, id: PipelineId, version?: number): Promise<RevisionRow | undefined> {
  const [row] = await db.query<RevisionRow>(
    `select v.version, v.config, v.set_by as "setBy", v.commit_sha as commit, v.commit_author as author, v.file,
       v.created_at as "createdAt"
     from pipeline_revisions v join pipelines p on p.id = v.pipeline_id
     where p.id = $1 and v.version = coalesce($2, p.config_version)`,
    [id, version ?? null],
  );
  return row;
}

/** The var sources of the pipeline's present config, and what they may tell of it. */
export async function findVarSources(
  db: Queryable,
  id: PipelineId,
): Promise<{ readonly sources: readonly VarSourceConfig[]; readonly instanceVars?: JsonObject }> {
  const [row] = await db.query<{ sources: readonly VarSourceConfig[] | null; instanceVars: JsonObject | null }>(
    `select v.var_sources as sources, p.instance_vars as "instanceVars" from pipelines p
     join pipeline_revisions v on v.pipeline_id = p.id and v.version = p.config_version where p.id = $1`,
    [id],
  );
  return { sources: row?.sources ?? [], ...(row?.instanceVars ? { instanceVars: row.instanceVars } : {}) };
}

/** Newest first, without the configs; `before` names the version to go on from. */
export async function findRevisions(
  db: Queryable,
  id: PipelineId,
  { before, limit }: { readonly before?: number; readonly limit: number },
): Promise<Omit<RevisionRow, 'config'>[]> {
  return db.query(
    `select version, set_by as "setBy", commit_sha as commit, commit_author as author, file, created_at as "createdAt"
     from pipeline_revisions where pipeline_id = $1 and ($2::bigint is null or version < $2)
     order by version desc limit $3`,
    [id, before ?? null, limit],
  );
}

type Pausable = 'pipelines' | 'jobs';

/** Who pauses last stays on record. */
export async function markPaused(
  tx: Tx,
  table: Pausable,
  id: PipelineId | JobId,
  by: string,
  reason?: string,
): Promise<void> {
  await tx.query(
    `update ${table} set paused = true, paused_by = $2, paused_at = now(), pause_reason = $3 where id = $1`,
    [id, by, reason ?? null],
  );
}

/** @returns false when it was not paused. */
export async function markUnpaused(tx: Tx, table: Pausable, id: PipelineId | JobId): Promise<boolean> {
  const rows = await tx.query(
    `update ${table} set paused = false, paused_by = null, paused_at = null, pause_reason = null
     where id = $1 and paused returning id`,
    [id],
  );
  return rows.length > 0;
}

export async function markArchived(tx: Tx, id: PipelineId): Promise<void> {
  await tx.query(`update pipelines set archived = true, updated_at = now() where id = $1`, [id]);
}

export async function setPublic(tx: Tx, id: PipelineId, isPublic: boolean): Promise<void> {
  await tx.query(`update pipelines set public = $2 where id = $1`, [id, isPublic]);
}

/** Locks an active job of the pipeline. */
export async function lockJob(tx: Tx, id: PipelineId, name: string): Promise<JobId | undefined> {
  const [row] = await tx.query<{ id: JobId }>(
    `select id from jobs where pipeline_id = $1 and name = $2 and active for no key update`,
    [id, name],
  );
  return row?.id;
}

/** Renames every instance of the name. @returns how many there were. */
export async function renamePipelines(tx: Tx, teamName: string, from: string, to: string): Promise<number> {
  const rows = await tx.query(
    `update pipelines p set name = $3, updated_at = now() from teams t
     where t.id = p.team_id and t.name = $1 and p.name = $2 returning p.id`,
    [teamName, from, to],
  );
  return rows.length;
}

/** Puts the named pipelines in that order; the others follow in the order they had. */
export async function orderPipelines(tx: Tx, teamName: string, names: readonly string[]): Promise<void> {
  await tx.query(
    `with place as (
       select p.id, row_number() over (order by array_position($2::text[], p.name) nulls last, p.ordering, p.id) as ordering
       from pipelines p join teams t on t.id = p.team_id where t.name = $1
     )
     update pipelines p set ordering = place.ordering from place where place.id = p.id`,
    [teamName, names],
  );
}

/** Puts the named instances of a name first, in that order, within the places that the name's instances have. */
export async function orderInstances(
  tx: Tx,
  teamName: string,
  name: string,
  instances: readonly (JsonObject | null)[],
): Promise<void> {
  await tx.query(
    `with mine as (
       select p.id, p.ordering, wanted.n from pipelines p join teams t on t.id = p.team_id
       left join jsonb_array_elements($3::jsonb) with ordinality as wanted(vars, n)
         on p.instance_vars is not distinct from nullif(wanted.vars, 'null')
       where t.name = $1 and p.name = $2
     ), old_place as (
       select ordering, row_number() over (order by ordering, id) as place from mine
     ), new_place as (
       select id, row_number() over (order by n nulls last, ordering, id) as place from mine
     )
     update pipelines p set ordering = old_place.ordering from new_place join old_place using (place)
     where p.id = new_place.id`,
    [teamName, name, JSON.stringify(instances)],
  );
}

/** Instance vars of every pipeline of the name; null stands for the plain one. */
export async function findInstances(db: Queryable, teamName: string, name: string): Promise<(JsonObject | null)[]> {
  const rows = await db.query<{ vars: JsonObject | null }>(
    `select p.instance_vars as vars from pipelines p join teams t on t.id = p.team_id where t.name = $1 and p.name = $2`,
    [teamName, name],
  );
  return rows.map(({ vars }) => vars);
}

/**
 * Removes the pipeline and all that belongs to it: revisions, jobs, builds, resources and their private histories.
 * @returns its builds that had not ended, for whoever runs them.
 */
export async function deletePipeline(tx: Tx, id: PipelineId): Promise<number[]> {
  const builds = await tx.query<{ id: number }>(
    `select id from builds where pipeline_id = $1 and status in ('pending', 'started')`,
    [id],
  );
  const histories = await tx.query<{ id: number }>(
    `select distinct history_id as id from resources where pipeline_id = $1 and history_id is not null`,
    [id],
  );
  await tx.query(`delete from pipelines where id = $1`, [id]);
  await deleteUnusedHistories(
    tx,
    histories.map((row) => row.id),
  );
  return builds.map((row) => row.id);
}

/** Removes those of the histories that no resource points at any more. */
export async function deleteUnusedHistories(tx: Tx, ids: readonly number[]): Promise<void> {
  await tx.query(
    `delete from histories h where h.id = any($1::bigint[]) and not exists (select from resources r where r.history_id = h.id)`,
    [ids],
  );
}

/** Histories of the pipeline's active resources, for {@link notify}; 0 stands for resources that have none yet. */
export async function historiesToCheck(tx: Tx, id: PipelineId): Promise<number[]> {
  const rows = await tx.query<{ id: number }>(
    `select distinct coalesce(history_id, 0) as id from resources where pipeline_id = $1 and active`,
    [id],
  );
  return rows.map((row) => row.id);
}
