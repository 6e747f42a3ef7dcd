import type { Access } from '../../auth/index.js';
import type { Build, BuildResources, JobListing, ListedBuild } from '../../model/index.js';
import { given, seconds } from './fields.js';

/** A build as clients of Concourse know it; `vars` and `aborted_by` are ours. */
export function toBuildView(build: Build): Record<string, unknown> {
  return {
    id: build.id,
    team_name: build.teamName,
    name: build.name,
    status: build.status,
    api_url: `/api/v1/builds/${build.id}`,
    ...given({
      comment: build.comment,
      job_name: build.jobName,
      resource_name: build.resourceName,
      pipeline_id: build.pipelineId,
      pipeline_name: build.pipelineName,
      pipeline_instance_vars: build.instanceVars,
      start_time: seconds(build.startedAt),
      end_time: seconds(build.endedAt),
      reap_time: seconds(build.reapedAt),
      rerun_number: build.rerunNumber,
      rerun_of: build.rerunOf && { id: build.rerunOf.id, name: build.rerunOf.name },
      created_by: build.createdBy,
      aborted_by: build.abortedBy,
      vars: build.vars,
    }),
  };
}

/** {@link toBuildView} for that caller: what people wrote is for the team, however public the pipeline is. */
export function buildViewsFor(access: Access): (build: Build) => Record<string, unknown> {
  return (build) =>
    toBuildView(access.sees(build.teamName, build.pipelineName) ? build : { ...build, comment: '', vars: undefined });
}

/** The short form inside lists of jobs. */
export function toBuildSummary(build: ListedBuild, job: JobListing): Record<string, unknown> {
  return {
    id: build.id,
    name: build.name,
    status: build.status,
    team_name: job.teamName,
    pipeline_id: job.pipelineId,
    pipeline_name: job.pipelineName,
    ...given({
      start_time: build.startedAt,
      end_time: build.endedAt,
      pipeline_instance_vars: job.instanceVars,
      job_name: job.name,
    }),
  };
}

export function toBuildResourcesView({ inputs, outputs }: BuildResources): Record<string, unknown> {
  return {
    inputs: inputs.map(({ name, version, pipelineId, firstOccurrence }) => ({
      name,
      version,
      pipeline_id: pipelineId,
      first_occurrence: firstOccurrence,
    })),
    outputs: outputs.map(({ name, version }) => ({ name, version })),
  };
}
