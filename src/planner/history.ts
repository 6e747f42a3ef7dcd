import type { AnswerTo, HistoryAnswer, HistoryQuery } from '../model/index.js';

/**
 * A computation that asks history: it yields questions, many at once where they do not depend on each other, and is
 * resumed with their answers in the same order. So the same code runs on a table in memory and on PostgreSQL.
 */
export type Asking<Result> = Generator<readonly HistoryQuery[], Result, readonly HistoryAnswer[]>;

/** Asks one question. */
export function* ask<Query extends HistoryQuery>(query: Query): Asking<AnswerTo<Query>> {
  const [answer] = yield [query];
  return answer as AnswerTo<Query>;
}

/** Runs computations side by side: what they ask in the same round is asked at once. Results in the order of `parts`. */
export function* together<Result>(parts: readonly Asking<Result>[]): Asking<Result[]> {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return [yield* only];
  const results: Result[] = [];
  let waiting = parts.map((part, index) => ({ part, index, step: part.next([]) }));
  for (;;) {
    for (const { index, step } of waiting) if (step.done) results[index] = step.value;
    waiting = waiting.filter(({ step }) => !step.done);
    if (waiting.length === 0) return results;
    const answers = yield waiting.flatMap(({ step }) => step.value as readonly HistoryQuery[]);
    let from = 0;
    waiting = waiting.map(({ part, index, step }) => {
      const count = (step.value as readonly HistoryQuery[]).length;
      return { part, index, step: part.next(answers.slice(from, (from += count))) };
    });
  }
}

/** Something that answers questions at once. */
export interface History {
  answer(query: HistoryQuery): HistoryAnswer;
}

/** Runs a computation to its end on a history at hand. */
export function runOn<Result>(history: History, asking: Asking<Result>): Result {
  const answer = (query: HistoryQuery): HistoryAnswer => history.answer(query);
  let step = asking.next([]);
  while (!step.done) step = asking.next(step.value.map(answer));
  return step.value;
}
