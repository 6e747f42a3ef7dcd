import type { HistoryQuery } from '../model/index.js';
import { type Finding, planFreeInput } from './free-input.js';
import { type GroupInput, planGroup } from './group.js';
import { type Asking, together } from './history.js';
import { alternativesOf, countAlternatives, groupBySharedJobs, MOST_ALTERNATIVES } from './passed.js';
import {
  DEFAULT_WORK_BUDGET,
  type InputPlan,
  type InputRequest,
  type JobRequest,
  type ResolvedInput,
  type UnresolvedInput,
  type WorkBudget,
} from './types.js';

const TOO_MANY_ALTERNATIVES: Finding = {
  error: 'work_budget_spent',
  text: `passed offers more than ${MOST_ALTERNATIVES} ways to be satisfied, which is more than are tried`,
};

/**
 * Decides which version each input of a job gets, or why it gets none (docs/concepts/planning.md). Pure: what it needs to
 * know of history it yields as questions, to be resumed with the answers. Equal answers give equal plans.
 *
 * Inputs without `passed` are chosen one by one; inputs with `passed` in groups that share passed jobs. All parts ask
 * side by side, so a plan takes few rounds however many inputs it has. At most `budget` is spent on each group.
 */
export function* planInputs(job: JobRequest, budget: WorkBudget = DEFAULT_WORK_BUDGET): Asking<InputPlan> {
  /** By input; each is replaced when it was planned. */
  const findings = job.inputs.map((): Finding => TOO_MANY_ALTERNATIVES);
  const parts: Asking<void>[] = [];
  const grouped: GroupInput[] = [];
  job.inputs.forEach((request, at) => {
    const { passed } = request;
    if (passed !== null && countAlternatives(passed) > MOST_ALTERNATIVES) return;
    const alternatives = alternativesOf(passed);
    if (passed === null || alternatives === null) parts.push(planOneInto(findings, job, at));
    else grouped.push({ request, at, passed, alternatives });
  });
  for (const group of groupBySharedJobs(grouped)) parts.push(planGroupInto(findings, job, group, budget));
  yield* together(parts);
  return yield* withFirstOccurrences(job, findings);
}

// Generator functions are made once, not per plan: each one made costs the garbage collector dearly.

function* planOneInto(findings: Finding[], job: JobRequest, at: number): Asking<void> {
  findings[at] = yield* planFreeInput(job, job.inputs[at] as InputRequest);
}

function* planGroupInto(
  findings: Finding[],
  job: JobRequest,
  group: readonly GroupInput[],
  budget: WorkBudget,
): Asking<void> {
  const found = yield* planGroup(job, group, budget);
  group.forEach(({ at }, i) => (findings[at] = found[i] as Finding));
}

function* withFirstOccurrences(job: JobRequest, findings: readonly Finding[]): Asking<InputPlan> {
  const queries: HistoryQuery[] = [];
  job.inputs.forEach(({ name, resourceId }, at) => {
    const finding = findings[at] as Finding;
    if ('row' in finding)
      queries.push({ kind: 'recorded', jobId: job.jobId, name, resourceId, digest: finding.row.digest });
  });
  const recorded = (queries.length === 0 ? [] : yield queries).values();
  const inputs = job.inputs.map(({ name, resourceId }, at): ResolvedInput | UnresolvedInput => {
    const finding = findings[at] as Finding;
    if ('error' in finding) return { name, resourceId, ...finding };
    const { digest, version } = finding.row;
    const firstOccurrence = recorded.next().value === false;
    return { name, resourceId, digest, version, firstOccurrence, passedBuildIds: finding.passedBuildIds };
  });
  const hasNext = findings.some((finding) => 'row' in finding && finding.hasNext);
  return { resolved: inputs.every((input) => !('error' in input)), hasNext, inputs };
}
