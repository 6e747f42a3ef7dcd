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
  const findings = new Map<InputRequest, Finding>();
  const free: InputRequest[] = [];
  const grouped: GroupInput[] = [];
  for (const request of job.inputs) {
    if (request.passed !== null && countAlternatives(request.passed) > MOST_ALTERNATIVES) {
      findings.set(request, TOO_MANY_ALTERNATIVES);
      continue;
    }
    const alternatives = alternativesOf(request.passed);
    if (request.passed === null || alternatives === null) free.push(request);
    else grouped.push({ request, passed: request.passed, alternatives });
  }
  const parts: Asking<void>[] = [
    ...free.map(function* (input): Asking<void> {
      findings.set(input, yield* planFreeInput(job, input));
    }),
    ...groupBySharedJobs(grouped).map(function* (group): Asking<void> {
      for (const [{ request }, finding] of yield* planGroup(job, group, budget)) findings.set(request, finding);
    }),
  ];
  yield* together(parts);
  return yield* withFirstOccurrences(job, findings);
}

function* withFirstOccurrences(job: JobRequest, findings: ReadonlyMap<InputRequest, Finding>): Asking<InputPlan> {
  const queries: HistoryQuery[] = [];
  for (const input of job.inputs) {
    const finding = findings.get(input);
    if (finding === undefined) throw new Error(`input ${input.name} was not planned`);
    const { name, resourceId } = input;
    if ('row' in finding)
      queries.push({ kind: 'recorded', jobId: job.jobId, name, resourceId, digest: finding.row.digest });
  }
  const recorded = (queries.length === 0 ? [] : yield queries).values();
  const inputs = job.inputs.map((input): ResolvedInput | UnresolvedInput => {
    const { name, resourceId } = input;
    const finding = findings.get(input) as Finding;
    if ('error' in finding) return { name, resourceId, ...finding };
    const { digest, version } = finding.row;
    const firstOccurrence = recorded.next().value === false;
    return { name, resourceId, digest, version, firstOccurrence, passedBuildIds: finding.passedBuildIds };
  });
  const hasNext = [...findings.values()].some((finding) => 'row' in finding && finding.hasNext);
  return { resolved: inputs.every((input) => !('error' in input)), hasNext, inputs };
}
