import type { JobListing, JobShape, PipelineId } from '../model/index.js';
import {
  findJobShapes,
  listJobs,
  markPipelinesOfJobs,
  toJobListing,
  type JobsOf,
  type PipelineShape,
  type Queryable,
} from '../persistence/index.js';
import { MarkedCache } from '../platform/index.js';

/** About 20 kB each, with ten jobs. */
const MOST_PIPELINES = 3_000;
const NO_SHAPE: JobShape = { groups: [], inputs: [], outputs: [] };

/**
 * Listed jobs. Those of a pipeline of which nothing changed are the same objects again: whoever shows them need not write them
 * anew. What a version of its config says of them is kept longer than how they do.
 */
export class JobListingsCache {
  private readonly jobs = new MarkedCache<PipelineId, readonly JobListing[]>(MOST_PIPELINES);
  private readonly shapes = new MarkedCache<PipelineId, PipelineShape>(MOST_PIPELINES);

  async list(db: Queryable, of: JobsOf): Promise<JobListing[]> {
    const marks = await markPipelinesOfJobs(db, of);
    return (await this.jobs.get(marks, (pipelines) => this.read(db, pipelines))).flat();
  }

  /** A job that its pipeline's newest config does not know any more has no inputs. */
  private async read(db: Queryable, pipelines: readonly PipelineId[]): Promise<Map<PipelineId, JobListing[]>> {
    const rows = await listJobs(db, pipelines);
    const versions = new Map(rows.map(({ pipelineId, configVersion }) => [pipelineId, configVersion]));
    const marks = [...versions].map(([id, version]) => ({ id, mark: String(version) }));
    const known = await this.shapes.get(marks, (ids) => findJobShapes(db, ids));
    const shapes = new Map(known.map((shape) => [shape.pipelineId, shape.jobs]));
    const listings = new Map<PipelineId, JobListing[]>();
    for (const row of rows) {
      const listing = toJobListing(row, shapes.get(row.pipelineId)?.get(row.id) ?? NO_SHAPE);
      const others = listings.get(row.pipelineId);
      if (others) others.push(listing);
      else listings.set(row.pipelineId, [listing]);
    }
    return listings;
  }
}
