import type { Version } from '../model/index.js';
import { readPlanningNames, type Queryable } from '../persistence/index.js';
import {
  describeFix,
  describeVerdict,
  explainInputs,
  jobsNamed,
  type Fix,
  type InputPlan,
  type InputsExplanation,
  type JobRequest,
  type Names,
  type Verdict,
} from '../planner/index.js';
import { askPostgres, POSTGRES_WORK_BUDGET } from './plan-on-postgres.js';

/** Why a job gets its inputs, or none, with words for people beside the data. */
export interface ExplainedInputs {
  readonly plan: InputPlan;
  readonly inputs: readonly ExplainedInput[];
  /** Small changes that would resolve what is open; each was tried. */
  readonly fixes: readonly { readonly text: string; readonly fix: Fix }[];
}
export interface ExplainedInput {
  readonly name: string;
  readonly resource: string;
  /** Names of the jobs that a version must have passed, flat. */
  readonly passed: readonly string[];
  /** Newest first; the chosen version comes last if it is older than all that is shown. */
  readonly candidates: readonly { readonly version: Version; readonly verdict: Verdict; readonly text: string }[];
  readonly more: number;
}

/** Explains what the planner chooses now. All answers are of one moment if `db` is a repeatable-read transaction. */
export async function explainRequest(db: Queryable, request: JobRequest): Promise<ExplainedInputs> {
  const explanation = await askPostgres(db, request, explainInputs(request, POSTGRES_WORK_BUDGET));
  const names = await namesFor(db, request, explanation);
  const inputs = explanation.proofs.map(({ name, resourceId, candidates, more }, i): ExplainedInput => {
    const { passed = null } = request.inputs[i] ?? {};
    const told = candidates.map(({ version, verdict }) => ({
      version,
      verdict,
      text: describeVerdict(verdict, names),
    }));
    const jobs = passed ? jobsNamed(passed).map((id) => names.job(id)) : [];
    return { name, resource: names.resource(resourceId), passed: jobs, candidates: told, more };
  });
  const fixes = explanation.fixes.map((fix) => ({ text: describeFix(fix, names), fix }));
  return { plan: explanation.plan, inputs, fixes };
}

async function namesFor(db: Queryable, request: JobRequest, { proofs }: InputsExplanation): Promise<Names> {
  const verdicts = proofs.flatMap(({ candidates }) => candidates.map(({ verdict }) => verdict));
  const { jobs, resources, builds } = await readPlanningNames(db, {
    jobs: request.inputs.flatMap(({ passed }) => (passed ? jobsNamed(passed) : [])),
    resources: request.inputs.map(({ resourceId }) => resourceId),
    builds: verdicts.flatMap((verdict) => {
      if (verdict.kind === 'chosen') return verdict.vouchedBy;
      return verdict.kind === 'not-together' && verdict.clash ? [verdict.clash.build] : [];
    }),
  });
  return {
    job: (id) => jobs.get(id) ?? `job ${id}`,
    resource: (id) => resources.get(id) ?? `resource ${id}`,
    build: (id) => builds.get(id) ?? `build ${id}`,
    version: versionText,
  };
}

/** `ref:abc branch:main`; a version of one key is its value alone. */
export function versionText(version: Version): string {
  const entries = Object.entries(version);
  return entries.length === 1 ? String(entries[0]?.[1]) : entries.map(([key, value]) => `${key}:${value}`).join(' ');
}
