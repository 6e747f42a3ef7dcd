import {
  comparePlaces,
  type BuildsQuery,
  type HistoryAnswer,
  type HistoryQuery,
  type JobId,
  type PassedQuery,
} from '../model/index.js';
import { answerHistoryQueries, type Queryable } from '../persistence/index.js';
import type { JobWindow } from './effective-set-cache.js';

/** A question, answered as far as memory goes: what is left for PostgreSQL, and how its answer completes ours. */
interface Partly {
  readonly query: HistoryQuery;
  readonly complete: (answer: HistoryAnswer) => HistoryAnswer;
}

/** Answers questions from the cached windows where they reach, the rest from PostgreSQL in one round trip. */
export class CachedHistory {
  constructor(
    private readonly db: Queryable,
    private readonly windows: ReadonlyMap<JobId, JobWindow>,
  ) {}

  async answerAll(queries: readonly HistoryQuery[]): Promise<readonly HistoryAnswer[]> {
    const parts = queries.map((query) => this.partly(query));
    const open = parts.flatMap((part) => ('query' in part ? [part] : []));
    const answers = await answerHistoryQueries(
      this.db,
      open.map((part) => part.query),
    );
    return parts.map((part) => ('query' in part ? part.complete(answers[open.indexOf(part)] ?? null) : part.answer));
  }

  private partly(query: HistoryQuery): Partly | { readonly answer: HistoryAnswer } {
    const window = query.kind === 'builds' || query.kind === 'passed' ? this.windows.get(query.jobId) : undefined;
    if (window && query.kind === 'builds') return pageIn(window, query);
    if (window && query.kind === 'passed') return passedIn(window, query);
    return { query, complete: same };
  }
}

function passedIn(window: JobWindow, query: PassedQuery): Partly | { readonly answer: HistoryAnswer } {
  const found = query.versions.map((pair) => window.holds(pair));
  const missing = query.versions.filter((_, i) => !found[i]);
  if (window.isComplete || missing.length === 0) return { answer: found };
  const complete = (answer: HistoryAnswer): HistoryAnswer => {
    const older = answer as readonly boolean[];
    return query.versions.map((pair, i) => found[i] === true || older[missing.indexOf(pair)] === true);
  };
  return { query: { ...query, versions: missing }, complete };
}

function pageIn(window: JobWindow, query: BuildsQuery): Partly | { readonly answer: HistoryAnswer } {
  const { after, until, order, limit } = query;
  const { start } = window;
  const isForward = order === 'oldest first';
  if (isForward && start && (after === null || comparePlaces(after, start) < 0)) {
    // The page begins before the window: only the tables can tell where.
    return { query, complete: same };
  }
  const step = isForward ? 1 : -1;
  const held = window.holding(query.having);
  const matching = (isForward ? held : held.toReversed())
    .filter(({ place }) => after === null || comparePlaces(place, after) * step > 0)
    .filter(({ place }) => until === null || comparePlaces(place, until) * step < 0);
  const ends = isForward || start === undefined || (until !== null && comparePlaces(until, start) >= 0);
  const builds = matching.slice(0, limit);
  // What the window has is enough for now: what lies before it is read only if that is not enough.
  if (ends || builds.length > 0) return { answer: { builds, isLast: ends && builds.length === matching.length } };
  return {
    query: { ...query, after: after !== null && comparePlaces(after, start) < 0 ? after : start },
    complete: same,
  };
}

function same(answer: HistoryAnswer): HistoryAnswer {
  return answer;
}
