import type { Pair, VersionRow } from '../model/index.js';

/** One version as a search knows it: always the same object, so that objects may be compared and kept as keys. */
export class KnownVersion {
  private passed: (boolean | undefined)[] | undefined;

  constructor(
    readonly pair: Pair,
    /** Names the version within the search. */
    readonly number: number,
    /** Its row in the present history; null when it is not there, undefined when that is not known yet. */
    public row: VersionRow | null | undefined,
    private readonly jobs: number,
  ) {}

  /** Whether any succeeded build of the job at this place holds the version; undefined when nobody has asked yet. */
  hasPassed(job: number): boolean | undefined {
    return this.passed?.[job];
  }

  setPassed(job: number, passed: boolean): void {
    this.passed ??= new Array<boolean | undefined>(this.jobs);
    this.passed[job] = passed;
  }
}
