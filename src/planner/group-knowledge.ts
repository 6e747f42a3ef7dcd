import {
  comparePlaces,
  type BuildPage,
  type Digest,
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
import { BuildList } from './build-list.js';
import { ask, type Asking } from './history.js';
import { KnownVersion } from './known-version.js';
import { appended } from './small-list.js';
import type { WorkBudget } from './types.js';

/** Thrown when the budget of a group is spent. */
export class WorkBudgetSpent extends Error {}

/** The builds of the jobs that proved the last use: where `every` goes on. */
export type LastUse = ReadonlyMap<JobId, Place>;

/** Rows of versions that are read before the search begins, per resource. */
const NEWEST_AT_ONCE = 24;

interface NewestOf {
  readonly resourceId: ResourceId;
  readonly rows: readonly VersionRow[];
}

/** What a search has learnt of history so far. Asks nothing twice, and keeps count of the work. */
export class GroupKnowledge {
  /** By place of the job, when nothing was used last. */
  private readonly lists: BuildList[] = [];
  private readonly listsAfter = new Map<string, BuildList>();
  private newest: readonly NewestOf[] = [];
  private readonly versions = new PairMap<KnownVersion>();
  private readonly lastUses = new Map<ResourceId, LastUse | undefined>();
  private known = 0;
  private steps = 0;
  private rounds = 0;

  constructor(
    private readonly budget: WorkBudget,
    /** The jobs of the group, ascending: a job's place is its index here. */
    readonly jobs: readonly JobId[],
  ) {}

  versionOf(pair: Pair): KnownVersion {
    let version = this.versions.get(pair);
    if (version === undefined) {
      version = new KnownVersion(pair, ++this.known, this.newestRow(pair));
      this.versions.set(pair, version);
    }
    return version;
  }

  private newestRow({ resourceId, digest }: Pair): VersionRow | undefined {
    for (const known of this.newest) {
      if (known.resourceId === resourceId) return known.rows.find((row) => row.digest === digest);
    }
    return undefined;
  }

  /** The builds of the job, in the order in which they are tried after `last` was used. */
  listOf(job: number, last: Place | undefined): BuildList {
    const jobId = this.jobs[job] as JobId;
    if (last === undefined) return (this.lists[job] ??= BuildList.ofJob(jobId, undefined));
    const key = `${job}@${last.join('.')}`;
    let list = this.listsAfter.get(key);
    if (list === undefined) this.listsAfter.set(key, (list = BuildList.ofJob(jobId, last)));
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
  *learnNewest(inputs: readonly { readonly resourceId: ResourceId; readonly forced: Digest | null }[]): Asking<void> {
    const queries: NewestQuery[] = [];
    for (const { resourceId, forced } of inputs) {
      if (forced !== null || queries.some((query) => query.resourceId === resourceId)) continue;
      queries.push({ kind: 'newest', resourceId, limit: NEWEST_AT_ONCE, inFull: false });
    }
    const answers = yield this.counted(queries);
    this.newest = queries.map(({ resourceId }, i) => ({ resourceId, rows: (answers[i] as NewestVersions).rows }));
  }

  /**
   * The questions of one round for the first build of each list that nobody has read, and for the next page of one more.
   * Answer them by {@link acceptPages}. @throws {@link WorkBudgetSpent}
   */
  askForPages(lists: readonly BuildList[], whole?: BuildList): readonly HistoryQuery[] {
    if (whole !== undefined && lists.length === 0) return this.counted([whole.nextPage(false)]);
    const queries: HistoryQuery[] = [];
    for (const list of lists) if (list.isUnread) queries.push(list.nextPage(true));
    if (whole !== undefined) queries.push(whole.nextPage(false));
    return this.counted(queries);
  }

  acceptPages(answers: readonly unknown[], lists: readonly BuildList[], whole?: BuildList): void {
    let at = 0;
    for (const list of lists) if (list.isUnread) list.accept(answers[at++] as BuildPage);
    whole?.accept(answers[at] as BuildPage);
  }

  /** The questions of one round for all that is unknown: {@link Unknown.accept}. @throws {@link WorkBudgetSpent} */
  askFor(unknown: Unknown): readonly HistoryQuery[] {
    return this.counted(unknown.questions(this.jobs));
  }

  /** @throws {@link WorkBudgetSpent} */
  spend(steps: number): void {
    this.steps += steps;
    if (this.steps > this.budget.steps) throw new WorkBudgetSpent();
  }

  /** @returns the questions of one round, now counted. @throws {@link WorkBudgetSpent} */
  private counted<Queries extends readonly HistoryQuery[]>(queries: Queries): Queries {
    this.spend(queries.length);
    if (++this.rounds > this.budget.rounds) throw new WorkBudgetSpent();
    return queries;
  }
}

/** Collects what is not known yet, to be asked in one round. */
export class Unknown {
  private rows: Question<ResourceId>[] = [];
  /** By place of the job. */
  private passes: Question<number>[] = [];

  get isEmpty(): boolean {
    return this.rows.length === 0 && this.passes.length === 0;
  }

  /** Did the job let it through? @param isAhead the answer is not needed yet */
  addPass(version: KnownVersion, job: number, isAhead: boolean): void {
    if (version.hasPassed(job) === undefined) this.passes = withQuestion(this.passes, job, version, isAhead);
  }

  /** Is it in the history, and enabled? @param isAhead the answer is not needed yet */
  addRow(version: KnownVersion, isAhead: boolean): void {
    if (version.row === undefined) this.rows = withQuestion(this.rows, version.pair.resourceId, version, isAhead);
  }

  questions(jobs: readonly JobId[]): readonly HistoryQuery[] {
    const aboutRows = this.rows.map(({ of, versions, isAhead }): HistoryQuery => {
      return { kind: 'versions', resourceId: of, digests: versions.map(({ pair }) => pair.digest), isAhead };
    });
    const aboutPasses = this.passes.map(({ of, versions, isAhead }): HistoryQuery => {
      return { kind: 'passed', jobId: jobs[of] as JobId, versions: versions.map(({ pair }) => pair), isAhead };
    });
    return aboutRows.length === 0 ? aboutPasses : aboutRows.concat(aboutPasses);
  }

  /** Tells the versions what was answered to {@link questions}, and is empty again. */
  accept(answers: readonly unknown[]): void {
    let at = 0;
    for (const { versions } of this.rows) {
      const rows = answers[at++] as readonly VersionRow[] | null;
      if (rows === null) continue;
      const found = new Map(rows.map((row) => [row.digest, row]));
      for (const version of versions) version.row = found.get(version.pair.digest) ?? null;
    }
    for (const { of, versions } of this.passes) {
      const passed = answers[at++] as readonly boolean[] | null;
      if (passed === null) continue;
      for (let i = 0; i < versions.length; i++) versions[i]?.setPassed(of, passed[i] === true);
    }
    this.rows = [];
    this.passes = [];
  }
}

/** One question for several versions. */
interface Question<Of> {
  readonly of: Of;
  readonly versions: KnownVersion[];
  readonly isAhead: boolean;
}

function withQuestion<Of>(questions: Question<Of>[], of: Of, version: KnownVersion, isAhead: boolean): Question<Of>[] {
  let versions: KnownVersion[] | undefined;
  for (const question of questions) {
    if (question.of !== of) continue;
    if (question.versions.includes(version)) return questions;
    if (question.isAhead === isAhead) ({ versions } = question);
  }
  if (versions === undefined) return appended(questions, { of, versions: [version], isAhead });
  versions.push(version);
  return questions;
}

function newestByJob(pipes: readonly Pipe[]): LastUse {
  const newest = new Map<JobId, Place>();
  for (const { jobId, place } of pipes) {
    const known = newest.get(jobId);
    if (known === undefined || comparePlaces(known, place) < 0) newest.set(jobId, place);
  }
  return newest;
}
