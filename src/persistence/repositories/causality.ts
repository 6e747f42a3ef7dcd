import type { BuildId, BuildStatus, Digest, JobId, ResourceId, Version } from '../../model/index.js';
import type { Queryable } from '../db.js';

/** `downstream`: builds that used a version, and what those made; `upstream`: builds that made it, and what those used. */
export type CausalDirection = 'downstream' | 'upstream';

/** A graph of builds and versions; the edges of both lead on in its direction. */
export interface Causality {
  readonly jobs: readonly { readonly id: JobId; readonly name: string; readonly buildIds: readonly BuildId[] }[];
  readonly builds: readonly {
    readonly id: BuildId;
    readonly name: string;
    readonly jobId: JobId;
    readonly status: BuildStatus;
    readonly versionIds: readonly number[];
  }[];
  readonly resources: readonly {
    readonly id: ResourceId;
    readonly name: string;
    readonly versionIds: readonly number[];
  }[];
  readonly versions: readonly {
    readonly id: number;
    readonly resourceId: ResourceId;
    readonly version: Version;
    readonly buildIds: readonly BuildId[];
  }[];
}

interface Edge {
  readonly buildId: BuildId;
  readonly resourceId: ResourceId;
  readonly digest: Digest;
}

/**
 * Everything that a version led to, or came of. Versions that the histories no longer hold are left out.
 * @returns undefined when there are more than `most` builds.
 */
export async function findCausality(
  db: Queryable,
  start: { readonly resourceId: ResourceId; readonly versionId: number },
  direction: CausalDirection,
  most: number,
): Promise<Causality | undefined> {
  const [into, outOf] =
    direction === 'downstream'
      ? (['build_inputs', 'build_outputs'] as const)
      : (['build_outputs', 'build_inputs'] as const);
  const entered: Edge[] = [];
  const left: Edge[] = [];
  const versions = new Set<string>();
  const builds = new Set<BuildId>();
  let frontier = await db.query<Omit<Edge, 'buildId'>>(
    `select r.id as "resourceId", v.digest from resources r join versions v on v.history_id = r.history_id
     where r.id = $1 and v.id = $2`,
    [start.resourceId, start.versionId],
  );
  const origin = frontier;
  for (const version of frontier) versions.add(keyOf(version));
  while (frontier.length > 0) {
    const edges = await edgesOfVersions(db, into, frontier, most + 1);
    entered.push(...edges);
    const fresh = [...new Set(edges.map(({ buildId }) => buildId))].filter((id) => !builds.has(id));
    for (const id of fresh) builds.add(id);
    if (builds.size > most || edges.length > most) return undefined;
    const made = await edgesOfBuilds(db, outOf, fresh);
    left.push(...made);
    frontier = [...new Map(made.map((edge) => [keyOf(edge), edge])).values()].filter(
      (edge) => !versions.has(keyOf(edge)),
    );
    for (const version of frontier) versions.add(keyOf(version));
  }
  return describe(db, origin, entered, left, [...builds]);
}

function keyOf({ resourceId, digest }: Omit<Edge, 'buildId'>): string {
  return `${resourceId}:${digest}`;
}

const EDGE = `distinct u.build_id as "buildId", u.resource_id as "resourceId", u.digest`;
type Uses = 'build_inputs' | 'build_outputs';

async function edgesOfVersions(
  db: Queryable,
  table: Uses,
  versions: readonly Omit<Edge, 'buildId'>[],
  limit: number,
): Promise<Edge[]> {
  return db.query<Edge>(
    `select ${EDGE} from unnest($1::bigint[], $2::text[]) as v(resource_id, digest)
     join ${table} u on u.resource_id = v.resource_id and u.digest = v.digest
     join builds b on b.id = u.build_id and b.job_id is not null limit $3`,
    [versions.map(({ resourceId }) => resourceId), versions.map(({ digest }) => digest), limit],
  );
}

async function edgesOfBuilds(db: Queryable, table: Uses, builds: readonly BuildId[]): Promise<Edge[]> {
  if (builds.length === 0) return [];
  return db.query<Edge>(`select ${EDGE} from ${table} u where u.build_id = any($1)`, [builds]);
}

async function describe(
  db: Queryable,
  origin: readonly Omit<Edge, 'buildId'>[],
  entered: readonly Edge[],
  left: readonly Edge[],
  buildIds: readonly BuildId[],
): Promise<Causality> {
  const named = [...origin, ...entered, ...left];
  const rows = await db.query<{
    id: number;
    resourceId: ResourceId;
    resource: string;
    digest: Digest;
    version: Version;
  }>(
    `select distinct v.id, r.id as "resourceId", r.name as resource, v.digest, v.version
     from unnest($1::bigint[], $2::text[]) as wanted(resource_id, digest)
     join resources r on r.id = wanted.resource_id
     join versions v on v.history_id = r.history_id and v.digest = wanted.digest order by v.id`,
    [named.map(({ resourceId }) => resourceId), named.map(({ digest }) => digest)],
  );
  const builds = await db.query<{ id: BuildId; name: string; status: BuildStatus; jobId: JobId; job: string }>(
    `select b.id, b.name, b.status, j.id as "jobId", j.name as job from builds b join jobs j on j.id = b.job_id
     where b.id = any($1) order by b.id`,
    [buildIds],
  );
  const idOf = new Map(rows.map((row) => [keyOf(row), row.id]));
  const buildsOf = gather(entered, keyOf, ({ buildId }) => buildId);
  const versionsOf = gather(
    left,
    ({ buildId }) => buildId,
    (edge) => idOf.get(keyOf(edge)),
  );
  return {
    builds: builds.map(({ id, name, status, jobId }) => ({
      id,
      name,
      status,
      jobId,
      versionIds: versionsOf.get(id) ?? [],
    })),
    jobs: [
      ...gather(
        builds,
        ({ jobId }) => jobId,
        ({ id }) => id,
      ),
    ].map(([id, own]) => ({
      id,
      name: builds.find(({ jobId }) => jobId === id)?.job ?? '',
      buildIds: own,
    })),
    versions: rows.map((row) => ({
      id: row.id,
      resourceId: row.resourceId,
      version: row.version,
      buildIds: buildsOf.get(keyOf(row)) ?? [],
    })),
    resources: [
      ...gather(
        rows,
        ({ resourceId }) => resourceId,
        ({ id }) => id,
      ),
    ].map(([id, own]) => ({
      id,
      name: rows.find(({ resourceId }) => resourceId === id)?.resource ?? '',
      versionIds: own,
    })),
  };
}

/** Distinct values by key, both in the order of the items. */
function gather<Item, Key, Value>(
  items: readonly Item[],
  keyOfItem: (item: Item) => Key,
  valueOf: (item: Item) => Value | undefined,
): Map<Key, Value[]> {
  const sets = new Map<Key, Set<Value>>();
  for (const item of items) {
    const value = valueOf(item);
    if (value === undefined) continue;
    const key = keyOfItem(item);
    sets.set(key, (sets.get(key) ?? new Set<Value>()).add(value));
  }
  return new Map([...sets].map(([key, values]) => [key, [...values]]));
}
