import type { PinnedQuery, Version, VersionRow } from '../model/index.js';
import { type Finding, pinnedNotFound } from './free-input.js';
import { GroupKnowledge, WorkBudgetSpent } from './group-knowledge.js';
import { GroupSearch } from './group-search.js';
import { jobsOf, type Wanted } from './group-state.js';
import { type Asking, together } from './history.js';
import { type Alternative, groupBySharedJobs } from './passed.js';
import type { InputRequest, JobRequest, WorkBudget } from './types.js';

/** An input that has something to pass. */
export interface GroupInput {
  readonly request: InputRequest;
  /** Its index among the job's inputs. */
  readonly at: number;
  readonly passed: NonNullable<InputRequest['passed']>;
  readonly alternatives: readonly Alternative[];
}

export const NO_PASSED_SATISFIED: Finding = {
  error: 'no_passed_satisfied',
  text: 'no satisfiable builds from passed jobs found for set of inputs',
};

/**
 * Chooses the versions of inputs that share passed jobs (scheduler-semantics §6, with clean correlation).
 * @returns by input
 */
export function* planGroup(
  job: JobRequest,
  inputs: readonly GroupInput[],
  budget: WorkBudget,
): Asking<readonly Finding[]> {
  const wanted = inputs.map(wantedOf);
  const missing = new Map<GroupInput, Finding>();
  for (const { input, index, pin, matches } of yield* findPins(inputs)) {
    const [only, second] = matches;
    if (only === undefined) missing.set(input, pinnedNotFound(pin));
    else wanted[index] = withPin(input, pin, second === undefined ? only : null);
  }
  if (missing.size === 0) return yield* searchGroup(job, wanted, budget);
  // A missing pin is its own input's failure: the others are chosen without it.
  const groups = groupBySharedJobs(inputs.filter((input) => !missing.has(input)));
  const parts = yield* together(
    groups.map((group) => {
      const wants = group.map((input) => wanted[inputs.indexOf(input)] ?? null);
      return searchGroup(job, wants, budget);
    }),
  );
  const findings = inputs.map((input): Finding => missing.get(input) ?? NO_PASSED_SATISFIED);
  groups.forEach((group, g) => {
    group.forEach((input, i) => {
      const finding = parts[g]?.[i] as Finding;
      findings[inputs.indexOf(input)] = 'row' in finding ? { ...finding, hasNext: false } : finding;
    });
  });
  return findings;
}

function* searchGroup(
  job: JobRequest,
  wants: readonly (Wanted | null)[],
  budget: WorkBudget,
): Asking<readonly Finding[]> {
  if (!wants.every((want) => want !== null)) return wants.map(() => NO_PASSED_SATISFIED);
  try {
    const knowledge = new GroupKnowledge(budget, jobsOf(wants));
    const choices = yield* new GroupSearch(job.jobId, wants, knowledge).find();
    return choices ?? wants.map(() => NO_PASSED_SATISFIED);
  } catch (error) {
    if (!(error instanceof WorkBudgetSpent)) throw error;
    const text = `no set of inputs found within the work budget (${budget.steps} steps, ${budget.rounds} rounds); tried again when something changes`;
    return wants.map(() => ({ error: 'work_budget_spent', text }));
  }
}

interface FoundPin {
  readonly input: GroupInput;
  /** Of the input in its group. */
  readonly index: number;
  readonly pin: Version;
  readonly matches: readonly VersionRow[];
}

function* findPins(inputs: readonly GroupInput[]): Asking<readonly FoundPin[]> {
  const pinned = inputs.flatMap((input, index) => {
    const { version } = input.request;
    return typeof version === 'object' ? [{ input, index, pin: version.pinned }] : [];
  });
  if (pinned.length === 0) return [];
  const answers = yield pinned.map(({ input, pin }): PinnedQuery => {
    return { kind: 'pinned', resourceId: input.request.resourceId, pin };
  });
  return pinned.map((each, i): FoundPin => ({ ...each, matches: answers[i] as readonly VersionRow[] }));
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
