import { Inject, Injectable } from '@nestjs/common';
import type { Build, BuildId, BuildResources, JobId, Page, PlanNode } from '../model/index.js';
import {
  Db,
  buildResources,
  createManualBuild,
  createRerun,
  findBuild,
  findBuildByName,
  findPlan,
  findTriggerTarget,
  finishBuild,
  listBuilds,
  requestAbort,
  setBuildComment,
  type BuildFilter,
  type BuildPageRequest,
  type TriggerTarget,
  type Tx,
} from '../persistence/index.js';
import { ConflictError, NotFoundError, UserError } from '../platform/index.js';

/** Builds as people ask for them: trigger, rerun, abort, look. What runs them is the engine. */
@Injectable()
export class BuildsService {
  constructor(@Inject(Db) private readonly db: Db) {}

  /**
   * Adds a pending build, which waits for fresh checks of the job's inputs and then resolves them anew. Works while job or
   * pipeline are paused; the build then waits.
   * @throws ConflictError `manual-trigger-disabled`, `pipeline-archived`; NotFoundError.
   */
  async triggerJob(jobId: JobId, by?: string): Promise<Build> {
    const id = await this.db.tx(async (tx) => {
      const job = await this.triggerTarget(tx, jobId);
      if (job.config.disable_manual_trigger) {
        throw new ConflictError(
          'manual-trigger-disabled',
          `job '${job.name}' cannot be triggered by hand: its config sets disable_manual_trigger`,
        );
      }
      return createManualBuild(tx, jobId, by);
    });
    return this.getBuild(id);
  }

  /**
   * Adds a pending build with the inputs of an earlier one, named `<original>.<n>`.
   * @throws ConflictError `reruns-disabled`, `pipeline-archived`, `inputs-unknown`; NotFoundError.
   */
  async rerunBuild(buildId: BuildId, by?: string): Promise<Build> {
    const original = await this.getBuild(buildId);
    const jobId = original.jobId;
    if (jobId === undefined)
      throw new UserError('not-a-job-build', `build ${buildId} belongs to no job and cannot be run again`);
    const id = await this.db.tx(async (tx) => {
      const job = await this.triggerTarget(tx, jobId);
      if (job.config.disable_reruns) {
        throw new ConflictError(
          'reruns-disabled',
          `builds of job '${job.name}' cannot be run again: its config sets disable_reruns`,
        );
      }
      const rerun = await createRerun(tx, buildId, by);
      if (rerun !== undefined) return rerun;
      throw new ConflictError(
        'inputs-unknown',
        `build ${original.name} never got its inputs, so there is nothing to run again; trigger the job instead`,
      );
    });
    return this.getBuild(id);
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

function archived(): ConflictError {
  return new ConflictError('pipeline-archived', 'action not allowed for an archived pipeline');
}
