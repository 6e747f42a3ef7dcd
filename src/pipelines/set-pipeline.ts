import {
  canonicalJson,
  type BuildId,
  type JobId,
  type PipelineConfig,
  type PipelineId,
  type ResourceId,
} from '../model/index.js';
import {
  addRevision,
  adoptPipeline,
  createPipeline,
  disownPipeline,
  findRevision,
  findTeamId,
  historiesToCheck,
  linkSource,
  lockPipeline,
  markUnpaused,
  notify,
  pendingBuildsOfRemovedJobs,
  refuseBuild,
  scheduleRequests,
  writeJobGraph,
  writeJobs,
  writeResources,
  type JobInputRow,
  type JobOutputRow,
  type PipelineRow,
  type Tx,
} from '../persistence/index.js';
import { ConflictError, NotFoundError, UserError } from '../platform/index.js';
import {
  diffPipelines,
  formatProblem,
  jobInputs,
  jobOutputs,
  jobsIn,
  validatePipelineConfig,
  type PassedJobs,
  type Problem,
} from './config/index.js';
import type { ParentBuild, SetPipelineRequest, SetPipelineResult } from './types.js';

/** A config that breaks the rules of the language. `details.problems` holds them all. */
export class InvalidPipelineError extends UserError {
  constructor(readonly problems: readonly Problem[]) {
    super('invalid-pipeline', `invalid pipeline config:\n${problems.map(formatProblem).join('\n')}`, 400, { problems });
  }
}

/**
 * Refuses names that no URL or file could hold.
 * @throws UserError `invalid-name`.
 */
export function checkPipelineName(name: string): void {
  if (name === '') throw new UserError('invalid-name', 'pipeline name cannot be an empty string');
  // eslint-disable-next-line no-control-regex
  if (/[/\u0000-\u001f]/.test(name))
    throw new UserError('invalid-name', "pipeline name cannot contain '/' or control characters");
  if (name.length > 255) throw new UserError('invalid-name', 'pipeline name cannot be longer than 255 characters');
}

/** Sets one pipeline in the caller's transaction; see PipelinesService.setPipeline. */
export async function setPipelineIn(tx: Tx, request: SetPipelineRequest): Promise<SetPipelineResult> {
  checkPipelineName(request.name);
  const config = checkConfig(request.config);
  const { pipeline, created } = await lockOrCreate(tx, request);
  const newerBuild = await setParent(tx, pipeline.id, request.parent);
  if (newerBuild !== undefined) {
    return {
      pipelineId: pipeline.id,
      created,
      changed: false,
      version: pipeline.configVersion,
      changes: [],
      newerBuild,
    };
  }
  const stored = created || pipeline.archived ? undefined : await findRevision(tx, pipeline.id);
  if (request.source !== undefined) await linkSource(tx, pipeline.id, request.source.sourceId, request.source.path);
  const changes = diffPipelines(stored?.config, config);
  const result = { pipelineId: pipeline.id, created, changes };
  if (stored !== undefined && canonicalJson(stored.config) === canonicalJson(config)) {
    return { ...result, changed: false, version: stored.version };
  }
  const { by, source } = request;
  const version = await addRevision(tx, pipeline.id, config, {
    by,
    commit: source?.commit,
    author: source?.author,
    file: source?.path,
  });
  if (pipeline.archived && request.paused === false) await markUnpaused(tx, 'pipelines', pipeline.id);
  await writeContents(tx, pipeline.id, config);
  await scheduleRequests.pipeline(tx, pipeline.id);
  await notify(tx, 'checks', await historiesToCheck(tx, pipeline.id));
  await notify(tx, 'pipelines', [pipeline.id]);
  return { ...result, changed: true, version };
}

/** @returns the newer build that has set the pipeline, if there is one. */
async function setParent(tx: Tx, id: PipelineId, parent: ParentBuild | undefined): Promise<BuildId | undefined> {
  if (parent === undefined) {
    await disownPipeline(tx, id);
    return undefined;
  }
  return adoptPipeline(tx, id, parent.jobId, parent.buildId);
}

