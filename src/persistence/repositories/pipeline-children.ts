import type { BuildId, JobId, PipelineId } from '../../model/index.js';
import type { Queryable, Tx } from '../db.js';

/**
 * Makes the build the parent of the pipeline, whose lock the caller holds, unless a newer build is.
 * @returns that newer build.
 */
export async function adoptPipeline(
  tx: Tx,
  id: PipelineId,
  jobId: JobId,
  buildId: BuildId,
): Promise<BuildId | undefined> {
  const adopted = await tx.query(
    `update pipelines set parent_job_id = $2, parent_build_id = $3
     where id = $1 and (parent_build_id is null or parent_build_id <= $3) returning id`,
    [id, jobId, buildId],
  );
  if (adopted.length > 0) return undefined;
  const [row] = await tx.query<{ parent: BuildId }>(`select parent_build_id as parent from pipelines where id = $1`, [
    id,
  ]);
  return row?.parent;
}

/** The pipeline, whose lock the caller holds, has no parent any more. */
export async function disownPipeline(tx: Tx, id: PipelineId): Promise<void> {
  await tx.query(
    `update pipelines set parent_job_id = null, parent_build_id = null where id = $1 and parent_build_id is not null`,
    [id],
  );
}

export interface AbandonedPipeline {
  readonly id: PipelineId;
  readonly reason: string;
}

/**
 * Pipelines set by a build of another pipeline's job that is not there any more, or of which a later build succeeded without
 * setting them. A rerun is no later build than the one it repeats is. A pipeline that set itself is nobody's child.
 * @param id look at this one only.
 */
export async function findAbandonedPipelines(db: Queryable, id?: PipelineId): Promise<AbandonedPipeline[]> {
  return db.query<AbandonedPipeline>(
    `select c.id, case
       when j.id is null or p.archived then 'the pipeline that set it is gone'
       when not j.active then 'the job ' || j.name || ' of ' || p.name || ', which set it, is gone'
       else 'a later build of ' || p.name || '/' || j.name || ' did not set it' end as reason
     from pipelines c
     left join jobs j on j.id = c.parent_job_id
     left join pipelines p on p.id = j.pipeline_id
     left join builds parent on parent.id = c.parent_build_id
     where c.parent_job_id is not null and not c.archived and ($1::bigint is null or c.id = $1)
       and p.id is distinct from c.id
       and (j.id is null or p.archived or not j.active or exists (
         select from builds later
         where later.job_id = j.id and later.status = 'succeeded' and later.id > parent.id
           and coalesce(later.rerun_of, later.id) >= coalesce(parent.rerun_of, parent.id)))
     order by c.id`,
    [id ?? null],
  );
}

/** Locks the pipeline as every writer of it does. */
export async function lockPipelineById(tx: Tx, id: PipelineId): Promise<void> {
  await tx.query(`select from pipelines where id = $1 for no key update`, [id]);
}
