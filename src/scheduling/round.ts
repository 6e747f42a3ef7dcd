import type { BuildId, JobId, JobSnapshot, PendingBuild, ResourceId, StoredInput, Version } from '../model/index.js';
import {
  adoptedVersions,
  adoptInputs,
  copyInputs,
  createAutomaticBuild,
  finishBuild,
  refuseBuild,
  lockForRound,
  readJobForRound,
  readJobSnapshot,
  readSlots,
  saveNextInputs,
  saveRound,
  scheduleRequests,
  startBuild,
  type Queryable,
  type RoundGuard,
  type Tx,
} from '../persistence/index.js';
import {
  blockersOf,
  BuildPlanError,
  decideBuilds,
  isResolved,
  makeBuildPlan,
  NEW_BUILD,
  type BuildDecision,
  type InputPlan,
  type JobRequest,
  type Passed,
} from '../planner/index.js';
import type { ConfigCache } from './config-cache.js';

/** Chooses versions for a job; only reads. */
export type PlanInputs = (db: Queryable, request: JobRequest) => Promise<InputPlan>;

/**
 * `done`: decided and applied. `idle`: nothing is requested, or the job is gone. `stale`: the world changed meanwhile, nothing
 * was written. `busy`: another server is at it.
 */
export type RoundOutcome =
  | { readonly kind: 'done'; readonly started: readonly BuildId[]; readonly checks: readonly ResourceId[] }
  | { readonly kind: 'idle' | 'stale' | 'busy' };

/** Undoes the round: what was decided does not fit what is there. */
class StaleError extends Error {}

/**
 * One round of one job, in one transaction: read, choose, lock, make sure that nothing changed since the reading, decide,
 * write. Until the locks it holds none, so that choosing never holds up a check or a build.
 *
 * @param mayLag false: a request that came in meanwhile makes the round stale. True: only a second round does; for a job
 * that is asked to schedule more often than it can be planned.
 */
export class Round {
  constructor(
    private readonly plan: PlanInputs,
    private readonly configs: ConfigCache,
  ) {}

  async run(tx: Tx, jobId: JobId, mayLag = false): Promise<RoundOutcome> {
    const snapshot = await readJobForRound(tx, jobId);
    if (snapshot === 'busy') return { kind: 'busy' };
    if (!snapshot || snapshot.scheduleRequested === snapshot.scheduleDone) return { kind: 'idle' };
    return this.apply(tx, snapshot, await this.plan(tx, requestOf(snapshot)), mayLag);
  }

  /** Applies what was planned for the snapshot, or nothing at all. */
  async apply(tx: Tx, snapshot: JobSnapshot, plan: InputPlan, mayLag = false): Promise<RoundOutcome> {
    const guard = await lockForRound(tx, snapshot.pipelineId, snapshot.jobId);
    if (!guard || !isUnchanged(snapshot, guard, mayLag)) return { kind: 'stale' };
    const current = await this.current(tx, snapshot, mayLag);
    if (!current) return { kind: 'stale' };
    // How fresh the checks are is judged by what the plan could see.
    return this.write(tx, { ...current, inputs: snapshot.inputs }, plan, snapshot.scheduleRequested);
  }

  /** Without a new request only what other jobs do can have changed: who holds the slots. */
  private async current(tx: Tx, snapshot: JobSnapshot, mayLag: boolean): Promise<JobSnapshot | undefined> {
    if (mayLag) return readJobSnapshot(tx, snapshot.jobId);
    return snapshot.limit === null ? snapshot : { ...snapshot, ...(await readSlots(tx, snapshot.jobId)) };
  }

  private async write(tx: Tx, job: JobSnapshot, plan: InputPlan, request: number): Promise<RoundOutcome> {
    const decision = decideBuilds(job, plan);
    const created = decision.create ? await createAutomaticBuild(tx, job.jobId) : undefined;
    const builds = decision.builds.flatMap((each): BuildDecision<PendingBuild>[] => {
      const build = each.build === NEW_BUILD ? created : each.build;
      return build ? [{ ...each, build }] : [];
    });
    const started: BuildId[] = [];
    for (const each of builds) if (await this.carryOut(tx, job, plan, each)) started.push(each.build.id);
    const usedPlan = builds.some((each) => each.do === 'start' && each.inputs === 'planned');
    await saveIfChanged(tx, job, plan, usedPlan);
    await saveRound(tx, job.jobId, {
      scheduleDone: request,
      hasNewInputs: decision.hasNewInputs,
      inputsDetermined: plan.resolved,
      blockers: blockersOf({ ...decision, builds }, plan),
    });
    if (decision.again) await scheduleRequests.jobs(tx, [job.jobId]);
    // Builds of our groups that stood behind ours need no longer stand there once ours has no inputs.
    const [first] = builds;
    if (first && job.limit !== null && !plan.resolved && (job.inputsDetermined || !job.isKnown))
      await scheduleRequests.slotFreedBy(tx, first.build.id);
    return { kind: 'done', started, checks: decision.checks };
  }

