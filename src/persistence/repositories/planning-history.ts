import {
  versionDigest,
  type JobId,
  type EffectiveSet,
  type PassedBuild,
  type EveryStep,
  type HistoryAnswer,
  type HistoryQuery,
  type BuildId,
  type ResourceId,
  type Version,
} from '../../model/index.js';
import type { Queryable } from '../db.js';

/**
 * What came since a cache was filled. Effective sets of a job become visible in the order of `seq` and never change, so
 * what is after the last one seen is all that is new.
 */
export interface NewsQuery {
  readonly kind: 'news';
  readonly known: readonly KnownEffectiveSets[];
  /** At most so many builds of a job that nothing is known of, and of one that is known. */
  readonly newest: number;
  readonly later: number;
}

/** What a cache of one job's effective sets knows already. */
export interface KnownEffectiveSets {
  readonly jobId: JobId;
  /** The highest `seq` seen; null: nothing is known of the job. */
  readonly seq: number | null;
}

export interface NewEffectiveSets {
  readonly jobId: JobId;
  /** The highest `seq` of the job that is visible now; 0 without any. */
  readonly seq: number;
  /**
   * Of a known job what came after its `seq`, the first `later` of it in arrival order; of an unknown one its `newest`
   * builds, newest first.
   */
  readonly builds: readonly (PassedBuild & { readonly seq: number })[];
}
type StoredQuery = HistoryQuery | NewsQuery;
type StoredAnswer = HistoryAnswer | readonly StoredNews[];

/**
 * Answers a plan's questions from the tables, all in one round trip: one sub-select per kind of question, set-based over
 * the questions of that kind. Run it in one repeatable-read transaction per plan if all answers must be of one moment.
 * @returns answers in the order of the questions.
 */
export async function answerHistoryQueries(
  db: Queryable,
  queries: readonly HistoryQuery[],
): Promise<readonly HistoryAnswer[]> {
  return (await answerStoredQueries(db, queries)) as readonly HistoryAnswer[];
}

/** Brings caches up to date, and answers questions in the same round trip. The news are in the order of `news.known`. */
export async function readNews(
  db: Queryable,
  news: NewsQuery,
  queries: readonly HistoryQuery[] = [],
): Promise<readonly [news: readonly NewEffectiveSets[], answers: readonly HistoryAnswer[]]> {
  if (news.known.length === 0) return [[], await answerHistoryQueries(db, queries)];
  const [first, ...answers] = await answerStoredQueries(db, [news, ...queries]);
  const read = (first as readonly StoredNews[]).map(({ jobId, seq, ids, places, seqs, versions }) => {
    const builds = (ids ?? []).map((id, i) => {
      return { id, place: [places[i] as number, id] as const, seq: seqs[i] as number, versions: versions[i] ?? {} };
    });
    return { jobId, seq, builds };
  });
  return [read, answers as readonly HistoryAnswer[]];
}

/** Its builds by column: that is quicker to make and to send than an object for each. `ids` is null without any. */
interface StoredNews extends Omit<NewEffectiveSets, 'builds'> {
  readonly ids: readonly BuildId[] | null;
  readonly places: readonly number[];
  readonly seqs: readonly number[];
  readonly versions: readonly EffectiveSet[];
}

async function answerStoredQueries(db: Queryable, queries: readonly StoredQuery[]): Promise<readonly StoredAnswer[]> {
  if (queries.length === 0) return [];
  const kinds = [...new Set(queries.map(({ kind }) => kind))].sort();
  const byKind = kinds.map((kind) => queries.filter((query) => query.kind === kind));
  const columns = kinds.map((kind, i) => {
    return `(select json_agg((${ANSWERS[kind]}) order by n) from jsonb_array_elements($${i + 1}::jsonb) with ordinality as questions(q, n)) as "${kind}"`;
  });
  const parameters = byKind.map((same) => JSON.stringify(same.map(toParameter)));
  const [row] = await db.query<Record<string, readonly StoredAnswer[]>>(
    `select ${columns.join(', ')}`,
    parameters,
    `weir_history_${kinds.join('_')}`,
  );
  if (!row) throw new Error('a select without from returned no row');
  const answers = new Map<StoredQuery, StoredAnswer>();
  kinds.forEach((kind, i) => byKind[i]?.forEach((query, j) => answers.set(query, row[kind]?.[j] ?? nothing(query))));
  return queries.map((query) => answers.get(query) ?? null);
}

