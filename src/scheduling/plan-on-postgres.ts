import { answerHistoryQueries, type Queryable } from '../persistence/index.js';
import { planInputs, type Asking, type InputPlan, type JobRequest, type WorkBudget } from '../planner/index.js';

/** On PostgreSQL each round is a round trip, and others wait for the connection. */
const POSTGRES_WORK_BUDGET: WorkBudget = { steps: 200_000, rounds: 400 };

export interface PlanOptions {
  readonly budget?: WorkBudget;
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
  return askPostgres(db, planInputs(request, options.budget ?? POSTGRES_WORK_BUDGET));
}

/** Runs a computation that asks history, one round trip per round. */
export async function askPostgres<Result>(db: Queryable, asking: Asking<Result>): Promise<Result> {
  let step = asking.next([]);
  while (!step.done) step = asking.next(await answerHistoryQueries(db, step.value));
  return step.value;
}
