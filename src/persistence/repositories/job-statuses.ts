import type { BuildStatus, JobId, JsonObject, PipelineId, TeamId } from '../../model/index.js';
import type { Queryable } from '../db.js';

/** A job with how its last build ended and whether one runs now. */
export interface JobStatus {
  readonly jobId: JobId;
  readonly job: string;
  readonly pipelineId: PipelineId;
  readonly pipelineName: string;
  readonly instanceVars: JsonObject | null;
  /** Null: no build has ended yet. */
  readonly lastStatus: BuildStatus | null;
  readonly lastName: string | null;
  readonly lastEndedAt: Date | null;
  readonly isRunning: boolean;
}

/** Active jobs of one pipeline, or of a team's pipelines that are not archived, in order. */
export async function jobStatuses(
  db: Queryable,
  of: { readonly pipelineId: PipelineId } | { readonly teamId: TeamId },
): Promise<JobStatus[]> {
  const [where, value] =
    'pipelineId' in of ? ['p.id = $1', of.pipelineId] : ['p.team_id = $1 and not p.archived', of.teamId];
  return db.query<JobStatus>(
    `select j.id as "jobId", j.name as job, p.id as "pipelineId", p.name as "pipelineName", p.instance_vars as "instanceVars",
       b.status as "lastStatus", b.name as "lastName", b.ended_at as "lastEndedAt",
       coalesce(n.status = 'started', false) as "isRunning"
     from jobs j join pipelines p on p.id = j.pipeline_id
     left join builds b on b.id = j.latest_completed_build_id
     left join builds n on n.id = j.next_build_id
     where j.active and ${where} order by p.ordering, p.name, p.id, j.id`,
    [value],
  );
}
