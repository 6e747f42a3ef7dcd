import {
  comparePlaces,
  type BuildPage,
  type HistoryQuery,
  type JobId,
  type NewestQuery,
  type NewestVersions,
  type Pair,
  PairMap,
  type Pipe,
  type Place,
  type ResourceId,
  type VersionRow,
} from '../model/index.js';
import { BuildList, stretchesFor } from './build-list.js';
import { ask, type Asking } from './history.js';
import type { WorkBudget } from './types.js';

/** Thrown when the budget of a group is spent. */
export class WorkBudgetSpent extends Error {}

/** The builds of the jobs that proved the last use: where `every` goes on. */
export type LastUse = ReadonlyMap<JobId, Place>;

/** Rows of versions that are read before the search begins, per resource. */
const NEWEST_AT_ONCE = 24;

/** One version as a search knows it: always the same object, so that objects may be compared and kept as keys. */
export class KnownVersion {
  /** By job, whether any succeeded build of it holds the version; what is missing was not asked yet. */
  readonly passed = new Map<JobId, boolean>();

  constructor(
    readonly pair: Pair,
    /** Names the version within the search. */
    readonly number: number,
    /** Its row in the present history; null when it is not there, undefined when that is not known yet. */
    public row: VersionRow | null | undefined,
  ) {}
}

/** What a search has learnt of history so far. Asks nothing twice, and keeps count of the work. */
export class GroupKnowledge {
  private readonly lists = new Map<string, BuildList>();
  private readonly newest = new Map<ResourceId, readonly VersionRow[]>();
  private readonly versions = new PairMap<KnownVersion>();
  private readonly lastUses = new Map<ResourceId, LastUse | undefined>();
  private known = 0;
  private steps = 0;
  private rounds = 0;

  constructor(private readonly budget: WorkBudget) {}

  versionOf(pair: Pair): KnownVersion {
    let version = this.versions.get(pair);
    if (version === undefined) {
      const row = this.newest.get(pair.resourceId)?.find(({ digest }) => digest === pair.digest);
      this.versions.set(pair, (version = new KnownVersion(pair, ++this.known, row)));
    }
    return version;
  }

  /** The builds of the job that hold all of `having`, in the order in which they are tried after `last` was used. */
  listOf(jobId: JobId, having: readonly KnownVersion[], last: Place | undefined): BuildList {
    let key = `${jobId}`;
    if (last !== undefined) key += `@${last.join('.')}`;
    for (const { number } of having) key += `|${number}`;
    let list = this.lists.get(key);
    if (list === undefined) {
      const pairs = having.map(({ pair }) => pair);
      this.lists.set(key, (list = new BuildList(jobId, pairs, stretchesFor(last))));
    }
    return list;
  }

  *lastUseOf(jobId: JobId, resourceId: ResourceId): Asking<LastUse | undefined> {
    if (!this.lastUses.has(resourceId)) {
      this.spend(1);
      const pipes = yield* ask({ kind: 'lastUse', jobId, resourceId });
      this.lastUses.set(resourceId, pipes === null ? undefined : newestByJob(pipes));
    }
    return this.lastUses.get(resourceId);
  }

  /** What is chosen is nearly always among the newest versions: asking for them at once saves asking build by build. */
  *learnNewest(resourceIds: Iterable<ResourceId>): Asking<void> {
    const queries = [...new Set(resourceIds)].map((resourceId): NewestQuery => {
      return { kind: 'newest', resourceId, limit: NEWEST_AT_ONCE, inFull: false };
    });
    const answers = yield* this.askAll(queries);
    queries.forEach(({ resourceId }, i) => this.newest.set(resourceId, (answers[i] as NewestVersions).rows));
  }

  /** Reads the next page of each list in one round: of the first one a whole page, of the others one build. */
  *readOn(lists: readonly BuildList[], wholePage?: BuildList): Asking<void> {
    const open = lists.filter((list) => !list.isComplete);
    const pages = yield* this.askAll(open.flatMap((list) => list.nextPage(list !== wholePage) ?? []));
    open.forEach((list, i) => list.accept(pages[i] as BuildPage));
  }

  *learn({ rows, passes }: Unknown): Asking<void> {
    const queries: HistoryQuery[] = [];
    for (const [resourceId, versions] of rows)
      queries.push({ kind: 'versions', resourceId, digests: Array.from(versions, ({ pair }) => pair.digest) });
    for (const [jobId, versions] of passes)
      queries.push({ kind: 'passed', jobId, versions: Array.from(versions, ({ pair }) => pair) });
    const answers = (yield* this.askAll(queries)).values();
    for (const versions of rows.values()) {
      const found = new Map((answers.next().value as readonly VersionRow[]).map((row) => [row.digest, row]));
      for (const version of versions) version.row = found.get(version.pair.digest) ?? null;
    }
    for (const [jobId, versions] of passes) {
      const passed = (answers.next().value as readonly boolean[]).values();
      for (const version of versions) version.passed.set(jobId, passed.next().value === true);
    }
  }

  /** @throws {@link WorkBudgetSpent} */
  spend(steps: number): void {
    this.steps += steps;
    if (this.steps > this.budget.steps) throw new WorkBudgetSpent();
  }

  private *askAll(queries: readonly HistoryQuery[]): Asking<readonly unknown[]> {
    this.spend(queries.length);
    if (++this.rounds > this.budget.rounds) throw new WorkBudgetSpent();
    return yield queries;
  }
}

/** Collects what is not known yet, to be asked in one round. */
export class Unknown {
  readonly rows = new Map<ResourceId, Set<KnownVersion>>();
  readonly passes = new Map<JobId, Set<KnownVersion>>();

  get isEmpty(): boolean {
    return this.rows.size === 0 && this.passes.size === 0;
  }

  /** Did the job let it through? */
  addPass(version: KnownVersion, job: JobId): void {
    if (!version.passed.has(job)) this.passes.set(job, (this.passes.get(job) ?? new Set()).add(version));
  }

  /** Is it in the history, and enabled? */
  addRow(version: KnownVersion): void {
    const { resourceId } = version.pair;
    if (version.row === undefined) this.rows.set(resourceId, (this.rows.get(resourceId) ?? new Set()).add(version));
  }
}

function newestByJob(pipes: readonly Pipe[]): LastUse {
  const newest = new Map<JobId, Place>();
  for (const { jobId, place } of pipes) {
    const known = newest.get(jobId);
    if (known === undefined || comparePlaces(known, place) < 0) newest.set(jobId, place);
  }
  return newest;
}
