import type { Container } from '../../builds/index.js';
import type { StoredArtifact } from '../../persistence/index.js';
import { given, seconds } from './fields.js';

/** Container of the wire contract. */
export function toContainerView(container: Container): Record<string, unknown> {
  return {
    id: container.handle,
    worker_name: container.worker,
    state: container.isLost ? 'failed' : 'created',
    ...given({
      type: container.kind,
      step_name: container.stepName,
      attempt: container.attempt,
      pipeline_id: container.pipelineId,
      pipeline_name: container.pipelineName,
      pipeline_instance_vars: container.instanceVars,
      job_id: container.jobId,
      job_name: container.jobName,
      build_id: container.buildId,
      build_name: container.buildName,
      resource_name: container.resourceName,
    }),
  };
}

/** WorkerArtifact of the wire contract. */
export function toArtifactView({ id, name, buildId, createdAt }: StoredArtifact): Record<string, unknown> {
  return { id, name, build_id: buildId ?? 0, created_at: seconds(createdAt) };
}
