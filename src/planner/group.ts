import type { PinnedQuery, Version, VersionRow } from '../model/index.js';
import { type Finding, pinnedNotFound } from './free-input.js';
import { WorkBudgetSpent } from './group-knowledge.js';
import { GroupSearch, type Wanted } from './group-search.js';
import { type Asking, together } from './history.js';
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
  const findings = new Map<GroupInput, Finding>();
  const wanted = new Map(inputs.map((input) => [input, wantedOf(input)]));
  for (const [input, pin, matches] of yield* findPins(inputs)) {
    const [only, second] = matches;
    if (only === undefined) findings.set(input, pinnedNotFound(pin));
    else wanted.set(input, withPin(input, pin, second === undefined ? only : null));
  }
  // A missing pin is its own input's failure: the others are chosen without it.
  const isWhole = findings.size === 0;
  const groups = isWhole ? [inputs] : groupBySharedJobs(inputs.filter((input) => !findings.has(input)));
  const parts = yield* together(groups.map((group) => searchGroup(job, group, wanted, budget)));
  for (const part of parts) {
    for (const [input, finding] of part)
      findings.set(input, isWhole || !('row' in finding) ? finding : { ...finding, hasNext: false });
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

type FoundPin = readonly [input: GroupInput, pin: Version, matches: readonly VersionRow[]];

function* findPins(inputs: readonly GroupInput[]): Asking<readonly FoundPin[]> {
  const pinned = inputs.flatMap((input) => {
    const { version } = input.request;
    return typeof version === 'object' ? [{ input, pin: version.pinned }] : [];
  });
  if (pinned.length === 0) return [];
  const answers = yield pinned.map(({ input, pin }): PinnedQuery => {
    return { kind: 'pinned', resourceId: input.request.resourceId, pin };
  });
  return pinned.map(({ input, pin }, i): FoundPin => [input, pin, answers[i] as readonly VersionRow[]]);
}

/** null: hopeless, as nothing can satisfy `passed`. */
function wantedOf({ request, alternatives }: GroupInput): Wanted | null {
  if (alternatives.length === 0) return null;
  const { resourceId, version } = request;
  return { resourceId, alternatives, isEvery: version === 'every', pin: null, forced: null };
}

/** @param only null: several versions match. A pin that is disabled is hopeless, as what is disabled does not pass. */
function withPin(input: GroupInput, pin: Version, only: VersionRow | null): Wanted | null {
  const wanted = wantedOf(input);
  if (wanted === null || only === null) return wanted && { ...wanted, pin };
  return only.enabled ? { ...wanted, pin, forced: only.digest } : null;
}

function all(group: readonly GroupInput[], finding: Finding): Findings {
  return new Map(group.map((input) => [input, finding]));
}

function itemAt<Item>(items: readonly Item[], index: number): Item {
  const item = items[index];
  if (item === undefined) throw new Error(`there is no item ${index}`);
  return item;
}