/** Whoever calls has mostly validated already; only a valid config may ever be stored. */
function checkConfig(given: PipelineConfig): PipelineConfig {
  const { config, problems } = validatePipelineConfig(given);
  if (config === undefined) throw new InvalidPipelineError(problems);
  return config;
}

async function lockOrCreate(
  tx: Tx,
  request: SetPipelineRequest,
): Promise<{ readonly pipeline: PipelineRow; readonly created: boolean }> {
  const teamId = await findTeamId(tx, request.teamName);
  if (teamId === undefined) throw new NotFoundError(`there is no team '${request.teamName}'`);
  const pause = (request.paused ?? true) ? { by: request.by } : undefined;
  let pipeline = await lockPipeline(tx, request);
  const created = pipeline === undefined && (await createPipeline(tx, teamId, request, pause));
  pipeline ??= await lockPipeline(tx, request);
  if (!pipeline) throw new Error(`pipeline '${request.name}' vanished while it was being set`);
  checkVersion(pipeline, request.expectedVersion);
  return { pipeline, created };
}

function checkVersion(pipeline: PipelineRow, expected: number | undefined): void {
  const stored = pipeline.archived ? 0 : pipeline.configVersion;
  if (expected === undefined || expected === stored) return;
  throw new ConflictError(
    'config-version',
    `the config of pipeline '${pipeline.name}' was changed by someone else: its version is ${stored}, not ${expected}; look at it and set it again`,
    { stored, expected },
  );
}

async function writeContents(tx: Tx, pipelineId: PipelineId, config: PipelineConfig): Promise<void> {
  // Resources and their histories are locked before jobs, as whoever saves versions does.
  const resources = await writeResources(tx, pipelineId, config.resources ?? []);
  const jobs = await writeJobs(tx, pipelineId, config.jobs);
  const inputs: JobInputRow[] = [];
  const outputs: JobOutputRow[] = [];
  for (const job of config.jobs) {
    const jobId = idOf(jobs, job.name);
    jobInputs(job, config).forEach(({ name, resource, trigger, passed, version }, ordinal) => {
      inputs.push({
        job_id: jobId,
        name,
        ordinal,
        resource_id: idOf(resources, resource),
        trigger,
        passed: passed === null ? null : withIds(passed, jobs),
        passed_job_ids: jobsIn(passed).map((upstream) => idOf(jobs, upstream)),
        version: version === 'latest' ? null : version,
      });
    });
    jobOutputs(job).forEach(({ name, resource }, ordinal) => {
      outputs.push({ job_id: jobId, name, ordinal, resource_id: idOf(resources, resource) });
    });
  }
  await writeJobGraph(tx, pipelineId, inputs, outputs);
  await endBuildsOfRemovedJobs(tx, pipelineId);
}

/** Nothing looks at a job that left the config, so what waited for it would wait for ever. */
async function endBuildsOfRemovedJobs(tx: Tx, pipelineId: PipelineId): Promise<void> {
  for (const { id, job } of await pendingBuildsOfRemovedJobs(tx, pipelineId)) {
    await refuseBuild(tx, id, 'aborted', `job '${job}' was removed from the pipeline before this build started`);
  }
}

/** The planner's form of `passed`. */
function withIds(passed: PassedJobs, jobs: ReadonlyMap<string, JobId>): unknown {
  if ('job' in passed) return { job: idOf(jobs, passed.job) };
  if ('all' in passed) return { all: passed.all.map((term) => withIds(term, jobs)) };
  return { any: passed.any.map((term) => withIds(term, jobs)) };
}

/** Validation has made sure that every name is known. */
function idOf<Id extends JobId | ResourceId>(ids: ReadonlyMap<string, Id>, name: string): Id {
  const id = ids.get(name);
  if (id === undefined) throw new Error(`'${name}' is used but was not stored`);
  return id;
}