/** What a missing resource, or no row at all, means. */
function nothing(query: StoredQuery): StoredAnswer {
  const none: EveryStep = { top: null, newer: [], newestUsable: null };
  if (query.kind === 'newest') return { total: 0, rows: [] };
  return query.kind === 'every' ? none : null;
}

function toParameter(query: StoredQuery): unknown {
  if (query.kind === 'pinned') return { ...query, digest: versionDigest(query.pin) };
  if (query.kind !== 'builds') return query;
  // The same pairs in the shape of the column, for the containment test.
  const having: Record<number, string[]> = {};
  for (const { resourceId, digest } of query.having) (having[resourceId] ??= []).push(digest);
  return { ...query, holds: having };
}

const RESOURCE = `(q ->> 'resourceId')::bigint`;
const JOB = `(q ->> 'jobId')::bigint`;
/** Versions of the resource's present history, with their disabled marks. */
const VERSIONS = `versions v left join disabled_versions d on d.resource_id = ${RESOURCE} and d.digest = v.digest`;
const OF_RESOURCE = `v.history_id = (select history_id from resources where id = ${RESOURCE})`;
const VERSION_FIELDS = `'digest', v.digest, 'version', v.version, 'checkOrder', v.check_order, 'enabled', d.digest is null`;
/** Answers are json and not jsonb: they are made once, to be sent. */
const VERSION_ROW = `json_build_object(${VERSION_FIELDS})`;

/** The newest version of the history that the job consumed. Newest first, so that usually one look is enough. */
function newestConsumed(column: 'check_order' | 'digest'): string {
  return `(select v.${column} from versions v
    where ${OF_RESOURCE}
      and exists (select from build_inputs i where i.job_id = ${JOB} and i.resource_id = ${RESOURCE})
      and exists (select from build_inputs i where i.job_id = ${JOB} and i.resource_id = ${RESOURCE} and i.digest = v.digest)
    order by v.check_order desc limit 1)`;
}

const LATEST = `select ${VERSION_ROW} from ${VERSIONS}
  where ${OF_RESOURCE} and d.digest is null order by v.check_order desc limit 1`;

const PINNED = `select coalesce(json_agg(found.row), '[]') from (
    (select ${VERSION_ROW} as row from ${VERSIONS} where ${OF_RESOURCE} and v.digest = q ->> 'digest')
    union all
    (select ${VERSION_ROW} from ${VERSIONS}
     where ${OF_RESOURCE} and v.version @> (q -> 'pin')
       and not exists (select from versions same where same.history_id = v.history_id and same.digest = q ->> 'digest')
     order by v.check_order desc limit 2)
  ) found`;

const BY_DIGEST = `select coalesce(json_agg(${VERSION_ROW}), '[]') from ${VERSIONS}
  where ${OF_RESOURCE} and v.digest = any (array(select jsonb_array_elements_text(q -> 'digests')))`;

const NEWEST = `select json_build_object(
    'total', (select case when (q ->> 'inFull')::boolean then count(*) else 0 end from resources r join versions v on v.history_id = r.history_id where r.id = ${RESOURCE} and (q ->> 'inFull')::boolean),
    'rows', coalesce((select json_agg(newest.row) from (
        select case when d.digest is null then ${VERSION_ROW} else json_build_object(${VERSION_FIELDS}, 'disabledMark',
            json_build_object('by', d.disabled_by, 'atMs', floor(extract(epoch from d.disabled_at) * 1000), 'reason', d.reason)) end as row
        from ${VERSIONS} where ${OF_RESOURCE} order by v.check_order desc limit (q ->> 'limit')::integer
      ) newest), '[]'))`;

const EVERY = `select json_build_object(
    'top', used.top,
    'newer', coalesce((select json_agg(newer.row) from (
        select ${VERSION_ROW} as row from ${VERSIONS}
        where ${OF_RESOURCE} and d.digest is null and v.check_order > used.top order by v.check_order limit 2
      ) newer), '[]'),
    'newestUsable', (select ${VERSION_ROW} from ${VERSIONS}
        where ${OF_RESOURCE} and d.digest is null and v.check_order <= coalesce(used.top, 9223372036854775807)
        order by v.check_order desc limit 1))
  from (select ${newestConsumed('check_order')} as top) used`;

