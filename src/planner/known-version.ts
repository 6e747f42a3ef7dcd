import type { Pair, VersionRow } from '../model/index.js';

/** One version as a search knows it: always the same object, so that objects may be compared and kept as keys. */
export class KnownVersion {
  /** What is known of jobs: the place of each, and then 1 if it let the version through, 0 if not. */
  private jobs: number[] | undefined;

  constructor(
    readonly pair: Pair,
    /** Names the version within the search. */
    readonly number: number,
    /** Its row in the present history; null when it is not there, undefined when that is not known yet. */
    public row: VersionRow | null | undefined,
  ) {}

  /** Whether any succeeded build of the job at this place holds the version; undefined when nobody has asked yet. */
  hasPassed(job: number): boolean | undefined {
    if (this.jobs === undefined) return undefined;
    for (let i = 0; i < this.jobs.length; i += 2) if (this.jobs[i] === job) return this.jobs[i + 1] === 1;
    return undefined;
  }

  /** Told once for each job. */
  setPassed(job: number, passed: boolean): void {
    if (this.jobs === undefined) this.jobs = [job, passed ? 1 : 0];
    else this.jobs.push(job, passed ? 1 : 0);
  }
}
