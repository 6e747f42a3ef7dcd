import {
  type AnswerTo,
  type BuildId,
  type BuildStatus,
  type BuildPage,
  type BuildsQuery,
  type Digest,
  type EveryQuery,
  type EveryStep,
  type HistoryAnswer,
  type HistoryQuery,
  type JobId,
  type LastUseQuery,
  type NewestQuery,
  type NewestVersions,
  type Pair,
  PairMap,
  pairsOf,
  type PassedBuild,
  type PinnedQuery,
  type Pipe,
  type Place,
  type RecordedQuery,
  type ResourceId,
  type Version,
  type VersionRow,
  canonicalJson,
  comparePlaces,
  versionContains,
} from '../model/index.js';
import { firstIndex, pageOf } from './build-page.js';
import type { History } from './history.js';

/** A resource of a world: its present history and what is disabled for it, in the history or not. */
export interface WorldResource {
  readonly id: ResourceId;
  readonly versions: readonly { readonly digest: Digest; readonly version: Version; readonly checkOrder: number }[];
  readonly disabled: ReadonlySet<Digest>;
}

export interface WorldBuild {
  readonly id: BuildId;
  readonly jobId: JobId;
  readonly status: BuildStatus;
  /** The build it re-runs; never itself a rerun. */
  readonly rerunOf: BuildId | null;
  readonly outputs: readonly Pair[];
  readonly inputs: readonly (Pair & { readonly name: string })[];
  /** The upstream builds that proved its inputs. */
  readonly pipes: readonly BuildId[];
}

/** A whole world in memory, for tests, simulation and `weir plan`. Indexes are made when first needed. */
export class World implements History {
  private readonly resources: ReadonlyMap<ResourceId, WorldResource>;
  private readonly buildsById: ReadonlyMap<BuildId, WorldBuild>;
  private readonly histories = new Map<ResourceId, HistoryIndex>();
  private readonly jobs = new Map<JobId, JobIndex>();
  private byJob: ReadonlyMap<JobId, readonly WorldBuild[]> | undefined;

  constructor(resources: readonly WorldResource[], builds: readonly WorldBuild[]) {
    this.resources = new Map(resources.map((resource) => [resource.id, resource]));
    this.buildsById = new Map(builds.map((build) => [build.id, build]));
  }

  /** Makes all indexes now, so that no plan is charged for them. */
  prepare(): this {
    for (const id of this.resources.keys()) this.history(id);
    for (const { jobId } of this.buildsById.values()) this.job(jobId);
    return this;
  }

  answer(query: HistoryQuery): HistoryAnswer {
    switch (query.kind) {
      case 'latest':
        return this.history(query.resourceId).enabled.at(-1) ?? null;
      case 'pinned':
        return this.pinned(query);
      case 'versions':
        return query.digests.flatMap((digest) => this.history(query.resourceId).byDigest.get(digest) ?? []);
      case 'newest':
        return this.newest(query);
      case 'every':
        return this.every(query);
      case 'lastUse':
        return this.lastUse(query);
      case 'builds':
        return this.job(query.jobId).page(query);
      case 'passed':
        return query.versions.map((pair) => this.job(query.jobId).holding(pair).length > 0);
      case 'recorded':
        return this.job(query.jobId).hasRecorded(query);
    }
  }

  private pinned({ resourceId, pin }: PinnedQuery): readonly VersionRow[] {
    const matches: VersionRow[] = [];
    const history = this.history(resourceId);
    history.byContent ??= new Map(history.rows.map((row) => [canonicalJson(row.version), row]));
    const same = history.byContent.get(canonicalJson(pin));
    if (same) return [same];
    const { rows } = history;
    for (let i = rows.length - 1; i >= 0 && matches.length < 2; i--) {
      const row = rows[i];
      if (row && versionContains(row.version, pin)) matches.push(row);
    }
    return matches;
  }

  private newest({ resourceId, limit, inFull }: NewestQuery): NewestVersions {
    const { rows } = this.history(resourceId);
    return { total: inFull ? rows.length : 0, rows: rows.slice(-limit).reverse() };
  }

  private every({ jobId, resourceId }: EveryQuery): EveryStep {
    const { enabled } = this.history(resourceId);
    const highest = this.newestConsumed(jobId, resourceId)?.checkOrder;
    if (highest === undefined) return { top: null, newer: [], newestUsable: enabled.at(-1) ?? null };
    const above = firstIndex(enabled, (row) => row.checkOrder > highest);
    return { top: highest, newer: enabled.slice(above, above + 2), newestUsable: enabled[above - 1] ?? null };
  }

  private lastUse({ jobId, resourceId }: LastUseQuery): AnswerTo<LastUseQuery> {
    const newest = this.newestConsumed(jobId, resourceId);
    if (newest === undefined) return null;
    const build = this.job(jobId).consumers.get({ resourceId, digest: newest.digest });
    return (build?.pipes ?? []).flatMap((id): Pipe[] => {
      const upstream = this.buildsById.get(id);
      return upstream ? [{ jobId: upstream.jobId, place: placeOf(upstream) }] : [];
    });
  }