const LAST_USE = `select (
    select coalesce(json_agg(json_build_object('jobId', b.job_id, 'place', json_build_array(coalesce(b.rerun_of, b.id), b.id))), '[]')
    from build_pipes p join builds b on b.id = p.from_build_id where p.build_id = own.id)
  from (
    select b.id from build_inputs i join builds b on b.id = i.build_id
    where i.job_id = ${JOB} and i.resource_id = ${RESOURCE} and i.digest = ${newestConsumed('digest')}
    order by coalesce(b.rerun_of, b.id) desc, b.id desc limit 1
  ) own`;

/**
 * The effective sets that hold all these keys, found by the index of versions alone: `offset 0` keeps the index of a job's
 * builds out of it, which would be read as far as history goes. Keys may meet by chance: compare the versions, too.
 */
const holding = (keys: string): string =>
  `(select e.* from effective_sets e where effective_keys(e.job_id, e.versions) @> ${keys} offset 0) e`;

const PASSED = `select json_agg(exists (
      select from ${holding(`array[effective_key(${JOB}, pair ->> 'resourceId', pair ->> 'digest')]`)}
      where e.job_id = ${JOB} and e.versions -> (pair ->> 'resourceId') ? (pair ->> 'digest')
    ) order by place)
  from jsonb_array_elements(q -> 'versions') with ordinality as pairs(pair, place)`;

const RECORDED = `select exists (select from build_inputs i
    where i.job_id = ${JOB} and i.resource_id = ${RESOURCE} and i.digest = q ->> 'digest' and i.name = q ->> 'name')`;

/** Builds looked at in order before the index of versions is asked: most questions are about what is newest. */
const WINDOW = 64;

/**
 * A page of builds in one direction. First the nearest {@link WINDOW} builds are looked at in order; if they do not give
 * enough, the index over (job, resource, version) finds the rest, so neither a version held by every build nor one held
 * by a single old build is slow.
 */
function pageOfBuilds(direction: 'asc' | 'desc'): string {
  const behind = direction === 'asc' ? '>' : '<';
  const before = direction === 'asc' ? '<' : '>';
  const order = `e.place ${direction}, e.build_id ${direction}`;
  const inRange = `e.job_id = ${JOB}
    and (e.place, e.build_id) ${behind} (bounds.after_root, bounds.after_id)
    and (e.place, e.build_id) ${before} (bounds.until_root, bounds.until_id)`;
  const [first, last] = direction === 'asc' ? ['-1', '9223372036854775807'] : ['9223372036854775807', '-1'];
  return `select json_build_object('isLast', count(*) < (q ->> 'limit')::integer, 'builds', coalesce(json_agg(json_build_object(
      'id', page.build_id, 'place', json_build_array(page.place, page.build_id), 'versions', page.versions)
      order by page.place ${direction}, page.build_id ${direction}), '[]'))
    from (select
        coalesce((q #>> '{after,0}')::bigint, ${first}) as after_root, coalesce((q #>> '{after,1}')::bigint, ${first}) as after_id,
        coalesce((q #>> '{until,0}')::bigint, ${last}) as until_root, coalesce((q #>> '{until,1}')::bigint, ${last}) as until_id,
        (q ->> 'limit')::integer as wanted, q -> 'holds' as holds, q -> 'holds' = '{}' as takes_all
      ) bounds,
    lateral (
      with nearest as materialized (
        select e.place, e.build_id, e.versions from effective_sets e, lateral (select 1) one
        where ${inRange} order by ${order} limit case when bounds.takes_all then bounds.wanted else ${WINDOW} end
      ), near as materialized (
        select * from nearest e where e.versions @> bounds.holds order by ${order} limit bounds.wanted
      )
      select * from near
      union all
      (select e.place, e.build_id, e.versions
       from ${holding(`array(
         select effective_key(${JOB}, resource, digest)
         from jsonb_each(bounds.holds) as held(resource, digests), jsonb_array_elements_text(digests) as digest)`)}
       where not bounds.takes_all
         and (select count(*) from nearest) = ${WINDOW} and (select count(*) from near) < bounds.wanted
         and ${inRange} and e.versions @> bounds.holds
         and e.build_id not in (select build_id from nearest)
       order by ${order} limit bounds.wanted)
    ) page`;
}

