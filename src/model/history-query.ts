import type { BuildId, JobId, ResourceId } from './ids.js';
import type { Digest, Version } from './version.js';

/**
 * Where a build stands among its job's builds: the id of the build it re-runs (or its own id), then its own id. Newest
 * first is descending on the pair, so a rerun stands at its original's place, however late it ran.
 */
export type Place = readonly [root: number, id: number];

export function comparePlaces(a: Place, b: Place): number {
  return a[0] - b[0] || a[1] - b[1];
}

/** A version in the present history of a resource. */
export interface VersionRow {
  readonly digest: Digest;
  readonly version: Version;
  readonly checkOrder: number;
  readonly enabled: boolean;
}

/** What a succeeded build vouches for: per resource id its versions, what its puts produced before what its gets took. */
export type EffectiveSet = Readonly<Record<number, readonly Digest[]>>;

export interface PassedBuild {
  readonly id: BuildId;
  readonly place: Place;
  readonly versions: EffectiveSet;
}

/** A version of a resource, whether or not the present history still has it. */
export interface Pair {
  readonly resourceId: ResourceId;
  readonly digest: Digest;
}

/** Everything that the build vouches for. */
export function pairsOf({ versions }: Pick<PassedBuild, 'versions'>): Pair[] {
  return Object.entries(versions).flatMap(([resource, digests]) => {
    const resourceId = Number(resource) as ResourceId;
    return digests.map((digest): Pair => ({ resourceId, digest }));
  });
}

/** The questions a plan may ask of history. Each is answered from what is true now; no answer is longer than it says. */
export type HistoryQuery =
  | LatestQuery
  | PinnedQuery
  | VersionsQuery
  | NewestQuery
  | EveryQuery
  | LastUseQuery
  | BuildsQuery
  | PassedQuery
  | RecordedQuery;

/** The enabled version with the highest check order; null when there is none. */
export interface LatestQuery {
  readonly kind: 'latest';
  readonly resourceId: ResourceId;
}
/**
 * The version that equals the pin; if there is none, the versions that contain its keys and values, newest first, at
 * most 2. Disabled ones count.
 */
export interface PinnedQuery {
  readonly kind: 'pinned';
  readonly resourceId: ResourceId;
  readonly pin: Version;
}
/** A question that need not be answered yet: null is an answer, too, where any other would cost a round trip of its own. */
interface MayBeAhead {
  readonly isAhead: boolean;
}
export function isAhead(query: HistoryQuery): boolean {
  return 'isAhead' in query && query.isAhead;
}

/** The rows of the given digests; those that the history lacks are left out. */
export interface VersionsQuery extends MayBeAhead {
  readonly kind: 'versions';
  readonly resourceId: ResourceId;
  readonly digests: readonly Digest[];
}
/** The newest versions, disabled ones among them, newest first. */
export interface NewestQuery {
  readonly kind: 'newest';
  readonly resourceId: ResourceId;
  readonly limit: number;
  /** Also count them all, and say who disabled what: for explanations. */
  readonly inFull: boolean;
}
/** Where the job stands in the history of the resource: what it may step to next. */
export interface EveryQuery {
  readonly kind: 'every';
  readonly jobId: JobId;
  readonly resourceId: ResourceId;
}
/**
 * Of the job's own builds that consumed the newest version it ever consumed of the resource, the newest one: the
 * upstream builds that proved its inputs. null when no build of the job consumed a version that the history has.
 */
export interface LastUseQuery {
  readonly kind: 'lastUse';
  readonly jobId: JobId;
  readonly resourceId: ResourceId;
}
/**
 * A page of the job's succeeded builds whose effective set holds every pair of `having`. Both bounds are exclusive. A page
 * that is not the last has at least one build, and may have fewer than `limit`.
 */
export interface BuildsQuery {
  readonly kind: 'builds';
  readonly jobId: JobId;
  readonly having: readonly Pair[];
  readonly order: 'newest first' | 'oldest first';
  /** The page begins behind this place, in the given order; null: at the end of the list. */
  readonly after: Place | null;
  /** The list stops before this place, in the given order; null: nowhere. */
  readonly until: Place | null;
  readonly limit: number;
}
/** For each version: does any succeeded build of the job hold it? */
export interface PassedQuery extends MayBeAhead {
  readonly kind: 'passed';
  readonly jobId: JobId;
  readonly versions: readonly Pair[];
}
/** Did any build of the job, of any status, record this version under this input name? */
export interface RecordedQuery {
  readonly kind: 'recorded';
  readonly jobId: JobId;
  readonly name: string;
  readonly resourceId: ResourceId;
  readonly digest: Digest;
}

/** Answer to {@link EveryQuery}. */
export interface EveryStep {
  /** The highest check order that any build of the job consumed of the resource; null when none did. */
  readonly top: number | null;
  /** Enabled versions above `top`, oldest first, at most 2. Empty without it. */
  readonly newer: readonly VersionRow[];
  /** The newest enabled version that is not above `top`; without it the newest enabled one. */
  readonly newestUsable: VersionRow | null;
}

/** Answer to {@link NewestQuery}. */
export interface NewestVersions {
  /** How many versions the history has, if that was asked; else 0. */
  readonly total: number;
  readonly rows: readonly (VersionRow & { readonly disabledMark?: DisabledMark })[];
}

/** Who took a version out of use, when and why, as far as it is known. */
export interface DisabledMark {
  readonly by: string | null;
  /** Milliseconds since 1970. */
  readonly atMs: number | null;
  readonly reason: string | null;
}

/** Answer to {@link BuildsQuery}. */
export interface BuildPage {
  readonly builds: readonly PassedBuild[];
  /** Nothing of the list comes behind these. */
  readonly isLast: boolean;
}

/** An upstream build that proved a set of inputs. */
export interface Pipe {
  readonly jobId: JobId;
  readonly place: Place;
}

export type AnswerTo<Query extends HistoryQuery> = Query extends LatestQuery
  ? VersionRow | null
  : Query extends PinnedQuery | VersionsQuery
    ? readonly VersionRow[]
    : Query extends NewestQuery
      ? NewestVersions
      : Query extends EveryQuery
        ? EveryStep
        : Query extends LastUseQuery
          ? readonly Pipe[] | null
          : Query extends BuildsQuery
            ? BuildPage
            : Query extends PassedQuery
              ? readonly boolean[]
              : boolean;
export type HistoryAnswer = AnswerTo<HistoryQuery>;