  /** @returns true when the build was started. */
  private async carryOut(
    tx: Tx,
    job: JobSnapshot,
    plan: InputPlan,
    decided: BuildDecision<PendingBuild>,
  ): Promise<boolean> {
    const { build } = decided;
    if (decided.do === 'wait') return false;
    if (decided.do === 'abort') {
      await finishBuild(tx, build.id, 'aborted');
      return false;
    }
    const missing =
      build.rerunOf !== null
        ? await copyInputs(tx, build.id, build.rerunOf)
        : await adoptInputs(tx, build.id, job.jobId, toStored(plan, false), pipesOf(plan));
    if (missing.length > 0) {
      if (build.rerunOf === null) throw new StaleError('a chosen version is gone');
      const words = missing.map((name) => `chosen version of input ${name} not available`).join('\n');
      await refuseBuild(tx, build.id, 'aborted', words);
      return false;
    }
    const versions = build.rerunOf !== null ? await adoptedVersions(tx, build.id) : versionsOf(plan);
    return this.start(tx, job, build.id, versions);
  }

  /** The plan is made of the config as it is now, for reruns too. */
  private async start(tx: Tx, job: JobSnapshot, id: BuildId, versions: ReadonlyMap<string, Version>): Promise<boolean> {
    const config = await this.configs.get(tx, job.pipelineId, job.configVersion);
    const jobConfig = config.jobs.find((each) => each.name === job.jobName);
    try {
      if (!jobConfig) throw new BuildPlanError(`the pipeline's config has no job '${job.jobName}'`);
      await startBuild(tx, id, makeBuildPlan(jobConfig, config, versions));
      return true;
    } catch (error) {
      if (!(error instanceof BuildPlanError)) throw error;
      await refuseBuild(tx, id, 'errored', error.message);
      return false;
    }
  }
}

/** True for a round that undid itself because the world had changed. */
export function isStale(error: unknown): boolean {
  return error instanceof StaleError;
}

/** What the job asks for. A pin of the step beats one of the resource. */
export function requestOf(snapshot: JobSnapshot): JobRequest {
  return {
    jobId: snapshot.jobId,
    inputs: snapshot.inputs.map(({ name, resourceId, trigger, passed, version, pin }) => ({
      name,
      resourceId,
      trigger,
      passed: passed as Passed | null,
      version:
        version !== null && typeof version === 'object'
          ? { pinned: version, by: 'step' }
          : pin
            ? { pinned: pin.version, by: pin.by }
            : (version ?? 'latest'),
    })),
  };
}

function isUnchanged(snapshot: JobSnapshot, guard: RoundGuard, mayLag: boolean): boolean {
  return (
    guard.scheduleDone === snapshot.scheduleDone &&
    (mayLag || guard.scheduleRequested === snapshot.scheduleRequested) &&
    guard.configVersion === snapshot.configVersion &&
    guard.isArchived === snapshot.isArchived &&
    guard.isPaused === (snapshot.pipelinePaused !== null || snapshot.jobPaused !== null)
  );
}

async function saveIfChanged(tx: Tx, job: JobSnapshot, plan: InputPlan, usedPlan: boolean): Promise<void> {
  const inputs = toStored(plan, usedPlan);
  const pipes = pipesOf(plan);
  const isSame =
    JSON.stringify(inputs.map(inOrder)) === JSON.stringify(job.nextInputs.map(inOrder)) &&
    pipes.join() === job.nextPipes.join();
  if (!isSame) await saveNextInputs(tx, job.jobId, inputs, pipes);
}

function inOrder(input: StoredInput): unknown[] {
  return [input.name, input.resourceId, input.digest, input.firstOccurrence, input.errorCode, input.errorText];
}

/** @param isUsed a build of this round recorded them, so none is a first occurrence any more. */
function toStored(plan: InputPlan, isUsed: boolean): StoredInput[] {
  return plan.inputs.map((input) => {
    const { name, resourceId } = input;
    if (isResolved(input)) {
      const { digest, version } = input;
      return {
        name,
        resourceId,
        digest,
        version,
        firstOccurrence: input.firstOccurrence && !isUsed,
        errorCode: null,
        errorText: null,
      };
    }
    return {
      name,
      resourceId,
      digest: null,
      version: null,
      firstOccurrence: null,
      errorCode: input.error,
      errorText: input.text,
    };
  });
}

/** Ascending, each once. */
function pipesOf(plan: InputPlan): BuildId[] {
  return [...new Set(plan.inputs.flatMap((input) => (isResolved(input) ? input.passedBuildIds : [])))].sort(
    (a, b) => a - b,
  );
}

function versionsOf(plan: InputPlan): ReadonlyMap<string, Version> {
  return new Map(plan.inputs.flatMap((input) => (isResolved(input) ? [[input.name, input.version] as const] : [])));
}
