import { Inject, Injectable } from '@nestjs/common';
import {
  didYouMean,
  type BuildId,
  type BuildPreparation,
  type Job,
  type JobId,
  type JobListing,
  type NextInput,
  type PipelineId,
  type TeamId,
} from '../model/index.js';
import {
  clearTaskCaches,
  Db,
  failedChecks,
  findBuild,
  findTriggerTarget,
  jobById,
  jobNames,
  jobStatuses,
  nextInputs,
  readJobSnapshot,
  scheduleRequests,
  type JobStatus,
} from '../persistence/index.js';
import { ConflictError, NotFoundError } from '../platform/index.js';
import { JobListingsCache } from './job-listings-cache.js';
import { prepare } from './preparation.js';

/** Jobs as people see them. Reads, and asks; the trigger loop and the pipelines room write. */
@Injectable()
export class JobsService {
  private readonly listings = new JobListingsCache();

  constructor(@Inject(Db) private readonly db: Db) {}

  /** The job's id. @throws NotFoundError naming a near name. */
  async find(pipelineId: PipelineId, name: string): Promise<JobId> {
    const known = await jobNames(this.db, pipelineId);
    const found = known.find((job) => job.name === name);
    if (found) return found.id;
    const near = didYouMean(
      name,
      known.map((job) => job.name),
    );
    throw new NotFoundError(`the pipeline has no job "${name}"${near}`);
  }

  /** Asks the trigger loop to look at the job again. @throws ConflictError `pipeline-archived`. */
  async requestSchedule(id: JobId): Promise<void> {
    await this.db.tx(async (tx) => {
      if ((await findTriggerTarget(tx, id))?.archived)
        throw new ConflictError('pipeline-archived', 'action not allowed for an archived pipeline');
      await scheduleRequests.jobs(tx, [id]);
    });
  }

  /**
   * The job's task of that name begins with empty caches the next time.
   * @param path only the cache at this path.
   * @returns how many there were.
   */
  async clearTaskCaches(id: JobId, stepName: string, path?: string): Promise<number> {
    return this.db.tx((tx) => clearTaskCaches(tx, id, stepName, path));
  }

  /** @throws NotFoundError */
  async get(id: JobId): Promise<Job> {
    const job = await jobById(this.db, id);
    if (!job) throw new NotFoundError(`there is no job ${id}`);
    return job;
  }

  /** Active jobs of the pipeline, in order of creation. */
  async list(pipelineId: PipelineId): Promise<JobListing[]> {
    return this.listings.list(this.db, { pipelineId });
  }

  /** Active jobs of every pipeline that is not archived, or of those among the given ones, by team and pipeline. */
  async listAll(among?: Iterable<PipelineId>): Promise<JobListing[]> {
    return this.listings.list(this.db, { among: among && [...among] });
  }

  /** How the jobs of a pipeline, or of a team's pipelines that are not archived, do, in short. */
  async statuses(of: { readonly pipelineId: PipelineId } | { readonly teamId: TeamId }): Promise<JobStatus[]> {
    return jobStatuses(this.db, of);
  }

  /** What the next build would use. @throws NotFoundError when some input has no version. */
  async nextInputs(id: JobId): Promise<NextInput[]> {
    const inputs = await nextInputs(this.db, id);
    if (!inputs) throw new NotFoundError('the inputs of the job are not determined');
    return inputs;
  }

  /**
   * Why the build does not start, as things stand now. Builds that are no longer pending, and builds without a job, are
   * blocked by nothing.
   * @throws NotFoundError
   */
  async preparation(id: BuildId): Promise<BuildPreparation> {
    const build = await findBuild(this.db, id);
    if (!build) throw new NotFoundError(`there is no build ${id}`);
    if (build.jobId === undefined) return prepare(id, undefined);
    const preparation = prepare(id, await readJobSnapshot(this.db, build.jobId));
    const missing = Object.keys(preparation.missing_input_reasons);
    if (missing.length === 0) return preparation;
    const failed = (await failedChecks(this.db, build.jobId)).filter(({ input }) => missing.includes(input));
    const words = failed.map(({ input, error }) => `the last check of input ${input} failed: ${error}`);
    return { ...preparation, reasons: [...preparation.reasons, ...words] };
  }
}
