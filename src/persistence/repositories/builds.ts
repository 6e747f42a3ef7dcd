import type {
  Build,
  BuildId,
  BuildResources,
  BuildStatus,
  JobId,
  JsonObject,
  Page,
  PageRequest,
  PipelineId,
  PlanNode,
  ResourceId,
  TeamId,
} from '../../model/index.js';
import type { Queryable } from '../db.js';

/** Which builds to list. Check builds are listed only for their resource. */
export type BuildFilter =
  | { readonly jobId: JobId }
  | { readonly pipelineId: PipelineId }
  | { readonly resourceId: ResourceId }
  /** With `orPublic` those of public pipelines of any team as well. */
  | { readonly teamIds: readonly TeamId[]; readonly orPublic?: boolean };

/** With `byTime` the bounds are unix seconds instead of build ids. */
export type BuildPageRequest = PageRequest & { readonly byTime?: boolean };

const MAX_LIMIT = 1000;

const SELECT_BUILD = `
  select b.id, b.name, b.status, b.team_id, t.name as team_name, b.pipeline_id, p.name as pipeline_name,
    p.instance_vars, b.job_id, j.name as job_name, b.resource_id, r.name as resource_name, b.manually_triggered,
    b.rerun_of, original.name as rerun_of_name, b.rerun_number, b.created_by, b.comment, b.vars, b.created_at, b.started_at,
    b.ended_at, b.reaped_at, b.aborted_at, b.aborted_by, coalesce(b.rerun_of, b.id) as place
  from builds b join teams t on t.id = b.team_id
  left join pipelines p on p.id = b.pipeline_id
  left join jobs j on j.id = b.job_id
  left join resources r on r.id = b.resource_id
  left join builds original on original.id = b.rerun_of`;

export async function findBuild(db: Queryable, id: BuildId): Promise<Build | undefined> {
  const [row] = await db.query<BuildRow>(`${SELECT_BUILD} where b.id = $1`, [id]);
  return row && toBuild(row);
}

/** Builds by id, in no order; unknown ids are left out. */
export async function findBuilds(db: Queryable, ids: readonly BuildId[]): Promise<Build[]> {
  return (await db.query<BuildRow>(`${SELECT_BUILD} where b.id = any($1)`, [ids])).map(toBuild);
}

/** The job's build of that name; `latest` is the one with the highest id. */
export async function findBuildByName(db: Queryable, jobId: JobId, name: string): Promise<Build | undefined> {
  const [row] =
    name === 'latest'
      ? await db.query<BuildRow>(`${SELECT_BUILD} where b.job_id = $1 order by b.id desc limit 1`, [jobId])
      : await db.query<BuildRow>(`${SELECT_BUILD} where b.job_id = $1 and b.name = $2`, [jobId, name]);
  return row && toBuild(row);
}

/**
 * Builds in build order (a rerun next to its original), newest first; oldest first when both bounds are given. With only
 * `from`, the `limit` builds just above it. By time the order is by id alone.
 */
export async function listBuilds(
  db: Queryable,
  filter: BuildFilter,
  page: BuildPageRequest = {},
): Promise<Page<Build>> {
  const { from, to, byTime = false } = page;
  const limit = Math.min(Math.max(page.limit ?? 100, 1), MAX_LIMIT);
  const [scopes, scopeValue] = scopesOf(filter);
  const place = byTime ? TIME : PLACE;
  const bound = (n: number): string =>
    byTime
      ? `to_timestamp($${n}::float8)`
      : `coalesce((select coalesce(x.rerun_of, x.id) from builds x where x.id = $${n}), $${n}::bigint)`;
  const parameters: unknown[] = [scopeValue, limit];
  const where: string[] = [];
  if (from !== undefined) where.push(`${place} >= ${bound(parameters.push(from))}`);
  if (to !== undefined) where.push(`${place} <= ${bound(parameters.push(to))}`);
  const up = from !== undefined;
  const direction = up ? 'asc' : 'desc';
  const ids = firstOfScopes(scopes, [...where, isWithinEdge(place, direction)], place, direction, '$2');
  const builds = (
    await db.query<BuildRow>(
      `with edge as materialized (${edgeOf(scopes, where, place, direction)})
       ${SELECT_BUILD} where b.id in (select id from (${ids}) firsts order by place ${direction}, id ${direction} limit $2)`,
      parameters,
    )
  ).map(toBuild);
  const isOldestFirst = up && to !== undefined;
  const placeOf = ({ id, rerunOf }: Build): number => (byTime ? id : (rerunOf?.id ?? id));
  builds.sort((a, b) => (isOldestFirst ? 1 : -1) * (placeOf(a) - placeOf(b) || a.id - b.id));
  return { items: builds, ...(await neighbours(db, scopes, scopeValue, builds)) };
}

