import { type Finding, pinnedNotFound } from './free-input.js';
import { WorkBudgetSpent } from './group-knowledge.js';
import { GroupSearch, type Wanted } from './group-search.js';
import { type Asking, ask, together } from './history.js';
import { type Alternative, groupBySharedJobs } from './passed.js';
import type { InputRequest, JobRequest, WorkBudget } from './types.js';

/** An input that has something to pass. */
export interface GroupInput {
  readonly request: InputRequest;
  readonly passed: NonNullable<InputRequest['passed']>;
  readonly alternatives: readonly Alternative[];
}
type Findings = ReadonlyMap<GroupInput, Finding>;

export const NO_PASSED_SATISFIED: Finding = {
  error: 'no_passed_satisfied',
  text: 'no satisfiable builds from passed jobs found for set of inputs',
};

/** Chooses the versions of inputs that share passed jobs (scheduler-semantics §6, with clean correlation). */
export function* planGroup(job: JobRequest, inputs: readonly GroupInput[], budget: WorkBudget): Asking<Findings> {
  const pins = yield* together(inputs.map((input) => findPin(input)));
  const findings = new Map<GroupInput, Finding>();
  const rest: GroupInput[] = [];
  inputs.forEach((input, i) => {
    const missing = pins[i]?.missing;
    if (missing) findings.set(input, missing);
    else rest.push(input);
  });
  // A missing pin is its own input's failure: the others are chosen without it.
  const wanted = new Map(inputs.map((input, i) => [input, pins[i]?.wanted ?? null]));
  const groups = groupBySharedJobs(rest);
  const parts = yield* together(groups.map((group) => searchGroup(job, group, wanted, budget)));
  for (const part of parts) {
    for (const [input, finding] of part) {
      const isAlone = findings.size > 0 && 'row' in finding ? { ...finding, hasNext: false } : finding;
      findings.set(input, isAlone);
    }
  }
  return findings;
}

function* searchGroup(
  job: JobRequest,
  group: readonly GroupInput[],
  wanted: ReadonlyMap<GroupInput, Wanted | null>,
  budget: WorkBudget,
): Asking<Findings> {
  const wants = group.map((input) => wanted.get(input) ?? null);
  if (!wants.every((want) => want !== null)) return all(group, NO_PASSED_SATISFIED);
  try {
    const choice = yield* new GroupSearch(job.jobId, wants, budget).find();
    if (choice === undefined) return all(group, NO_PASSED_SATISFIED);
    return new Map(group.map((input, i) => [input, { ...itemAt(choice.choices, i), hasNext: choice.hasNext }]));
  } catch (error) {
    if (!(error instanceof WorkBudgetSpent)) throw error;
    return all(group, {
      error: 'work_budget_spent',
      text: `no set of inputs found within the work budget (${budget.steps} steps, ${budget.rounds} rounds); tried again when something changes`,
    });
  }
}

interface Pinned {
  readonly missing?: Finding;
  /** null: hopeless. The pin is there but disabled, and what is disabled does not pass (the search would find out late). */
  readonly wanted?: Wanted | null;
}

function* findPin({ request, alternatives }: GroupInput): Asking<Pinned> {
  const { resourceId, version } = request;
  const plain = { resourceId, alternatives, isEvery: version === 'every' };
  if (alternatives.length === 0) return { wanted: null };
  if (typeof version !== 'object') return { wanted: { ...plain, pin: null, forced: null } };
  const pin = version.pinned;
  const matches = yield* ask({ kind: 'pinned', resourceId, pin });
  const [only, second] = matches;
  if (only === undefined) return { missing: pinnedNotFound(pin) };
  if (second !== undefined) return { wanted: { ...plain, pin, forced: null } };
  return { wanted: only.enabled ? { ...plain, pin, forced: only.digest } : null };
}

function all(group: readonly GroupInput[], finding: Finding): Findings {
  return new Map(group.map((input) => [input, finding]));
}

function itemAt<Item>(items: readonly Item[], index: number): Item {
  const item = items[index];
  if (item === undefined) throw new Error(`there is no item ${index}`);
  return item;
}
