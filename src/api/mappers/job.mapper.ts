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

/** A job as clients of Concourse know it; `pause_reason` and `why` (why nothing runs, in words) are ours. */
export function toJobView(job: Job, access: Access): Record<string, unknown> {
  const toBuildView = buildViewsFor(access);
  return {
    ...common(job, job.config.disable_manual_trigger, job.config.disable_reruns),
    next_build: job.nextBuild ? toBuildView(job.nextBuild) : null,
    finished_build: job.finishedBuild ? toBuildView(job.finishedBuild) : null,
    ...given({ transition_build: job.transitionBuild && toBuildView(job.transitionBuild) }),
    why: job.blockers.map(({ build, reasons }) => ({
      build_id: build,
      ...given({ build_name: job.nextBuild?.id === build ? job.nextBuild?.name : undefined }),
      reasons: reasons.map(describeBlocker),
      blockers: reasons,
    })),
  };
}

export function toJobSummary(job: JobListing): Record<string, unknown> {
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
      inputs: some(inputViews(job.inputs)),
      outputs: some(job.outputs),
    }),
  };
}

/** Inputs of a listed job stay the same objects until its pipeline's config changes. */
const knownViews = new WeakMap<readonly JobInput[], readonly Record<string, unknown>[]>();

function inputViews(inputs: readonly JobInput[]): readonly Record<string, unknown>[] {
  const views = knownViews.get(inputs) ?? inputs.map(toInputView);
  knownViews.set(inputs, views);
  return views;
}

function toInputView({ name, resource, trigger, passed, version }: JobInput): Record<string, unknown> {
  return { name, resource, trigger, ...given({ passed: some(passed), version }) };
}
