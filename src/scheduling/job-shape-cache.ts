import type { JobId, JobShape, PipelineId } from '../model/index.js';
import { findJobShapes, type PipelineShape, type Queryable } from '../persistence/index.js';

/** About 1 kB each. */
const MOST_JOBS = 50_000;
const NO_SHAPE: JobShape = { groups: [], inputs: [], outputs: [] };

/** A job, and by which version of its pipeline's config it is looked at. */
interface Asked {
  readonly id: JobId;
  readonly pipelineId: PipelineId;
  readonly configVersion: number;
}

type Shapes = Map<PipelineId, PipelineShape>;

/** What jobs are by their configs. A config's version never changes, so what is kept of it is right on every server. */
export class JobShapeCache {
  private readonly kept: Shapes = new Map();
  private jobs = 0;

  /** The shape of each job; of one that a newer config removed or has not shown before, nothing. */
  async complete<Job extends Asked>(db: Queryable, jobs: readonly Job[]): Promise<(Job & JobShape)[]> {
    const missing = new Set<PipelineId>();
    for (const { pipelineId, configVersion } of jobs)
      if (this.kept.get(pipelineId)?.configVersion !== configVersion) missing.add(pipelineId);
    const fresh: Shapes =
      missing.size === 0 ? new Map<PipelineId, PipelineShape>() : await findJobShapes(db, [...missing]);
    const shapeOf = ({ pipelineId, id }: Asked): JobShape =>
      (fresh.get(pipelineId) ?? this.kept.get(pipelineId))?.jobs.get(id) ?? NO_SHAPE;
    const complete = jobs.map((job) => ({ ...job, ...shapeOf(job) }));
    this.keep(fresh);
    return complete;
  }

  private keep(fresh: Shapes): void {
    for (const [id, shape] of fresh) {
      this.forget(id);
      this.kept.set(id, shape);
      this.jobs += shape.jobs.size;
    }
    for (const id of this.kept.keys()) {
      if (this.jobs <= MOST_JOBS) return;
      this.forget(id); // the oldest
    }
  }

  private forget(id: PipelineId): void {
    this.jobs -= this.kept.get(id)?.jobs.size ?? 0;
    this.kept.delete(id);
  }
}
