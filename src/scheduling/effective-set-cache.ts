import { comparePlaces, type JobId, type Pair, PairMap, pairsOf, type Place } from '../model/index.js';
import {
  readNewEffectiveSets,
  type KnownEffectiveSets,
  type NewEffectiveSets,
  type Queryable,
} from '../persistence/index.js';

/** A build on the newest stretch of its job's history. */
type CachedBuild = NewEffectiveSets['builds'][number];

/** How many builds are kept of a job. */
export interface WindowSizes {
  /** Read of a job that nothing is known of. Most plans look at no more. */
  readonly first: number;
  /** A window grows with what is new up to this, then lets go of its oldest builds. */
  readonly largest: number;
}
const WINDOW_SIZES: WindowSizes = { first: 12, largest: 256 };
/** Parsed JSON of a set of digests takes about this much more than its text. */
const MEMORY_PER_BYTE = 2;
const MEMORY_PER_BUILD = 300;

/**
 * The newest succeeded builds of a job with what they hold, without gaps from the newest down to the oldest that is kept.
 * Sorted by place, oldest first.
 */
export class JobWindow {
  private byVersion: PairMap<CachedBuild[]> | undefined;

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
    return (this.index().get(pair)?.length ?? 0) > 0;
  }

  /** The builds that hold all of `pairs`, oldest first. */
  holding(pairs: readonly Pair[]): readonly CachedBuild[] {
    const [first, ...others] = pairs;
    if (first === undefined) return this.builds;
    const candidates = this.index().get(first) ?? [];
    return candidates.filter((build) => others.every((pair) => build.versions[pair.resourceId]?.includes(pair.digest)));
  }

  get sizeBytes(): number {
    return this.builds.reduce((sum, build) => sum + build.sizeBytes * MEMORY_PER_BYTE + MEMORY_PER_BUILD, 0);
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
 * append-only, and each plan first asks what arrived since ({@link readNewEffectiveSets}), so servers need not tell each
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

  /** The windows of the jobs as `db` sees them now: a window never shows what an older transaction could not see. */
  async windowsOf(db: Queryable, jobIds: readonly JobId[]): Promise<ReadonlyMap<JobId, JobWindow>> {
    const known = new Map(jobIds.map((jobId) => [jobId, this.windows.get(jobId)]));
    const asked = jobIds.map((jobId) => ({ jobId, seq: known.get(jobId)?.seq ?? null }));
    const news = await this.read(db, asked);
    return new Map(
      news.map((of): [JobId, JobWindow] => {
        // Another plan may have moved or dropped the window meanwhile; what came back continues the one that was known.
        const before = of.isAnew ? undefined : known.get(of.jobId);
        const window = before
          ? (this.windows.get(of.jobId) ?? before).extendedBy(of, this.sizes.largest)
          : newWindow(of, this.sizes.first);
        this.keep(of.jobId, window);
        return [of.jobId, window.asOf(of.seq)];
      }),
    );
  }

  /** What is new; of a job with more news than a window holds, the newest builds as if nothing were known. */
  private async read(
    db: Queryable,
    asked: readonly KnownEffectiveSets[],
  ): Promise<readonly (NewEffectiveSets & { readonly isAnew: boolean })[]> {
    const { first, largest } = this.sizes;
    const limits = { newest: first, later: largest + 1 };
    const news = await readNewEffectiveSets(db, asked, limits);
    const missed = news.filter(({ builds }) => builds.length > largest);
    const anew = await readNewEffectiveSets(
      db,
      missed.map(({ jobId }) => ({ jobId, seq: null })),
      limits,
    );
    const kept = news.filter((of) => !missed.includes(of)).map((of) => ({ ...of, isAnew: false }));
    return [...kept, ...anew.map((of) => ({ ...of, isAnew: true }))];
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
