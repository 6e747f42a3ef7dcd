import type { BuildId, PipelineId, TeamId } from '../../model/index.js';
import type { Queryable } from '../db.js';
import type { PipelineKey } from './pipelines.js';

/** Whom a build concerns: what must be known to say who may see it. */
export interface BuildAccessRow {
  readonly teamName: string;
  readonly pipelineName: string | null;
  readonly isPublic: boolean;
  readonly isJobPublic: boolean;
}

/** Is the pipeline public? Undefined: there is none. */
export async function findPipelineAccess(db: Queryable, key: PipelineKey): Promise<boolean | undefined> {
  const [row] = await db.query<{ public: boolean }>(
    `select p.public from pipelines p join teams t on t.id = p.team_id
     where t.name = $1 and p.name = $2 and p.instance_vars is not distinct from $3::jsonb`,
    [key.teamName, key.name, key.instanceVars === undefined ? null : JSON.stringify(key.instanceVars)],
  );
  return row?.public;
}

export async function findBuildAccess(db: Queryable, id: BuildId): Promise<BuildAccessRow | undefined> {
  const [row] = await db.query<BuildAccessRow>(
    `select t.name as "teamName", p.name as "pipelineName", coalesce(p.public, false) as "isPublic",
       coalesce((j.config->>'public')::boolean, false) as "isJobPublic"
     from builds b join teams t on t.id = b.team_id left join pipelines p on p.id = b.pipeline_id
     left join jobs j on j.id = b.job_id where b.id = $1`,
    [id],
  );
  return row;
}

/** Pipelines that are public or of one of the teams. */
export async function visiblePipelines(
  db: Queryable,
  teamIds: readonly TeamId[],
): Promise<{ readonly id: PipelineId; readonly name: string; readonly public: boolean }[]> {
  return db.query(`select id, name, public from pipelines where public or team_id = any($1::bigint[]) order by id`, [
    teamIds,
  ]);
}