/** As the indexes of builds have them. */
const PLACE = 'coalesce(b.rerun_of, b.id)';
const TIME = 'coalesce(b.started_at, b.created_at)';

/**
 * Where builds are looked for: those whose `column` is one of the ids that `ids` gives. Each id has an index that gives its
 * builds in order, so a page costs as much among a million builds as among a hundred.
 */
interface Scope {
  readonly ids: string;
  readonly column: string;
}

/** The first builds of every id of every scope. */
function firstOfScopes(
  scopes: readonly Scope[],
  where: readonly string[],
  place: string,
  direction: 'asc' | 'desc',
  limit: string,
): string {
  const lists = scopes.map(({ ids, column }) => {
    const conditions = [
      `b.${column} = scope.id`,
      ...(column === 'resource_id' ? [] : [`b.resource_id is null`]),
      ...where,
    ];
    return `select found.* from (${ids}) scope cross join lateral (
      select b.id, ${place} as place from builds b where ${conditions.join(' and ')}
      order by ${place} ${direction}, b.id ${direction} limit ${limit}) found`;
  });
  return lists.join(' union all ');
}

/**
 * How far down a page can reach at most: where it would end among the first few builds of each scope. So of hundreds of
 * scopes each gives only what can be on the page. Null when those few do not fill it.
 */
function edgeOf(scopes: readonly Scope[], where: readonly string[], place: string, direction: 'asc' | 'desc'): string {
  const ids = scopes.map((scope) => scope.ids).join(' union all ');
  const few = `(select 4 * $2::bigint / greatest(count(*), 1) + 1 from (${ids}) every)`;
  const furthest = direction === 'asc' ? 'max' : 'min';
  return `select ${furthest}(place) as place from (
    select place from (${firstOfScopes(scopes, where, place, direction, few)}) few order by place ${direction} limit $2) best
    having count(*) = $2`;
}

function isWithinEdge(place: string, direction: 'asc' | 'desc'): string {
  const [comparison, sign] = direction === 'asc' ? ['<=', ''] : ['>=', '-'];
  const farthest = place === TIME ? `'${sign}infinity'::timestamptz` : `${sign}9223372036854775807`;
  return `${place} ${comparison} coalesce((select place from edge), ${farthest})`;
}

async function neighbours(
  db: Queryable,
  scopes: readonly Scope[],
  scopeValue: unknown,
  builds: readonly Build[],
): Promise<{ older?: BuildId; newer?: BuildId }> {
  const places = builds.map((build) => build.rerunOf?.id ?? build.id);
  if (places.length === 0) return {};
  const original = 'b.rerun_of is null';
  const [row] = await db.query<{ older: BuildId | null; newer: BuildId | null }>(
    `select (select max(id) from (${firstOfScopes(scopes, [original, `${PLACE} < $2`], PLACE, 'desc', '1')}) o) as older,
       (select min(id) from (${firstOfScopes(scopes, [original, `${PLACE} > $3`], PLACE, 'asc', '1')}) n) as newer`,
    [scopeValue, Math.min(...places), Math.max(...places)],
  );
  return { older: row?.older ?? undefined, newer: row?.newer ?? undefined };
}

