import type { JobId, JobListing, JobShape, PipelineId } from '../model/index.js';
import {
  findJobShapes,
  toJobListing,
  type JobListingRow,
  type PipelineShape,
  type Queryable,
} from '../persistence/index.js';

/** About 2 kB each. */
const MOST_JOBS = 20_000;
const NO_SHAPE: JobShape = { groups: [], inputs: [], outputs: [] };

interface Kept extends PipelineShape {
  readonly listings: Map<JobId, { readonly row: JobListingRow; readonly listing: JobListing }>;
}

/**
 * Listed jobs, made of what is read each time and what a config says. A config's version never changes, so what is kept of it
 * is right on every server. A job of which nothing changed is the same object again: whoever shows it need not make it anew.
 */
export class JobListingsCache {
  private readonly kept = new Map<PipelineId, Kept>();
  private jobs = 0;

  /** The job of each row. What a newer config does not know any more has no inputs. */
  async complete(db: Queryable, rows: readonly JobListingRow[]): Promise<JobListing[]> {
    const missing = new Set<PipelineId>();
    for (const { pipelineId, configVersion } of rows)
      if (this.kept.get(pipelineId)?.configVersion !== configVersion) missing.add(pipelineId);
    const fresh = new Map<PipelineId, Kept>();
    if (missing.size > 0)
      for (const [id, shape] of await findJobShapes(db, [...missing])) fresh.set(id, { ...shape, listings: new Map() });
    const listings = rows.map((row) => listingOf(row, fresh.get(row.pipelineId) ?? this.kept.get(row.pipelineId)));
    this.keep(fresh);
    return listings;
  }

  private keep(fresh: ReadonlyMap<PipelineId, Kept>): void {
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

function listingOf(row: JobListingRow, kept: Kept | undefined): JobListing {
  const known = kept?.listings.get(row.id);
  if (known && isSame(known.row, row)) return known.listing;
  const listing = toJobListing(row, kept?.jobs.get(row.id) ?? NO_SHAPE);
  kept?.listings.set(row.id, { row, listing });
  return listing;
}

function isSame(a: JobListingRow, b: JobListingRow): boolean {
  for (const column in a) if (a[column as keyof JobListingRow] !== b[column as keyof JobListingRow]) return false;
  return true;
}
