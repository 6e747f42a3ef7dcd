import type { ResourceId, Version } from '../model/index.js';

/** Injection token of the {@link CheckRunner}. Optional: without one, check builds end as errored. */
export const CHECK_RUNNER = Symbol('check runner');

/** What a check build needs from the checking room. */
export interface CheckRunner {
  /**
   * Checks the resource now and saves what was found; `from` starts from that version instead of the newest known one.
   * @returns the versions found, oldest first.
   * @throws ResourceFailure when the resource says no (the step fails); anything else is a fault (the step is errored).
   */
  runCheck(
    resourceId: ResourceId,
    options: { readonly from?: Version; readonly log: (text: string) => void; readonly signal: AbortSignal },
  ): Promise<readonly Version[]>;
}
