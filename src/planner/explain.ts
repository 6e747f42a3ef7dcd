import {
  versionContains,
  type BuildId,
  type Digest,
  type DisabledMark,
  type JobId,
  type NewestVersions,
  type PassedBuild,
  type ResourceId,
  type Version,
  type VersionRow,
} from '../model/index.js';
import { findFixes, findNews, hasNews, type Fix } from './fixes.js';
import { ask, together, type Asking } from './history.js';
import { alternativesOf } from './passed.js';
import { planInputs } from './plan-inputs.js';
import {
  DEFAULT_WORK_BUDGET,
  isResolved,
  type InputPlan,
  type InputRequest,
  type JobRequest,
  type WorkBudget,
} from './types.js';

/** Why a job gets the inputs it gets, or none, as plain data. */
export interface InputsExplanation {
  readonly plan: InputPlan;
  /** In the order of the request. */
  readonly proofs: readonly InputProof[];
  /**
   * Changes that would resolve what is open or, when all is resolved and nothing is new, would give the job something to
   * build; each tried by planning again.
   */
  readonly fixes: readonly Fix[];
}

export interface InputProof {
  readonly name: string;
  readonly resourceId: ResourceId;
  /** The newest versions, newest first, and the chosen one behind them if it is older. */
  readonly candidates: readonly Candidate[];
  /** Versions of the history that are not among the candidates. */
  readonly more: number;
}

export interface Candidate {
  readonly digest: Digest;
  readonly version: Version;
  readonly verdict: Verdict;
}

/** The rule that chose or removed a version. */
export type Verdict =
  | { readonly kind: 'chosen'; readonly vouchedBy: readonly BuildId[] }
  | { readonly kind: 'disabled'; readonly mark: DisabledMark | null }
  | { readonly kind: 'not-pinned'; readonly pin: Version }
  /** No succeeded build of these jobs holds it; with `any`, one job per way. */
  | { readonly kind: 'not-passed'; readonly jobs: readonly JobId[] }
  /** The jobs let it through, but no builds do so together with versions for the other inputs. */
  | { readonly kind: 'not-together'; readonly clash: Clash | null }
  /** It would do, but another one comes first: `newer` for latest, the next in turn for every, or other inputs' order. */
  | { readonly kind: 'comes-later'; readonly because: 'newer-exists' | 'every-in-order' | 'order-of-preference' }
  /** Not found out within the work budget. */
  | { readonly kind: 'unknown' };

/** The newest build of a job that holds the version lacks a usable one for another input that names the job. */
export interface Clash {
  readonly jobId: JobId;
  readonly build: BuildId;
  readonly lacks: string;
}

/** Candidates shown per input. */
const MOST_CANDIDATES = 8;

/** Plans a job and says why: every version looked at with the rule that removed it, and what would help. */
export function* explainInputs(job: JobRequest, budget: WorkBudget = DEFAULT_WORK_BUDGET): Asking<InputsExplanation> {
  const plan = yield* planInputs(job, budget);
  const listed = yield* together(
    job.inputs.map(({ resourceId }) => ask({ kind: 'newest', resourceId, limit: MOST_CANDIDATES, inFull: true })),
  );
  const newest = new Map(job.inputs.map((input, i) => [input, listed[i] ?? { total: 0, rows: [] }]));
  const proofs = yield* together(job.inputs.map((input) => proveInput(job, input, plan, newest, budget)));
  const find = plan.resolved ? findNews : findFixes;
  const fixes = hasNews(job, plan) ? [] : yield* find(job, plan, newest, budget);
  return { plan, proofs, fixes };
}

function* proveInput(
  job: JobRequest,
  input: InputRequest,
  plan: InputPlan,
  newest: ReadonlyMap<InputRequest, NewestVersions>,
  budget: WorkBudget,
): Asking<InputProof> {
  const { name, resourceId } = input;
  const { rows, total } = newest.get(input) ?? { rows: [], total: 0 };
  const planned = plan.inputs[job.inputs.indexOf(input)];
  const chosen = planned && isResolved(planned) ? planned : undefined;
  const verdicts = yield* together(rows.map((row) => judge(job, input, row, plan, budget)));
  const candidates = rows.map(({ digest, version }, i): Candidate => {
    return { digest, version, verdict: verdicts[i] ?? { kind: 'unknown' } };
  });
  if (chosen && !rows.some(({ digest }) => digest === chosen.digest)) {
    const { digest, version, passedBuildIds } = chosen;
    candidates.push({ digest, version, verdict: { kind: 'chosen', vouchedBy: passedBuildIds } });
  }
  return { name, resourceId, candidates, more: Math.max(0, total - candidates.length) };
}

