import {
  type BuildPage,
  type BuildsQuery,
  type JobId,
  type Pair,
  type PassedBuild,
  type Place,
  comparePlaces,
} from '../model/index.js';
import type { KnownVersion } from './known-version.js';

/** A stretch of a job's builds, in the order in which they are tried. */
interface Stretch extends Pick<BuildsQuery, 'order' | 'after' | 'until'> {
  readonly rank: Rank;
}
/** 0: not used yet by the planned job (`every`); 1: the usual; 2: what would otherwise never be tried. */
type Rank = 0 | 1 | 2;

/** A build on a list. */
export interface Entry {
  readonly build: PassedBuild;
  readonly rank: Rank;
}

const ALL_NEWEST_FIRST: readonly Stretch[] = [{ rank: 1, order: 'newest first', after: null, until: null }];
/** Page sizes grow, as a list that was not answered by its first page may be long. */
const FIRST_PAGE = 8;
const LARGEST_PAGE = 256;

/**
 * The order in which the builds of an upstream job are tried. Usually newest first. For `every`, when build `last` was
 * used last: first the unused ones, oldest first; then `last` and what is older, newest first; at the very end reruns of
 * `last`, which stand at its own place and so are neither unused nor older.
 */
export function stretchesFor(last: Place | undefined): readonly Stretch[] {
  if (last === undefined) return ALL_NEWEST_FIRST;
  const [root, id] = last;
  const isRerun = root !== id;
  const endOfPlace: Place = isRerun ? last : [root, Number.MAX_SAFE_INTEGER];
  const stretches: Stretch[] = [
    { rank: 0, order: 'oldest first', after: endOfPlace, until: null },
    { rank: 1, order: 'newest first', after: [root, id + 1], until: null },
  ];
  if (!isRerun) stretches.push({ rank: 2, order: 'newest first', after: endOfPlace, until: last });
  return stretches;
}

/** Which of two entries (of different jobs) is tried first. */
export function compareEntries(a: Entry, b: Entry): number {
  return a.rank - b.rank || (a.rank === 0 ? 1 : -1) * comparePlaces(a.build.place, b.build.place);
}

/** The builds of one job that hold certain versions, read in pages as far as they are needed. */
export class BuildList {
  entries: readonly Entry[] = [];
  private stretch = 0;
  private cursor: Place | null = null;
  private nextLimit = FIRST_PAGE;
  private asked = 0;
  /** The list of those that hold one version more which was asked for first: mostly there is no other. */
  private narrower: BuildList | undefined;
  private othersNarrower: Map<KnownVersion, BuildList> | undefined;

  private constructor(
    readonly jobId: JobId,
    private readonly pairs: readonly Pair[],
    private readonly stretches: readonly Stretch[],
  ) {}

  /** All builds of a job, in the order in which they are tried after `last` was used. */
  static ofJob(jobId: JobId, last: Place | undefined): BuildList {
    return new BuildList(jobId, [], stretchesFor(last));
  }

  /** A list of one build that is already chosen. */
  static ofOne(jobId: JobId, { build }: Entry): BuildList {
    const list = new BuildList(jobId, [], []);
    list.entries = [{ build, rank: 1 }];
    return list;
  }

  /** Those that hold the version as well: always the same list. */
  having(version: KnownVersion): BuildList {
    if (this.pairs.includes(version.pair)) return this;
    if (this.narrower?.pairs.at(-1) === version.pair) return this.narrower;
    let list = this.othersNarrower?.get(version);
    if (list !== undefined) return list;
    list = new BuildList(this.jobId, this.pairs.concat(version.pair), this.stretches);
    if (this.narrower === undefined) this.narrower = list;
    else (this.othersNarrower ??= new Map()).set(version, list);
    return list;
  }

  /** Nothing is left to be read. */
  get isComplete(): boolean {
    return this.stretch >= this.stretches.length;
  }

  /** Nobody has looked yet whether it has a build. */
  get isUnread(): boolean {
    return this.entries.length === 0 && !this.isComplete;
  }

  /** It turned out to have no build. */
  get isEmpty(): boolean {
    return this.entries.length === 0 && this.isComplete;
  }

  /** The question for the next page, or for its first build only. Answer it by {@link accept} before asking again. */
  nextPage(firstOnly: boolean): BuildsQuery {
    const stretch = this.stretches[this.stretch];
    if (stretch === undefined) throw new Error('the list is complete');
    this.asked = firstOnly ? 1 : this.nextLimit;
    return {
      kind: 'builds',
      jobId: this.jobId,
      having: this.pairs,
      order: stretch.order,
      after: this.cursor ?? stretch.after,
      until: stretch.until,
      limit: this.asked,
    };
  }

  accept({ builds, isLast }: BuildPage): void {
    const { rank } = this.stretches[this.stretch] as Stretch;
    const read = builds.map((build): Entry => ({ build, rank }));
    this.entries = this.entries.length === 0 ? read : [...this.entries, ...read];
    if (isLast) {
      this.stretch++;
      this.cursor = null;
    } else {
      this.cursor = builds.at(-1)?.place ?? null;
    }
    if (this.asked > 1) this.nextLimit = Math.min(this.nextLimit * 4, LARGEST_PAGE);
  }
}
