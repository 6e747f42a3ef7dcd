import {
  comparePlaces,
  isAhead,
  type BuildId,
  type BuildPage,
  type Digest,
  type EveryStep,
  type HistoryAnswer,
  type HistoryQuery,
  type JobId,
  type NewestVersions,
  type Pair,
  type PassedBuild,
  type Place,
  type ResourceId,
  type Version,
  type VersionRow,
} from '../model/index.js';
import type { Asking } from './history.js';
import type { JobRequest, Passed } from './types.js';

/** A small change of the world that somebody could bring about. */
export type Change =
  /** Enable a disabled version. */
  | { readonly do: 'enable'; readonly resourceId: ResourceId; readonly row: VersionRow }
  /** Take away the pin of an input: on the step, in the config or set by the API. */
  | {
      readonly do: 'unpin';
      readonly input: string;
      readonly resourceId: ResourceId;
      readonly by: 'step' | 'config' | 'api';
    }
  /** A build of the job succeeds with these versions together. */
  | { readonly do: 'pass'; readonly jobId: JobId; readonly versions: readonly PassedVersion[] }
  /** The resource finds a version. */
  | { readonly do: 'find-version'; readonly resourceId: ResourceId };

export interface PassedVersion extends Pair {
  readonly version: Version;
}

/** The request as it is once the changes are made. */
export function changedRequest(job: JobRequest, changes: readonly Change[]): JobRequest {
  const unpinned = changes.flatMap((change) => (change.do === 'unpin' ? [change] : []));
  const inputs = job.inputs.map((input) => {
    const isFreed = unpinned.some(({ by, resourceId, input: name }) => {
      // A pin of the resource goes for all its inputs, one on the step only for its own.
      return by === 'step' ? name === input.name : resourceId === input.resourceId && isPinnedBy(input.version, by);
    });
    return isFreed ? { ...input, version: 'latest' as const } : input;
  });
  return { ...job, inputs };
}

/** Runs a computation on history as it is once the changes are made. */
export function* changedHistory<Result>(asking: Asking<Result>, changes: readonly Change[]): Asking<Result> {
  let step = asking.next([]);
  while (!step.done) {
    const queries = step.value;
    const answers = yield queries;
    step = asking.next(
      queries.map((query, i) => {
        const answer = answers[i] ?? null;
        if (answer === null && isAhead(query)) return null;
        return changes.reduce((now, change, n) => after(change, n, query, now), answer);
      }),
    );
  }
  return step.value;
}

/** `passed` as if the jobs did not matter. */
export function withoutJobs(passed: Passed, jobs: readonly JobId[]): Passed {
  if ('job' in passed) return jobs.includes(passed.job) ? { all: [] } : passed;
  if ('all' in passed) return { all: passed.all.map((term) => withoutJobs(term, jobs)) };
  return { any: passed.any.map((term) => withoutJobs(term, jobs)) };
}

function isPinnedBy(version: JobRequest['inputs'][number]['version'], by: string): boolean {
  return typeof version === 'object' && version.by === by;
}

function after(change: Change, n: number, query: HistoryQuery, answer: HistoryAnswer): HistoryAnswer {
  switch (change.do) {
    case 'unpin':
      return answer;
    case 'enable':
      return 'resourceId' in query && query.resourceId === change.resourceId
        ? withVersion({ ...change.row, enabled: true }, query, answer)
        : answer;
    case 'find-version': {
      const row: VersionRow = {
        digest: 'found' as Digest,
        version: {},
        checkOrder: Number.MAX_SAFE_INTEGER,
        enabled: true,
      };
      return 'resourceId' in query && query.resourceId === change.resourceId ? withVersion(row, query, answer) : answer;
    }
    case 'pass':
      return 'jobId' in query && query.jobId === change.jobId ? withBuild(change.versions, n, query, answer) : answer;
  }
}

function withVersion(row: VersionRow, query: HistoryQuery, answer: HistoryAnswer): HistoryAnswer {
  const newer = (other: VersionRow | null): VersionRow => (other && other.checkOrder > row.checkOrder ? other : row);
  if (query.kind === 'latest') return newer(answer as VersionRow | null);
  if (query.kind === 'pinned' || query.kind === 'versions') {
    return (answer as readonly VersionRow[]).map((other) => (other.digest === row.digest ? row : other));
  }
  if (query.kind === 'newest') {
    const { total, rows } = answer as NewestVersions;
    return { total, rows: rows.map((other) => (other.digest === row.digest ? row : other)) };
  }
  if (query.kind !== 'every') return answer;
  const step = answer as EveryStep;
  if (step.top === null || row.checkOrder <= step.top) return { ...step, newestUsable: newer(step.newestUsable) };
  return { ...step, newer: [...step.newer, row].sort((a, b) => a.checkOrder - b.checkOrder).slice(0, 2) };
}

/** A build newer than any other. */
function withBuild(
  versions: readonly PassedVersion[],
  n: number,
  query: HistoryQuery,
  answer: HistoryAnswer,
): HistoryAnswer {
  const holds = (pair: Pair): boolean =>
    versions.some((held) => held.resourceId === pair.resourceId && held.digest === pair.digest);
  if (query.kind === 'passed')
    return query.versions.map((pair, i) => holds(pair) || (answer as readonly boolean[])[i] === true);
  if (query.kind !== 'builds' || !query.having.every(holds)) return answer;
  const page = answer as BuildPage;
  const id = (Number.MAX_SAFE_INTEGER - 1 - n) as BuildId;
  const place: Place = [id, id];
  const held: Record<number, Digest[]> = {};
  for (const { resourceId, digest } of versions) (held[resourceId] ??= []).push(digest);
  const build: PassedBuild = { id, place, versions: held };
  if (query.order === 'oldest first') return page.isLast ? { ...page, builds: [...page.builds, build] } : page;
  if (query.after !== null && comparePlaces(place, query.after) >= 0) return page;
  if (query.until !== null && comparePlaces(place, query.until) <= 0) return page;
  return { ...page, builds: [build, ...page.builds] };
}
