import type { BuildEvent, PlanNode } from '../model/index.js';
import { isDatabaseUnavailable, type JournaledStep, type Tx } from '../persistence/index.js';
import { messageOf } from '../platform/index.js';
import type { Walk } from './build-run.js';
import { Deadline, deadlineAfter } from './deadline.js';
import { RunSuspended, type Outcome } from './outcome.js';

/** How a step ended: written in one transaction, then applied to the scope. */
export interface LeafEnd<Result> {
  readonly outcome: Outcome;
  readonly result?: Result;
  readonly events?: readonly BuildEvent[];
  /** Writes that belong to the end. */
  readonly also?: (tx: Tx) => Promise<void>;
}

/** A step that does something itself, instead of arranging others. */
export interface Leaf<Result> {
  /** Does the step and says how it ended; what it throws makes the step errored. Called again after a crash. */
  run(): Promise<LeafEnd<Result>>;
  /** Gives the rest of the build what the step made; called alike after a run and after a restart. */
  apply?(result: Result): void;
}

/** Runs the step unless the journal knows its end, and records the end. A step that would begin after an abort does not. */
export async function runLeaf<Result>(node: PlanNode, walk: Walk, leaf: Leaf<Result>): Promise<Outcome> {
  const { run } = walk;
  const known = run.journal.step(node.id);
  if (known?.outcome) {
    if (known.result !== undefined) leaf.apply?.(known.result as Result);
    noteResult(node, walk, known.outcome);
    return known.outcome;
  }
  if (!known && walk.signal.aborted) return 'aborted';
  run.throwIfLetGo();
  const end = await settle(node, walk, () => leaf.run());
  run.throwIfLetGo();
  await run.journal.end(node.id, end.outcome, end.result, end.events ?? [], end.also);
  if (end.result !== undefined) leaf.apply?.(end.result);
  noteResult(node, walk, end.outcome);
  return end.outcome;
}

function noteResult({ step }: PlanNode, { scope }: Walk, outcome: Outcome): void {
  if ('name' in step) scope.noteResult(step.name, outcome);
}

async function settle<Result>(
  node: PlanNode,
  walk: Walk,
  body: () => Promise<LeafEnd<Result>>,
): Promise<LeafEnd<Result>> {
  try {
    return await body();
  } catch (error) {
    if (error instanceof RunSuspended) throw error;
    walk.run.throwIfLetGo();
    if (isDatabaseUnavailable(error)) throw new RunSuspended('the database cannot be reached', { cause: error });
    const wasAborted = walk.signal.aborted && (error as Error).name === 'AbortError';
    if (wasAborted) return { outcome: 'aborted', events: [walk.run.errorEvent(node.id, 'interrupted')] };
    return { outcome: 'errored', events: [walk.run.errorEvent(node.id, messageOf(error))] };
  }
}

/** Notes in the journal that the step begins, unless it had begun before a restart: then its old deadline stands. */
export async function beginOnce(
  node: PlanNode,
  walk: Walk,
  begin: { readonly handle?: string; readonly timeout?: string; readonly result?: unknown },
  events: () => readonly BuildEvent[],
): Promise<{ readonly step: JournaledStep; readonly isResumed: boolean }> {
  const { journal, parts } = walk.run;
  const known = journal.step(node.id);
  if (known) return { step: known, isResumed: true };
  const deadlineAt = deadlineAfter(begin.timeout, parts.clock);
  const { handle, result } = begin;
  const container = handle === undefined ? undefined : containerOf(node, walk);
  const step = await journal.begin(node.id, { handle, deadlineAt, result, container }, events());
  return { step, isResumed: false };
}

/** What people know the step's container by. */
function containerOf({ step }: PlanNode, { attempt }: Walk): { kind: string; name?: string; attempt?: string } {
  return {
    kind: step.kind,
    ...('name' in step ? { name: step.name } : {}),
    ...(attempt === undefined ? {} : { attempt: attempt.join('.') }),
  };
}

/** Runs `work` until the step's deadline or the walk's abort. */
export async function withDeadline<Value>(
  step: JournaledStep,
  walk: Walk,
  work: (deadline: Deadline) => Promise<Value>,
): Promise<Value> {
  const deadline = new Deadline(walk.signal, step.deadlineAt, walk.run.parts.clock);
  try {
    return await work(deadline);
  } finally {
    deadline.dispose();
  }
}

/** The end of a step that was interrupted: by its own deadline it failed, else it was aborted. */
export function interrupted(
  node: PlanNode,
  walk: Walk,
  deadline: Deadline,
  lastEvents: readonly BuildEvent[] = [],
): { outcome: Outcome; events: BuildEvent[] } {
  return deadline.hasPassed
    ? { outcome: 'failed', events: [...lastEvents, walk.run.errorEvent(node.id, 'timeout exceeded')] }
    : { outcome: 'aborted', events: [...lastEvents, walk.run.errorEvent(node.id, 'interrupted')] };
}
