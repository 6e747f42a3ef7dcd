import type { JobId, Version } from '../model/index.js';
import { readJobSnapshot, readPlanningNames, type Db, type Queryable } from '../persistence/index.js';
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
import { askPostgres } from './plan-on-postgres.js';
import { requestOf } from './round.js';

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
  /** Newest first; the chosen version comes last if it is older than all that is shown. */
  readonly candidates: readonly { readonly version: Version; readonly verdict: Verdict; readonly text: string }[];
  readonly more: number;
}

/** Explains what the job's next plan is, as of one moment. @returns undefined when there is no such job. */
export async function explainJob(db: Db, jobId: JobId): Promise<ExplainedInputs | undefined> {
  return db.tx(async (tx) => {
    const snapshot = await readJobSnapshot(tx, jobId);
    return snapshot && explainRequest(tx, requestOf(snapshot));
  }, 'REPEATABLE READ');
}

export async function explainRequest(db: Queryable, request: JobRequest): Promise<ExplainedInputs> {
  const explanation = await askPostgres(db, request, explainInputs(request));
  const names = await namesFor(db, request, explanation);
  const inputs = explanation.proofs.map(({ name, resourceId, candidates, more }): ExplainedInput => {
    const told = candidates.map(({ version, verdict }) => ({
      version,
      verdict,
      text: describeVerdict(verdict, names),
    }));
    return { name, resource: names.resource(resourceId), candidates: told, more };
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
function versionText(version: Version): string {
  const entries = Object.entries(version);
  return entries.length === 1 ? String(entries[0]?.[1]) : entries.map(([key, value]) => `${key}:${value}`).join(' ');
}
