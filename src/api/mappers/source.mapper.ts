import { formatProblem, type PipelineSource } from '../../pipelines/index.js';
import { given, seconds } from './fields.js';

/** A pipeline source. Credentials are named by kind only. */
export function toSourceView(source: PipelineSource): Record<string, unknown> {
  const { lastError: error } = source;
  return {
    id: source.id,
    name: source.name,
    team_name: source.teamName,
    uri: source.uri,
    ...given({ branch: source.branch }),
    path_glob: source.pathGlob,
    credentials: source.credentialKind,
    vars: source.vars,
    interval_seconds: source.intervalSeconds,
    has_webhook: source.hasWebhook,
    syncing: source.isSyncing,
    created_at: seconds(source.createdAt),
    next_sync_at: seconds(source.nextSyncAt),
    ...given({
      last_synced_at: seconds(source.lastSyncedAt),
      last_commit: source.lastCommit,
      last_error: error && {
        kind: error.kind,
        message: error.message,
        at: error.at,
        ...given({ commit: error.commit }),
        problems: error.problems.map(formatProblem),
      },
    }),
    pipelines: source.pipelines,
  };
}
