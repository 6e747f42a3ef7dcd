import { setImmediate as othersTurn } from 'node:timers/promises';
import { answerHistoryQueries, type Queryable } from '../persistence/index.js';
import {
  DEFAULT_WORK_BUDGET,
  jobsNamed,
  planInputs,
  type Asking,
  type InputPlan,
  type JobRequest,
  type WorkBudget,
} from '../planner/index.js';
import { CachedHistory } from './cached-history.js';
import type { EffectiveSetCache } from './effective-set-cache.js';

/** On PostgreSQL a round may be a round trip, and others wait for the connection. */
export const POSTGRES_WORK_BUDGET: WorkBudget = { ...DEFAULT_WORK_BUDGET, rounds: 500 };
/** Rounds that memory answers do not wait for anything; so often others get their turn all the same. */
const ROUNDS_IN_A_ROW = 16;

export interface PlanOptions {
  readonly budget?: WorkBudget;
  /** Saves reading what did not change since the last plan. The plan is the same with and without it. */
  readonly cache?: EffectiveSetCache;
}

/**
 * Plans a job's inputs with what PostgreSQL knows. Reads only. Answers are of one moment if `db` is a repeatable-read
 * transaction; otherwise whoever applies the plan must make sure that nothing changed meanwhile.
 */
export async function planOnPostgres(
  db: Queryable,
  request: JobRequest,
  options: PlanOptions = {},
): Promise<InputPlan> {
  return askPostgres(db, request, planInputs(request, options.budget ?? POSTGRES_WORK_BUDGET), options.cache);
}

/** Runs a computation that asks history about `request`, at most one round trip per round. */
export async function askPostgres<Result>(
  db: Queryable,
  request: JobRequest,
  asking: Asking<Result>,
  cache?: EffectiveSetCache,
): Promise<Result> {
  const jobs = [...new Set(request.inputs.flatMap(({ passed }) => (passed === null ? [] : jobsNamed(passed))))];
  let step = asking.next([]);
  let answerAll: CachedHistory['answerAll'] = (queries) => answerHistoryQueries(db, queries);
  if (cache && jobs.length > 0 && !step.done) {
    // What a plan asks first is not about builds, so it need not wait for the windows.
    const [windows, answers] = await cache.open(db, jobs, step.value);
    const cached = new CachedHistory(db, windows);
    answerAll = (queries) => cached.answerAll(queries);
    step = asking.next(answers);
  }
  for (let round = 1; !step.done; round++) {
    if (round % ROUNDS_IN_A_ROW === 0) await othersTurn();
    const answers = answerAll(step.value);
    step = asking.next(answers instanceof Promise ? await answers : answers);
  }
  return step.value;
}
