import type { ResourceId } from '../../model/index.js';
import { findResourceOfPipeline, type Queryable } from '../../persistence/index.js';
import type { Walk } from '../build-run.js';

/** The pipeline's resource of that name; undefined without one, and when it is gone from the pipeline meanwhile. */
export async function resourceOf(
  db: Queryable,
  name: string | undefined,
  walk: Walk,
): Promise<{ readonly id: ResourceId; readonly exposesCreator: boolean } | undefined> {
  const { pipelineId } = walk.run.build;
  return pipelineId === undefined || name === undefined ? undefined : findResourceOfPipeline(db, pipelineId, name);
}
