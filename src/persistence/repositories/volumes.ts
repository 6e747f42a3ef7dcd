import type { JsonObject, PipelineId, TeamId } from '../../model/index.js';
import type { Queryable } from '../db.js';

/** Files that outlive their step: a cache of a task, or an artifact that a person brought or may fetch. */
export interface VolumeRow {
  readonly kind: 'task-cache' | 'artifact';
  readonly handle: string;
  /** The server that has it; null: whoever runs the task next. */
  readonly instance: string | null;
  readonly path: string | null;
  readonly pipelineId: PipelineId | null;
  readonly pipelineName: string | null;
  readonly instanceVars: JsonObject | null;
  readonly jobName: string | null;
  readonly stepName: string | null;
}

/** Volumes of a team, caches first. */
export async function volumesOfTeam(db: Queryable, teamId: TeamId): Promise<VolumeRow[]> {
  return db.query<VolumeRow>(
    `select * from (
       select 'task-cache' as kind, 'task-' || c.id as handle, null as instance, c.path, p.id as "pipelineId",
         p.name as "pipelineName", p.instance_vars as "instanceVars", j.name as "jobName", c.step_name as "stepName"
       from task_caches c join jobs j on j.id = c.job_id join pipelines p on p.id = j.pipeline_id where p.team_id = $1
       union all
       select 'artifact', a.ref, a.instance, null, null, null, null, null, a.name
       from artifacts a where a.team_id = $1 and a.complete and a.expires_at > now()
     ) volumes order by kind desc, handle`,
    [teamId],
  );
}
