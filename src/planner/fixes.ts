import type { JobId, NewestVersions } from '../model/index.js';
import { changedHistory, changedRequest, withoutJobs, type Change, type PassedVersion } from './changes.js';
import { together, type Asking } from './history.js';
import { groupBySharedJobs, jobsNamed } from './passed.js';
import { planInputs } from './plan-inputs.js';
import {
  isResolved,
  type InputPlan,
  type InputRequest,
  type JobRequest,
  type UnresolvedInput,
  type WorkBudget,
} from './types.js';

/** Changes which together make the named inputs resolve, or give them something new: found out by planning again with them. */
export interface Fix {
  readonly changes: readonly Change[];
  readonly resolves: readonly string[];
}

/** At most this many fixes are offered for one failure, the smallest first. */
const MOST_FIXES = 5;
/** Sets of changes that are tried for one failure. */
const MOST_TRIALS = 60;

/**
 * Small changes that would resolve what the plan left open. Each was tried: the job was planned again with the change
 * applied. A fix is offered per failure: one free input, or the inputs that share passed jobs.
 */
export function* findFixes(
  job: JobRequest,
  plan: InputPlan,
  newest: ReadonlyMap<InputRequest, NewestVersions>,
  budget: WorkBudget,
): Asking<readonly Fix[]> {
  const failed = job.inputs.filter((_, i) => plan.inputs[i] && !isResolved(plan.inputs[i]));
  const failures = groupBySharedJobs(failed);
  const fixes = yield* together(
    failures.map((failure) => fixOne(job, failure, plan, newest, budget, (trial) => resolvedIn(failure, trial))),
  );
  return fixes.flat();
}

/**
 * Small changes that would give a job with nothing new something to build: a version that triggers, and that it never used.
 * Each was tried.
 */
export function* findNews(
  job: JobRequest,
  plan: InputPlan,
  newest: ReadonlyMap<InputRequest, NewestVersions>,
  budget: WorkBudget,
): Asking<readonly Fix[]> {
  const groups = groupBySharedJobs(job.inputs).filter((group) => group.some(({ trigger }) => trigger));
  const fixes = yield* together(
    groups.map((group) => fixOne(job, group, plan, newest, budget, (trial) => newIn(job, group, trial))),
  );
  return fixes.flat();
}

/** Does a version that triggers wait to be built? */
export function hasNews(job: JobRequest, plan: InputPlan): boolean {
  return newIn(job, job.inputs, plan).length > 0;
}

/** Which of the inputs the trial helps; none: it is no fix. */
type Goal = (trial: InputPlan) => readonly string[];

function resolvedIn(failure: readonly InputRequest[], trial: InputPlan): readonly string[] {
  const names = failure.map(({ name }) => name);
  return trial.inputs.filter((input) => names.includes(input.name)).every(isResolved) ? names : [];
}

function newIn(job: JobRequest, group: readonly InputRequest[], trial: InputPlan): readonly string[] {
  if (!trial.resolved) return [];
  return group.flatMap((input) => {
    const planned = trial.inputs[job.inputs.indexOf(input)];
    return input.trigger && planned && isResolved(planned) && planned.firstOccurrence ? [input.name] : [];
  });
}

function* fixOne(
  job: JobRequest,
  failure: readonly InputRequest[],
  plan: InputPlan,
  newest: ReadonlyMap<InputRequest, NewestVersions>,
  budget: WorkBudget,
  goal: Goal,
): Asking<readonly Fix[]> {
  const errors = plan.inputs.filter(
    (input): input is UnresolvedInput => failure.some(({ name }) => name === input.name) && !isResolved(input),
  );
  if (errors.some(({ error }) => error === 'work_budget_spent')) return [];
  const single = failure.flatMap((input) => changesOfVersions(input, newest.get(input)));
  const found = yield* tryAll(
    job,
    single.map((change) => [change]),
    budget,
    goal,
  );
  if (found.length < MOST_FIXES) {
    const jobs = [...new Set(failure.flatMap(({ passed }) => (passed ? jobsNamed(passed) : [])))].sort((a, b) => a - b);
    // The fewer builds are needed the better: sets of more jobs only when no smaller one helps.
    for (const sets of [jobs.map((one) => [one]), pairsOf(jobs), jobs.length > 2 ? [jobs] : []]) {
      const passes = yield* together(sets.slice(0, MOST_TRIALS).map((set) => passesFor(job, failure, set, budget)));
      const trials = passes.filter((changes) => changes.length > 0);
      found.push(...(yield* tryAll(job, trials, budget, goal)));
      if (found.length > 0) break;
    }
  }
  return found.slice(0, MOST_FIXES);
}

/** What could be changed about the versions of one input. */
function changesOfVersions(input: InputRequest, newest: NewestVersions | undefined): readonly Change[] {
  const { resourceId, name, version } = input;
  const changes: Change[] = [];
  if (typeof version === 'object') changes.push({ do: 'unpin', input: name, resourceId, by: version.by });
  for (const row of newest?.rows ?? []) if (!row.enabled) changes.push({ do: 'enable', resourceId, row });
  if (newest?.total === 0) changes.push({ do: 'find-version', resourceId });
  return changes;
}

/** The builds that would have to succeed if what the jobs have let through so far did not matter. */
function* passesFor(
  job: JobRequest,
  failure: readonly InputRequest[],
  jobs: readonly JobId[],
  budget: WorkBudget,
): Asking<readonly Change[]> {
  const inputs = failure.map((input) => ({ ...input, passed: input.passed && withoutJobs(input.passed, jobs) }));
  const plan = yield* planInputs({ ...job, inputs }, budget);
  if (!plan.resolved) return [];
  return jobs.flatMap((jobId): Change[] => {
    const versions = plan.inputs.flatMap((input, i): PassedVersion[] => {
      const asked = failure[i]?.passed;
      if (!isResolved(input) || !asked || !jobsNamed(asked).includes(jobId)) return [];
      return [{ resourceId: input.resourceId, digest: input.digest, version: input.version }];
    });
    return versions.length > 0 ? [{ do: 'pass', jobId, versions }] : [];
  });
}

function* tryAll(
  job: JobRequest,
  trials: readonly (readonly Change[])[],
  budget: WorkBudget,
  goal: Goal,
): Asking<Fix[]> {
  const results = yield* together(
    trials
      .slice(0, MOST_TRIALS)
      .map((changes) => changedHistory(planInputs(changedRequest(job, changes), budget), changes)),
  );
  return results.flatMap((plan, i): Fix[] => {
    const resolves = goal(plan);
    return resolves.length > 0 ? [{ changes: trials[i] ?? [], resolves }] : [];
  });
}

function pairsOf<Item>(items: readonly Item[]): Item[][] {
  return items.flatMap((a, i) => items.slice(i + 1).map((b) => [a, b]));
}
