import { Inject, Injectable } from '@nestjs/common';
import { isDeepStrictEqual } from 'node:util';
import {
  isFinal,
  type Build,
  type BuildId,
  type BuildResources,
  type JobConfig,
  type JobId,
  type JsonObject,
  type Page,
  type PipelineConfig,
  type PipelineId,
  type PlanNode,
  type TeamId,
} from '../model/index.js';
import {
  Db,
  adoptedVersions,
  buildResources,
  createManualBuild,
  createOneOffBuild,
  createRerun,
  findBuild,
  findBuildByName,
  findPlan,
  findTriggerTarget,
  finishBuild,
  listBuilds,
  loadJournal,
  pipelineConfigOf,
  requestAbort,
  setBuildComment,
  useArtifacts,
  type BuildFilter,
  type BuildPageRequest,
  type TriggerTarget,
  type Tx,
} from '../persistence/index.js';
import { jobVarProblems } from '../pipelines/index.js';
import { BuildPlanError, makeBuildPlan } from '../planner/index.js';
import { ConflictError, NotFoundError, UserError } from '../platform/index.js';
import { ARTIFACTS, type ArtifactStore } from '../runtime/index.js';
import { artifactsOf } from './build-run.js';
import { keptSteps, outcomesOf } from './kept-steps.js';
import { parsePostedPlan, uploadsIn } from './posted-plan.js';

/** Builds as people ask for them: trigger, rerun, abort, look. What runs them is the engine. */
@Injectable()
export class BuildsService {
  constructor(
    @Inject(Db) private readonly db: Db,
    @Inject(ARTIFACTS) private readonly artifacts: Pick<ArtifactStore, 'exists'>,
  ) {}

  /**
   * Adds a pending build, which waits for fresh checks of the job's inputs and then resolves them anew. Works while job or
   * pipeline are paused; the build then waits.
   * @param given values for the job's `vars`, unchecked
   * @throws ConflictError `manual-trigger-disabled`, `pipeline-archived`; UserError `invalid-vars` with everything that is
   *   wrong with them; NotFoundError.
   */
  async triggerJob(jobId: JobId, by?: string, given: JsonObject = {}): Promise<Build> {
    const id = await this.db.tx(async (tx) => {
      const job = await this.triggerTarget(tx, jobId);
      if (job.config.disable_manual_trigger) {
        throw new ConflictError(
          'manual-trigger-disabled',
          `job '${job.name}' cannot be triggered by hand: its config sets disable_manual_trigger`,
        );
      }
      demandFit(job, given);
      return createManualBuild(tx, jobId, by, given);
    });
    return this.getBuild(id);
  }

  /**
   * Adds a pending build with the inputs of an earlier one, named `<original>.<n>`.
   * @throws ConflictError `reruns-disabled`, `pipeline-archived`, `inputs-unknown`; NotFoundError.
   */
  async rerunBuild(buildId: BuildId, by?: string): Promise<Build> {
    const original = await this.getBuild(buildId);
    return this.getBuild(await this.db.tx((tx) => this.addRerun(tx, original, by)));
  }

  private async addRerun(tx: Tx, original: Build, by?: string, resumeOf?: BuildId): Promise<BuildId> {
    const { id, jobId } = original;
    if (jobId === undefined)
      throw new UserError('not-a-job-build', `build ${id} belongs to no job and cannot be run again`);
    const job = await this.triggerTarget(tx, jobId);
    if (job.config.disable_reruns) {
      throw new ConflictError(
        'reruns-disabled',
        `builds of job '${job.name}' cannot be run again: its config sets disable_reruns`,
      );
    }
    const rerun = await createRerun(tx, id, by, resumeOf);
    if (rerun !== undefined) return rerun;
    throw new ConflictError(
      'inputs-unknown',
      `build ${original.name} never got its inputs, so there is nothing to run again; trigger the job instead`,
    );
  }

  /**
   * Starts a one-off build, in the pipeline if one is given: its vars, resources and types are then known.
   * @param posted see {@link parsePostedPlan}
   * @param by who posts it, and whether they may set pipelines of the team
   * @throws PostedPlanError; NotFoundError for an uploaded artifact that the team does not have.
   */
  async runPlan(
    owner: { readonly teamId: TeamId; readonly pipelineId?: PipelineId },
    posted: unknown,
    by: { readonly name?: string; readonly maySetPipelines?: boolean } = {},
  ): Promise<Build> {
    const pipeline = owner.pipelineId === undefined ? undefined : await pipelineConfigOf(this.db, owner.pipelineId);
    const { maySetPipelines = false } = by;
    const plan = parsePostedPlan(posted, { maySetPipelines, ...(pipeline ? { pipeline } : {}) });
    const uploads = uploadsIn(plan);
    const id = await this.db.tx(async (tx) => {
      const build = await createOneOffBuild(tx, owner, plan, by.name);
      const missing = await useArtifacts(tx, owner.teamId, build, uploads);
      if (missing.length === 0) return build;
      throw new NotFoundError(`the team has no artifact ${missing.join(', ')}, or it has expired; upload it again`);
    });
    return this.getBuild(id);
  }

