import {
  comparePlaces,
  type BuildPage,
  type Digest,
  type HistoryQuery,
  type JobId,
  type NewestQuery,
  type NewestVersions,
  type Pair,
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

/** What a search has learnt of history so far. Asks nothing twice, and keeps count of the work. */
export class GroupKnowledge {
  private readonly lists = new Map<string, BuildList>();
  private readonly rows = new Map<ResourceId, Map<Digest, VersionRow | null>>();
  private readonly lets = new Map<string, boolean>();
  private readonly lastUses = new Map<ResourceId, LastUse | undefined>();
  private steps = 0;
  private rounds = 0;

  constructor(private readonly budget: WorkBudget) {}

  /** The version in the present history; null when it is not there, undefined when that is not known yet. */
  rowOf({ resourceId, digest }: Pair): VersionRow | null | undefined {
    return this.rows.get(resourceId)?.get(digest);
  }

  /** Does any succeeded build of the job hold the version? */
  hasLetThrough(jobId: JobId, pair: Pair): boolean | undefined {
    return this.lets.get(`${jobId}:${pairKey(pair)}`);
  }

  /** The builds of the job that hold all of `having`, in the order in which they are tried after `last` was used. */
  listOf(jobId: JobId, having: readonly Pair[], last: Place | undefined): BuildList {
    let key = `${jobId}|${last?.join('.') ?? ''}`;
    for (const pair of having) key += `|${pairKey(pair)}`;
    let list = this.lists.get(key);
    if (list === undefined) this.lists.set(key, (list = new BuildList(jobId, having, stretchesFor(last))));
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
    queries.forEach(({ resourceId }, i) => {
      const rows = this.rowsOf(resourceId);
      for (const row of (answers[i] as NewestVersions).rows) rows.set(row.digest, row);
    });
  }

  /** Reads the next page of each list in one round: of the first one a whole page, of the others one build. */
  *readOn(lists: readonly BuildList[], wholePage?: BuildList): Asking<void> {
    const open = lists.filter((list) => !list.isComplete);
    const pages = yield* this.askAll(open.flatMap((list) => list.nextPage(list !== wholePage) ?? []));
    open.forEach((list, i) => list.accept(pages[i] as BuildPage));
  }

  *learn({ versions, passes }: Unknown): Asking<void> {
    const queries: HistoryQuery[] = [];
    for (const [resourceId, digests] of versions) queries.push({ kind: 'versions', resourceId, digests: [...digests] });
    for (const [jobId, pairs] of passes) queries.push({ kind: 'passed', jobId, versions: [...pairs.values()] });
    if (queries.length === 0) return;
    const answers = yield* this.askAll(queries);
    queries.forEach((query, i) => this.remember(query, answers[i]));
  }

  /** @throws {@link WorkBudgetSpent} */
  spend(steps: number): void {
    this.steps += steps;
    if (this.steps > this.budget.steps) throw new WorkBudgetSpent();
  }

  private remember(query: HistoryQuery, answer: unknown): void {
    if (query.kind === 'versions') {
      const rows = this.rowsOf(query.resourceId);
      for (const digest of query.digests) rows.set(digest, null);
      for (const row of answer as readonly VersionRow[]) rows.set(row.digest, row);
    } else if (query.kind === 'passed') {
      query.versions.forEach((pair, i) => {
        this.lets.set(`${query.jobId}:${pairKey(pair)}`, (answer as readonly boolean[])[i] === true);
      });
    }
  }

  private rowsOf(resourceId: ResourceId): Map<Digest, VersionRow | null> {
    let rows = this.rows.get(resourceId);
    if (rows === undefined) this.rows.set(resourceId, (rows = new Map<Digest, VersionRow | null>()));
    return rows;
  }

  private *askAll(queries: readonly HistoryQuery[]): Asking<readonly unknown[]> {
    this.spend(queries.length);
    if (++this.rounds > this.budget.rounds) throw new WorkBudgetSpent();
    return yield queries;
  }
}

/** Collects what is not known yet, to be asked in one round. */
export class Unknown {
  readonly versions = new Map<ResourceId, Set<Digest>>();
  /** By job and by {@link pairKey}: resources may hold equal versions. */
  readonly passes = new Map<JobId, Map<string, Pair>>();

  constructor(private readonly knowledge: GroupKnowledge) {}

  get isEmpty(): boolean {
    return this.versions.size === 0 && this.passes.size === 0;
  }

  /** Is the version usable, and did these jobs let it through? */
  add(pair: Pair, jobs: readonly JobId[]): void {
    const { resourceId, digest } = pair;
    if (this.knowledge.rowOf(pair) === undefined) {
      this.versions.set(resourceId, (this.versions.get(resourceId) ?? new Set()).add(digest));
    }
    for (const job of jobs) {
      if (this.knowledge.hasLetThrough(job, pair) !== undefined) continue;
      this.passes.set(job, (this.passes.get(job) ?? new Map<string, Pair>()).set(pairKey(pair), pair));
    }
  }
}

/** A digest alone names no version: two resources may hold equal ones. */
function pairKey({ resourceId, digest }: Pair): string {
  return `${resourceId}:${digest}`;
}

function newestByJob(pipes: readonly Pipe[]): LastUse {
  const newest = new Map<JobId, Place>();
  for (const { jobId, place } of pipes) {
    const known = newest.get(jobId);
    if (known === undefined || comparePlaces(known, place) < 0) newest.set(jobId, place);
  }
  return newest;
}
