/** Keys and indexes from the top of a config. */
export type Path = readonly (string | number)[];

/** Further ones help nobody, and finding their places would take time. */
export const MAX_FINDINGS = 1_000;

/** A problem whose place is still the path in the parsed value. */
export interface Finding {
  readonly path: Path;
  readonly message: string;
  readonly hint?: string;
  /** It is about the key at the end of the path, not about its value. */
  readonly onKey?: boolean;
}