  /**
   * Adds a pending rerun that takes over the steps which ended well before the first that did not, with what they made.
   * @throws ConflictError `build-not-failed`, `artifacts-gone`, `plan-changed`, and those of {@link rerunBuild}.
   */
  async resumeBuild(buildId: BuildId, by?: string): Promise<Build> {
    const original = await this.getBuild(buildId);
    if (!isFinal(original.status) || original.status === 'succeeded') {
      throw new ConflictError(
        'build-not-failed',
        `build ${original.name} is ${original.status}: only a build that failed, errored or was aborted can be resumed`,
      );
    }
    const id = await this.db.tx(async (tx) => {
      const rerun = await this.addRerun(tx, original, by, buildId);
      // After the rerun was added: from its commit on nobody removes what it needs.
      await this.demandSamePlan(tx, original);
      await this.demandArtifacts(tx, original);
      return rerun;
    });
    return this.getBuild(id);
  }

  private async demandSamePlan(tx: Tx, { id, name, pipelineId, jobName }: Build): Promise<void> {
    const recorded = await findPlan(tx, id);
    const config = pipelineId && (await pipelineConfigOf(tx, pipelineId));
    const job = config && config.jobs.find((each) => each.name === jobName);
    const now = job && (await planNow(tx, job, config, id));
    if (recorded && isDeepStrictEqual(now, recorded)) return;
    throw new ConflictError(
      'plan-changed',
      `build ${name} cannot be resumed: ${recorded ? 'its job was changed since' : 'it never started'}; run it again from the start`,
    );
  }

  private async demandArtifacts(tx: Tx, { id, name }: Build): Promise<void> {
    const journal = await loadJournal(tx, id);
    const plan = await findPlan(tx, id);
    const kept = new Set(plan ? keptSteps(plan, outcomesOf(journal)).ids : []);
    for (const step of journal) {
      if (!kept.has(step.stepId)) continue;
      for (const ref of artifactsOf(step.result)) {
        if (await this.artifacts.exists(ref)) continue;
        throw new ConflictError(
          'artifacts-gone',
          `build ${name} cannot be resumed: what its steps made is no longer kept; run it again from the start`,
        );
      }
    }
  }

  /**
   * Aborts the build: a pending one never starts, a started one has its steps interrupted, its hooks run. Aborting a finished
   * build changes nothing. `force` gives the status `aborted` at once, whatever still runs.
   */
  async abortBuild(buildId: BuildId, by?: string, force = false): Promise<void> {
    const known = await this.db.tx(async (tx) => {
      const wanted = await requestAbort(tx, buildId, by);
      if (wanted && force) await finishBuild(tx, buildId, 'aborted');
      return wanted;
    });
    if (!known) await this.getBuild(buildId);
  }

  async getBuild(buildId: BuildId): Promise<Build> {
    const build = await findBuild(this.db, buildId);
    if (!build) throw new NotFoundError(`build ${buildId} does not exist`);
    return build;
  }

  /** The job's build of that name; `latest` is its newest. */
  async getJobBuild(jobId: JobId, name: string): Promise<Build> {
    const build = await findBuildByName(this.db, jobId, name);
    if (!build) throw new NotFoundError(`the job has no build '${name}'`);
    return build;
  }

  async listBuilds(filter: BuildFilter, page: BuildPageRequest = {}): Promise<Page<Build>> {
    if (page.from !== undefined && page.to !== undefined && page.from > page.to) {
      throw new UserError('invalid-range', `from (${page.from}) is above to (${page.to})`);
    }
    return listBuilds(this.db, filter, page);
  }

  async buildResources(buildId: BuildId): Promise<BuildResources> {
    return buildResources(this.db, buildId);
  }

  /** The private plan (make it public with `publicPlan` of the planner); undefined while the build has none. */
  async getPlan(buildId: BuildId): Promise<PlanNode | undefined> {
    return findPlan(this.db, buildId);
  }

  async setComment(buildId: BuildId, comment: string): Promise<void> {
    const found = await this.db.tx((tx) => setBuildComment(tx, buildId, comment));
    if (!found) throw new NotFoundError(`build ${buildId} does not exist`);
  }

  private async triggerTarget(tx: Tx, jobId: JobId): Promise<TriggerTarget> {
    const job = await findTriggerTarget(tx, jobId);
    if (!job) throw new NotFoundError(`job ${jobId} does not exist`);
    if (job.archived) throw archived();
    return job;
  }
}

/** The plan that the build would get if it started now with its versions, as it would be stored; undefined: none. */
async function planNow(tx: Tx, job: JobConfig, config: PipelineConfig, build: BuildId): Promise<PlanNode | undefined> {
  const versions = await adoptedVersions(tx, build);
  try {
    return JSON.parse(JSON.stringify(makeBuildPlan(job, config, versions))) as PlanNode;
  } catch (error) {
    if (error instanceof BuildPlanError) return undefined;
    throw error;
  }
}

function demandFit({ name, config }: TriggerTarget, given: JsonObject): void {
  const problems = jobVarProblems(config.vars ?? [], given);
  if (problems.length === 0) return;
  const list = problems.map(({ path, message }) => `${path}: ${message}`).join('; ');
  throw new UserError('invalid-vars', `no build of job '${name}' was started: ${list}`, 400, problems);
}

function archived(): ConflictError {
  return new ConflictError('pipeline-archived', 'action not allowed for an archived pipeline');
}