  private newestConsumed(jobId: JobId, resourceId: ResourceId): VersionRow | undefined {
    const { consumers, newestConsumed } = this.job(jobId);
    if (newestConsumed.has(resourceId)) return newestConsumed.get(resourceId);
    const { byDigest } = this.history(resourceId);
    let newest: VersionRow | undefined;
    for (const digest of consumers.digestsOf(resourceId)) {
      const row = byDigest.get(digest);
      if (row && (newest === undefined || row.checkOrder > newest.checkOrder)) newest = row;
    }
    newestConsumed.set(resourceId, newest);
    return newest;
  }

  private history(resourceId: ResourceId): HistoryIndex {
    let index = this.histories.get(resourceId);
    if (index === undefined) this.histories.set(resourceId, (index = indexHistory(this.resources.get(resourceId))));
    return index;
  }

  private job(jobId: JobId): JobIndex {
    this.byJob ??= groupByJob(this.buildsById.values());
    let index = this.jobs.get(jobId);
    if (index === undefined) this.jobs.set(jobId, (index = new JobIndex(this.byJob.get(jobId) ?? [])));
    return index;
  }
}

interface HistoryIndex {
  /** Ascending check order. */
  readonly rows: readonly VersionRow[];
  readonly enabled: readonly VersionRow[];
  readonly byDigest: ReadonlyMap<Digest, VersionRow>;
  /** By canonical JSON of the version; made when a pin is first looked for. */
  byContent?: ReadonlyMap<string, VersionRow>;
}

function indexHistory(resource: WorldResource | undefined): HistoryIndex {
  const rows = (resource?.versions ?? [])
    .map((row): VersionRow => ({ ...row, enabled: !resource?.disabled.has(row.digest) }))
    .sort((a, b) => a.checkOrder - b.checkOrder);
  return { rows, enabled: rows.filter((row) => row.enabled), byDigest: new Map(rows.map((row) => [row.digest, row])) };
}

/** Everything about the builds of one job. */
class JobIndex {
  /** By version the newest build, of any status, that consumed it. */
  readonly consumers = new PairMap<WorldBuild>();
  /** The newest version in the history that a build, of any status, consumed; filled when asked for. */
  readonly newestConsumed = new Map<ResourceId, VersionRow | undefined>();
  /** By input name the versions recorded under it, by builds of any status. */
  private readonly recorded = new Map<string, PairMap<true>>();
  /** Succeeded builds, oldest first, all and by version held. */
  private readonly passed: readonly PassedBuild[];
  private readonly byVersion = new PairMap<PassedBuild[]>();

  constructor(builds: readonly WorldBuild[]) {
    const inOrder = [...builds].sort((a, b) => comparePlaces(placeOf(a), placeOf(b)));
    for (const build of inOrder) {
      for (const input of build.inputs) {
        let recorded = this.recorded.get(input.name);
        if (recorded === undefined) this.recorded.set(input.name, (recorded = new PairMap<true>()));
        recorded.set(input, true);
        this.consumers.set(input, build);
      }
    }
    this.passed = inOrder.filter((build) => build.status === 'succeeded').map(toPassed);
    for (const build of this.passed) {
      for (const pair of pairsOf(build)) {
        const holding = this.byVersion.get(pair);
        if (holding) holding.push(build);
        else this.byVersion.set(pair, [build]);
      }
    }
  }

  hasRecorded(query: RecordedQuery): boolean {
    return this.recorded.get(query.name)?.get(query) === true;
  }

  holding(pair: Pair): readonly PassedBuild[] {
    return this.byVersion.get(pair) ?? [];
  }

  page(query: BuildsQuery): BuildPage {
    let candidates = this.passed;
    for (const pair of query.having) {
      const holding = this.holding(pair);
      if (candidates === this.passed || holding.length < candidates.length) candidates = holding;
    }
    return pageOf(candidates, query);
  }
}

function toPassed(build: WorldBuild): PassedBuild {
  const versions: Record<number, Digest[]> = {};
  for (const { resourceId, digest } of [...build.outputs, ...build.inputs]) {
    const digests = (versions[resourceId] ??= []);
    if (!digests.includes(digest)) digests.push(digest);
  }
  return { id: build.id, place: placeOf(build), versions };
}

function placeOf(build: Pick<WorldBuild, 'id' | 'rerunOf'>): Place {
  return [build.rerunOf ?? build.id, build.id];
}

function groupByJob(builds: Iterable<WorldBuild>): ReadonlyMap<JobId, readonly WorldBuild[]> {
  const byJob = new Map<JobId, WorldBuild[]>();
  for (const build of builds) {
    const known = byJob.get(build.jobId);
    if (known) known.push(build);
    else byJob.set(build.jobId, [build]);
  }
  return byJob;
}