function* judge(
  job: JobRequest,
  input: InputRequest,
  row: VersionRow & { readonly disabledMark?: DisabledMark },
  plan: InputPlan,
  budget: WorkBudget,
): Asking<Verdict> {
  const planned = plan.inputs[job.inputs.indexOf(input)];
  const chosen = planned && isResolved(planned) ? planned : undefined;
  if (chosen?.digest === row.digest) return { kind: 'chosen', vouchedBy: chosen.passedBuildIds };
  const pin = typeof input.version === 'object' ? input.version.pinned : undefined;
  if (pin && !versionContains(row.version, pin)) return { kind: 'not-pinned', pin };
  const ways = alternativesOf(input.passed);
  if (!row.enabled && !(pin && ways === null)) return { kind: 'disabled', mark: row.disabledMark ?? null };
  const because = input.version === 'every' ? 'every-in-order' : 'newer-exists';
  if (ways === null) return { kind: 'comes-later', because };
  const missing = yield* missingJobs(input, row.digest, ways);
  if (missing.every((id) => id !== undefined)) return { kind: 'not-passed', jobs: [...new Set(missing)] };
  return yield* judgeTogether(job, input, row, budget);
}

/** Per way a job that did not let the version through; undefined for a way that is free. */
function* missingJobs(
  { resourceId }: InputRequest,
  digest: Digest,
  ways: readonly (readonly JobId[])[],
): Asking<readonly (JobId | undefined)[]> {
  const jobs = [...new Set(ways.flat())];
  const passed = yield* together(
    jobs.map((jobId) => ask({ kind: 'passed', jobId, versions: [{ resourceId, digest }], isAhead: false })),
  );
  const lets = new Set(jobs.filter((_, i) => passed[i]?.[0] === true));
  return ways.map((way) => way.find((id) => !lets.has(id)));
}

/** Would it do if it were the only one? Then it is only less preferred. */
function* judgeTogether(job: JobRequest, input: InputRequest, row: VersionRow, budget: WorkBudget): Asking<Verdict> {
  const only = { ...input, version: { pinned: row.version, by: 'step' as const } };
  const trial = yield* planInputs({ ...job, inputs: job.inputs.map((each) => (each === input ? only : each)) }, budget);
  const outcome = trial.inputs[job.inputs.indexOf(input)];
  if (outcome && isResolved(outcome)) {
    return { kind: 'comes-later', because: input.version === 'every' ? 'every-in-order' : 'order-of-preference' };
  }
  if (outcome?.error === 'work_budget_spent') return { kind: 'unknown' };
  return { kind: 'not-together', clash: yield* findClash(job, input, row) };
}

function* findClash(job: JobRequest, input: InputRequest, row: VersionRow): Asking<Clash | null> {
  const having = [{ resourceId: input.resourceId, digest: row.digest }];
  const jobs = [...new Set((alternativesOf(input.passed) ?? []).flat())];
  const pages = yield* together(
    jobs.map((jobId) =>
      ask({ kind: 'builds', jobId, having, order: 'newest first', after: null, until: null, limit: 1 }),
    ),
  );
  for (const [i, jobId] of jobs.entries()) {
    const build = pages[i]?.builds[0];
    if (!build) continue;
    for (const other of job.inputs) {
      const names = (alternativesOf(other.passed) ?? []).some((way) => way.includes(jobId));
      if (other !== input && names && !(yield* offersUsable(build, other))) {
        return { jobId, build: build.id, lacks: other.name };
      }
    }
  }
  return null;
}

/** Does the build hold a version that the input may take? */
function* offersUsable(build: PassedBuild, input: InputRequest): Asking<boolean> {
  const digests = build.versions[input.resourceId] ?? [];
  if (digests.length === 0) return false;
  const rows = yield* ask({ kind: 'versions', resourceId: input.resourceId, digests, isAhead: false });
  const pin = typeof input.version === 'object' ? input.version.pinned : undefined;
  const usable = rows.filter((row) => row.enabled && (!pin || versionContains(row.version, pin)));
  const ways = alternativesOf(input.passed) ?? [];
  const missing = yield* together(usable.map(({ digest }) => missingJobs(input, digest, ways)));
  return missing.some((jobs) => jobs.includes(undefined));
}
