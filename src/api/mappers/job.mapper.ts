import {
  describeBlocker,
  type Job,
  type JobInput,
  type JobListing,
  type ListedBuild,
  type NextInput,
} from '../../model/index.js';
import type { Access } from '../../auth/index.js';
import { buildViewsFor, toBuildSummary } from './build.mapper.js';
import { given, seconds, some } from './fields.js';
import { listWriter } from './list-writer.js';

/** A job as clients of Concourse know it; `pause_reason`, `vars` and `why` (why nothing runs, in words) are ours. */
export function toJobView(job: Job, access: Access): Record<string, unknown> {
  const toBuildView = buildViewsFor(access);
  return {
    ...common(job, job.config.disable_manual_trigger, job.config.disable_reruns),
    next_build: job.nextBuild ? toBuildView(job.nextBuild) : null,
    finished_build: job.finishedBuild ? toBuildView(job.finishedBuild) : null,
    ...given({
      transition_build: job.transitionBuild && toBuildView(job.transitionBuild),
      vars: access.sees(job.teamName, job.pipelineName) ? some(job.config.vars ?? []) : undefined,
    }),
    why: job.blockers.map(({ build, reasons }) => ({
      build_id: build,
      ...given({ build_name: job.nextBuild?.id === build ? job.nextBuild?.name : undefined }),
      reasons: reasons.map(describeBlocker),
      blockers: reasons,
    })),
  };
}

/** Listed jobs as the JSON text of an answer. */
export const toJobSummaries = listWriter(toJobSummary);

function toJobSummary(job: JobListing): Record<string, unknown> {
  const summaryOf = (build: ListedBuild | undefined) => build && toBuildSummary(build, job);
  return {
    ...common(job, job.disablesManualTrigger, job.disablesReruns),
    ...given({
      next_build: summaryOf(job.nextBuild),
      finished_build: summaryOf(job.finishedBuild),
      transition_build: summaryOf(job.transitionBuild),
    }),
  };
}

export function toNextInputView(input: NextInput): Record<string, unknown> {
  return {
    name: input.name,
    resource: input.resource,
    type: input.type,
    source: input.source,
    ...given({ params: input.params, tags: some(input.tags) }),
    version: input.version,
  };
}

function common(
  job: Job | JobListing,
  disablesManualTrigger: boolean | undefined,
  disablesReruns: boolean | undefined,
): Record<string, unknown> {
  return {
    id: job.id,
    name: job.name,
    team_name: job.teamName,
    pipeline_id: job.pipelineId,
    pipeline_name: job.pipelineName,
    ...given({
      pipeline_instance_vars: job.instanceVars,
      paused: job.paused !== undefined,
      paused_by: job.paused?.by,
      paused_at: seconds(job.paused?.at),
      pause_reason: job.paused?.reason,
      has_new_inputs: job.hasNewInputs,
      groups: some(job.groups),
      disable_manual_trigger: disablesManualTrigger,
      disable_reruns: disablesReruns,
      inputs: some(job.inputs.map(toInputView)),
      outputs: some(job.outputs),
    }),
  };
}

function toInputView({ name, resource, trigger, passed, version }: JobInput): Record<string, unknown> {
  return { name, resource, trigger, ...given({ passed: some(passed), version }) };
}