function scopesOf(filter: BuildFilter): [readonly Scope[], unknown] {
  const one = 'select $1::bigint as id';
  if ('jobId' in filter) return [[{ ids: one, column: 'job_id' }], filter.jobId];
  if ('pipelineId' in filter) return [[{ ids: one, column: 'pipeline_id' }], filter.pipelineId];
  if ('resourceId' in filter) return [[{ ids: one, column: 'resource_id' }], filter.resourceId];
  const ofTeams = { ids: 'select unnest($1::bigint[]) as id', column: 'team_id' };
  const ofPublic = {
    ids: 'select id from pipelines where public and team_id <> all($1::bigint[])',
    column: 'pipeline_id',
  };
  return [filter.orPublic ? [ofTeams, ofPublic] : [ofTeams], filter.teamIds];
}

/** What the build was given and what it made so far. */
export async function buildResources(db: Queryable, id: BuildId): Promise<BuildResources> {
  const inputs = await db.query<BuildResources['inputs'][number]>(
    `select i.name, i.version, r.pipeline_id as "pipelineId", i.first_occurrence as "firstOccurrence"
     from build_inputs i join resources r on r.id = i.resource_id where i.build_id = $1 order by i.ordinal`,
    [id],
  );
  const outputs = await db.query<BuildResources['outputs'][number]>(
    `select name, version from build_outputs where build_id = $1 order by id`,
    [id],
  );
  return { inputs, outputs };
}

/** The private plan; undefined while the build has none. */
export async function findPlan(db: Queryable, id: BuildId): Promise<PlanNode | undefined> {
  const [row] = await db.query<{ plan: PlanNode | null }>(`select plan from builds where id = $1`, [id]);
  return row?.plan ?? undefined;
}

/** Status and the number of the next event; undefined when there is no such build. */
export async function findBuildStatus(
  db: Queryable,
  id: BuildId,
): Promise<{ readonly status: BuildStatus; readonly nextEventSeq: number } | undefined> {
  const [row] = await db.query<{ status: BuildStatus; nextEventSeq: number }>(
    `select status, next_event_seq as "nextEventSeq" from builds where id = $1`,
    [id],
  );
  return row;
}

interface BuildRow {
  id: BuildId;
  name: string;
  status: BuildStatus;
  team_id: TeamId;
  team_name: string;
  pipeline_id: PipelineId | null;
  pipeline_name: string | null;
  instance_vars: JsonObject | null;
  job_id: JobId | null;
  job_name: string | null;
  resource_id: ResourceId | null;
  resource_name: string | null;
  manually_triggered: boolean;
  rerun_of: BuildId | null;
  rerun_of_name: string | null;
  rerun_number: number | null;
  created_by: string | null;
  comment: string;
  vars: JsonObject | null;
  created_at: Date;
  started_at: Date | null;
  ended_at: Date | null;
  reaped_at: Date | null;
  aborted_at: Date | null;
  aborted_by: string | null;
}

function toBuild(row: BuildRow): Build {
  return {
    id: row.id,
    name: row.name,
    status: row.status,
    teamId: row.team_id,
    teamName: row.team_name,
    pipelineId: row.pipeline_id ?? undefined,
    pipelineName: row.pipeline_name ?? undefined,
    instanceVars: row.instance_vars ?? undefined,
    jobId: row.job_id ?? undefined,
    jobName: row.job_name ?? undefined,
    resourceId: row.resource_id ?? undefined,
    resourceName: row.resource_name ?? undefined,
    manuallyTriggered: row.manually_triggered,
    rerunOf: row.rerun_of === null ? undefined : { id: row.rerun_of, name: row.rerun_of_name ?? '' },
    rerunNumber: row.rerun_number ?? undefined,
    createdBy: row.created_by ?? undefined,
    comment: row.comment,
    vars: row.vars ?? undefined,
    createdAt: row.created_at,
    startedAt: row.started_at ?? undefined,
    endedAt: row.ended_at ?? undefined,
    reapedAt: row.reaped_at ?? undefined,
    abortedAt: row.aborted_at ?? undefined,
    abortedBy: row.aborted_by ?? undefined,
  };
}
