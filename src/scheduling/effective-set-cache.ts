import {
  comparePlaces,
  type HistoryAnswer,
  type HistoryQuery,
  type JobId,
  type Pair,
  PairMap,
  pairsOf,
  type Place,
} from '../model/index.js';
import { readNews, type NewEffectiveSets, type NewsQuery, type Queryable } from '../persistence/index.js';
import { holdsAll } from '../planner/index.js';

/** A build on the newest stretch of its job's history. */
type CachedBuild = NewEffectiveSets['builds'][number];

/** How many builds are kept of a job. */
export interface WindowSizes {
  /** Read of a job that nothing is known of. Most plans look at no more. */
  readonly first: number;
  /** A window grows with what is new up to this, then lets go of its oldest builds. */
  readonly largest: number;
}
const WINDOW_SIZES: WindowSizes = { first: 8, largest: 256 };
/** Bytes, about: a digest with its place in lists and in the index; a build without its digests. */
const MEMORY_PER_VERSION = 250;
const MEMORY_PER_BUILD = 300;
/** To look through fewer builds is faster than to make an index of them. */
const WORTH_AN_INDEX = 32;

/**
 * The newest succeeded builds of a job with what they hold, without gaps from the newest down to the oldest that is kept.
 * Sorted by place, oldest first.
 */
export class JobWindow {
  private byVersion: PairMap<CachedBuild[]> | undefined;
  private size: number | undefined;

  constructor(
    readonly builds: readonly CachedBuild[],
    /** Where the window begins: what stands before may exist and is not here. undefined: nothing stands before. */
    readonly start: Place | undefined,
    /** Everything up to here is known. */
    readonly seq: number,
  ) {}

  get isComplete(): boolean {
    return this.start === undefined;
  }

  holds(pair: Pair): boolean {
    return this.candidates([pair]).some((build) => holdsAll(build, [pair]));
  }

  /** All builds that may hold what is wanted, oldest first. */
  candidates([first]: readonly Pair[]): readonly CachedBuild[] {
    if (first === undefined || this.builds.length < WORTH_AN_INDEX) return this.builds;
    return this.index().get(first) ?? [];
  }

  /** Estimated. */
  get sizeBytes(): number {
    return (this.size ??= this.builds.reduce((sum, build) => sum + sizeOf(build), 0));
  }

  /** This window as somebody saw it who saw arrivals up to `seq` only. */
  asOf(seq: number): JobWindow {
    if (seq >= this.seq) return this;
    return new JobWindow(
      this.builds.filter((build) => build.seq <= seq),
      this.start,
      seq,
    );
  }

  /** This window and what arrived since. A late rerun of a build before the window stays before it. */
  extendedBy(news: NewEffectiveSets, largest: number): JobWindow {
    const known = new Set(this.builds.map((build) => build.id));
    const { start } = this;
    const fresh = news.builds.filter(
      (build) => !known.has(build.id) && (!start || comparePlaces(build.place, start) > 0),
    );
    const seq = Math.max(this.seq, news.seq);
    if (fresh.length === 0) return seq === this.seq ? this : new JobWindow(this.builds, start, seq);
    const builds = [...this.builds, ...fresh].sort((a, b) => comparePlaces(a.place, b.place));
    const kept = builds.slice(-largest);
    return new JobWindow(kept, kept.length === builds.length ? start : kept[0]?.place, seq);
  }

  private index(): PairMap<CachedBuild[]> {
    if (this.byVersion) return this.byVersion;
    const byVersion = new PairMap<CachedBuild[]>();
    for (const build of this.builds) {
      for (const pair of pairsOf(build)) {
        const holding = byVersion.get(pair);
        if (holding) holding.push(build);
        else byVersion.set(pair, [build]);
      }
    }
    return (this.byVersion = byVersion);
  }
}

/**
 * Keeps the newest effective sets of jobs in memory between plans, so that the usual plan reads only what is new. They are
 * append-only, and each plan first asks what arrived since ({@link readNews}), so servers need not tell each
 * other anything. At most `maxBytes` (estimated) are kept; the jobs asked for longest ago go first.
 */
export class EffectiveSetCache {
  /** Least recently used first. */
  private readonly windows = new Map<JobId, JobWindow>();
  private bytes = 0;

  constructor(
    private readonly maxBytes: number,
    private readonly sizes: WindowSizes = WINDOW_SIZES,
  ) {}

  get sizeBytes(): number {
    return this.bytes;
  }

  /**
   * The windows of the jobs as `db` sees them now, and answers to `queries` of the same round trip. A window never shows
   * what an older transaction could not see.
   */
  async open(
    db: Queryable,
    jobIds: readonly JobId[],
    queries: readonly HistoryQuery[],
  ): Promise<readonly [windows: ReadonlyMap<JobId, JobWindow>, answers: readonly HistoryAnswer[]]> {
    const { largest } = this.sizes;
    const known = new Map(jobIds.map((jobId) => [jobId, this.windows.get(jobId)]));
    const [news, answers] = await readNews(db, this.newsOf(jobIds, known), queries);
    // Of a job with more news than a window holds: the newest builds, as if nothing were known.
    const missed = news.filter(({ builds }) => builds.length > largest).map(({ jobId }) => jobId);
    const [anew] = await readNews(db, this.newsOf(missed));
    const windows = new Map<JobId, JobWindow>();
    for (const each of [...news.filter(({ jobId }) => !missed.includes(jobId)), ...anew]) {
      const { jobId } = each;
      // Another plan may have moved or dropped the window meanwhile; what came back continues the one that was known.
      const before = missed.includes(jobId) ? undefined : known.get(jobId);
      const window = before
        ? (this.windows.get(jobId) ?? before).extendedBy(each, largest)
        : newWindow(each, this.sizes.first);
      this.keep(jobId, window);
      windows.set(jobId, window.asOf(each.seq));
    }
    return [windows, answers];
  }

  private newsOf(jobIds: readonly JobId[], known?: ReadonlyMap<JobId, JobWindow | undefined>): NewsQuery {
    const { first, largest } = this.sizes;
    const asked = jobIds.map((jobId) => ({ jobId, seq: known?.get(jobId)?.seq ?? null }));
    return { kind: 'news', known: asked, newest: first, later: largest + 1 };
  }

  private keep(jobId: JobId, window: JobWindow): void {
    this.forget(jobId);
    this.windows.set(jobId, window);
    this.bytes += window.sizeBytes;
    for (const oldest of this.windows.keys()) {
      if (this.bytes <= this.maxBytes) break;
      this.forget(oldest);
    }
  }

  private forget(jobId: JobId): void {
    this.bytes -= this.windows.get(jobId)?.sizeBytes ?? 0;
    this.windows.delete(jobId);
  }
}

function newWindow(news: NewEffectiveSets, askedFor: number): JobWindow {
  const builds = [...news.builds].sort((a, b) => comparePlaces(a.place, b.place));
  return new JobWindow(builds, builds.length < askedFor ? undefined : builds[0]?.place, news.seq);
}

function sizeOf({ versions }: CachedBuild): number {
  let size = MEMORY_PER_BUILD;
  for (const resource in versions) size += (versions[resource]?.length ?? 0) * MEMORY_PER_VERSION;
  return size;
}
