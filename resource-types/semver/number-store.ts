/** What a change makes of the number that is stored, undefined when none is. */
export interface Change {
  /** @returns the new number. Called again when somebody else was faster. */
  readonly next: (current: string | undefined) => string;
  /** Recorded with the number, so that a repeated put finds what it has done. */
  readonly stepId: string | undefined;
}

/** Where a number is kept. */
export interface NumberStore {
  /** The text that is stored, trimmed; undefined when there is none. */
  read(): Promise<string | undefined>;
  /** Replaces the number, by compare-and-swap: no other change is lost. @returns the number that is stored now. */
  change(change: Change): Promise<string>;
}
