import {
  comparePlaces,
  isAhead,
  type BuildsQuery,
  type HistoryAnswer,
  type HistoryQuery,
  type JobId,
  type PassedQuery,
} from '../model/index.js';
import { answerHistoryQueries, type Queryable } from '../persistence/index.js';
import { pageOf } from '../planner/index.js';
import type { JobWindow } from './effective-set-cache.js';

/** A question, answered as far as memory goes: what is left for PostgreSQL, and how its answer completes ours. */
interface Partly {
  readonly query: HistoryQuery;
  readonly complete: (answer: HistoryAnswer) => HistoryAnswer;
}

interface Answered {
  readonly answer: HistoryAnswer;
}

/** Answers questions from the cached windows where they reach, the rest from PostgreSQL in one round trip. */
export class CachedHistory {
  constructor(
    private readonly db: Queryable,
    private readonly windows: ReadonlyMap<JobId, JobWindow>,
  ) {}

  /** @returns at once what memory can answer, if nothing is left but what is asked ahead: that is not answered then. */
  answerAll(queries: readonly HistoryQuery[]): readonly HistoryAnswer[] | Promise<readonly HistoryAnswer[]> {
    const parts = queries.map((query) => this.partly(query));
    const open = parts.filter((part) => 'query' in part);
    if (open.every(({ query }) => isAhead(query))) return parts.map((part) => ('query' in part ? null : part.answer));
    return this.askTables(parts, open);
  }

  private async askTables(
    parts: readonly (Partly | Answered)[],
    open: readonly Partly[],
  ): Promise<readonly HistoryAnswer[]> {
    const answers = (
      await answerHistoryQueries(
        this.db,
        open.map(({ query }) => query),
      )
    ).values();
    return parts.map((part) => ('query' in part ? part.complete(answers.next().value ?? null) : part.answer));
  }

  private partly(query: HistoryQuery): Partly | Answered {
    const window = query.kind === 'builds' || query.kind === 'passed' ? this.windows.get(query.jobId) : undefined;
    if (window && query.kind === 'builds') return pageIn(window, query);
    if (window && query.kind === 'passed') return passedIn(window, query);
    return { query, complete: same };
  }
}

function passedIn(window: JobWindow, query: PassedQuery): Partly | Answered {
  const found = query.versions.map((pair) => window.holds(pair));
  const missing = query.versions.filter((_, i) => !found[i]);
  if (window.isComplete || missing.length === 0) return { answer: found };
  const complete = (answer: HistoryAnswer): HistoryAnswer => {
    const older = answer as readonly boolean[];
    return query.versions.map((pair, i) => found[i] === true || older[missing.indexOf(pair)] === true);
  };
  return { query: { ...query, versions: missing }, complete };
}

function pageIn(window: JobWindow, query: BuildsQuery): Partly | Answered {
  const { after, until, order } = query;
  const { start } = window;
  const isForward = order === 'oldest first';
  if (isForward && start && (after === null || comparePlaces(after, start) < 0)) {
    // The page begins before the window: only the tables can tell where.
    return { query, complete: same };
  }
  const { builds, isLast } = pageOf(window.candidates(query.having), query);
  const ends = isForward || start === undefined || (until !== null && comparePlaces(until, start) >= 0);
  // What the window has is enough for now: what lies before it is read only if that is not enough.
  if (ends || builds.length > 0) return { answer: { builds, isLast: ends && isLast } };
  return {
    query: { ...query, after: after !== null && comparePlaces(after, start) < 0 ? after : start },
    complete: same,
  };
}

function same(answer: HistoryAnswer): HistoryAnswer {
  return answer;
}
