import type { Pipeline, Revision } from '../../pipelines/index.js';
import { given, seconds, some } from './fields.js';

/** A pipeline as clients of Concourse know it; `pause_reason` and `source` (the git file it comes from) are ours. */
export function toPipelineView(pipeline: Pipeline): Record<string, unknown> {
  return {
    id: pipeline.id,
    name: pipeline.name,
    ...given({ instance_vars: pipeline.instanceVars }),
    paused: pipeline.paused,
    ...given({
      paused_by: pipeline.pausedBy,
      paused_at: seconds(pipeline.pausedAt),
      pause_reason: pipeline.pauseReason,
    }),
    public: pipeline.public,
    archived: pipeline.archived,
    ...given({ groups: some(pipeline.groups) }),
    team_name: pipeline.teamName,
    ...given({
      display: pipeline.display,
      user_data: pipeline.userData,
      parent_job_id: pipeline.parentJobId,
      parent_build_id: pipeline.parentBuildId,
      last_updated: seconds(pipeline.updatedAt),
      source: pipeline.source && { name: pipeline.source.name, path: pipeline.source.path },
    }),
  };
}

/** One config that was set: who or which commit set it. */
export function toRevisionView(revision: Revision): Record<string, unknown> {
  return {
    version: revision.version,
    created_at: seconds(revision.createdAt),
    ...given({ set_by: revision.setBy, commit: revision.commit, author: revision.author, file: revision.file }),
  };
}