const NEWS = `select json_agg(json_build_object('jobId', k."jobId",
    'seq', coalesce((select e.seq from effective_sets e where e.job_id = k."jobId" order by e.seq desc limit 1), 0),
    'ids', e.ids, 'places', e.places, 'seqs', e.seqs, 'versions', e.versions) order by k.n)
  from rows from (jsonb_to_recordset(q -> 'known') as ("jobId" bigint, seq bigint)) with ordinality as k("jobId", seq, n),
    lateral (
      select array_agg(build_id) as ids, array_agg(place) as places, array_agg(seq) as seqs, json_agg(versions) as versions
      from (
        (select * from effective_sets e where k.seq is null and e.job_id = k."jobId"
         order by e.place desc, e.build_id desc limit (q ->> 'newest')::integer)
        union all
        (select * from effective_sets e where k.seq is not null and e.job_id = k."jobId" and e.seq > k.seq
         order by e.seq limit (q ->> 'later')::integer)
      ) found
    ) e`;

/** The answer to one question `q` of each kind. */
const ANSWERS: Readonly<Record<StoredQuery['kind'], string>> = {
  latest: LATEST,
  pinned: PINNED,
  versions: BY_DIGEST,
  newest: NEWEST,
  every: EVERY,
  lastUse: LAST_USE,
  passed: PASSED,
  recorded: RECORDED,
  news: NEWS,
  builds: `case when q ->> 'order' = 'oldest first' then (${pageOfBuilds('asc')}) else (${pageOfBuilds('desc')}) end`,
};

/** What people call the things of an explanation: `job`, `resource`, `job #7`. Things that are gone have no name. */
export interface PlanningNames {
  readonly jobs: ReadonlyMap<JobId, string>;
  readonly resources: ReadonlyMap<ResourceId, string>;
  readonly builds: ReadonlyMap<BuildId, string>;
}

export async function readPlanningNames(
  db: Queryable,
  ids: {
    readonly jobs: readonly JobId[];
    readonly resources: readonly ResourceId[];
    readonly builds: readonly BuildId[];
  },
): Promise<PlanningNames> {
  const rows = await db.query<{ kind: keyof PlanningNames; id: number; name: string }>(
    `select 'jobs' as kind, id, name from jobs where id = any($1::bigint[])
     union all select 'resources', id, name from resources where id = any($2::bigint[])
     union all select 'builds', b.id, j.name || ' #' || b.name from builds b join jobs j on j.id = b.job_id where b.id = any($3::bigint[])`,
    [ids.jobs, ids.resources, ids.builds],
  );
  const named = <Id extends number>(kind: keyof PlanningNames): ReadonlyMap<Id, string> =>
    new Map(rows.filter((row) => row.kind === kind).map(({ id, name }) => [id as Id, name]));
  return { jobs: named('jobs'), resources: named('resources'), builds: named('builds') };
}

/** An input of a build as it was recorded. */
export interface RecordedInput {
  readonly name: string;
  readonly resource: string;
  readonly version: Version;
  /** When the inputs were fixed, no build of the job had used the version under this name. */
  readonly firstOccurrence: boolean;
  /** The upstream builds, among those that proved the build's inputs, which hold the version. Ascending id. */
  readonly vouchedBy: readonly { readonly id: BuildId; readonly name: string }[];
}

/** Why a build ran with its versions, from what was recorded when its inputs were fixed. In the order of the plan. */
export async function readRecordedInputs(db: Queryable, buildId: BuildId): Promise<readonly RecordedInput[]> {
  return db.query<RecordedInput>(
    `select i.name, r.name as resource, i.version, i.first_occurrence as "firstOccurrence",
       coalesce((
         select jsonb_agg(jsonb_build_object('id', b.id, 'name', j.name || ' #' || b.name) order by b.id)
         from build_pipes p join effective_sets e on e.build_id = p.from_build_id
           join builds b on b.id = e.build_id join jobs j on j.id = b.job_id
         where p.build_id = i.build_id and e.versions -> i.resource_id::text ? i.digest), '[]') as "vouchedBy"
     from build_inputs i join resources r on r.id = i.resource_id
     where i.build_id = $1 order by i.ordinal`,
    [buildId],
  );
}
