import type { Build, JsonValue, ResourceId, Version } from '../model/index.js';
import type { VarReference } from '../pipelines/index.js';

/** Injection token of the {@link CheckRunner}. Optional: without one, check builds end as errored. */
export const CHECK_RUNNER = Symbol('check runner');

/** What a check build needs from the checking room. */
export interface CheckRunner {
  /**
   * Checks the resource now and saves what was found; `from` starts from that version instead of the newest known one;
   * `shallow` is content with the images of its types that are known;
   * `hide` hears, before anything is logged, what must not be seen.
   * @returns the versions found, oldest first.
   * @throws ResourceFailure when the resource says no (the step fails); anything else is a fault (the step is errored).
   */
  runCheck(
    resourceId: ResourceId,
    options: {
      readonly from?: Version;
      readonly shallow?: boolean;
      readonly log: (text: string) => void;
      readonly signal: AbortSignal;
      readonly hide: (secrets: readonly string[]) => void;
    },
  ): Promise<readonly Version[]>;
}

/** Injection token of the {@link CredentialSource}. Optional: without one, only local vars (`((.:x))`) are known. */
export const CREDENTIALS = Symbol('credentials');

/** Where vars of builds come from that are not local: var sources of the pipeline and the server's credential managers. */
export interface CredentialSource {
  /**
   * Values by {@link VarReference.text}; unknown vars are left out. All values count as secrets. `watcher.say` hears why a
   * value takes long; `watcher.signal` ends the wait for it, by an AbortError.
   */
  fetch(
    build: Build,
    references: readonly VarReference[],
    watcher?: { readonly signal: AbortSignal; readonly say: (text: string) => Promise<void> },
  ): Promise<ReadonlyMap<string, JsonValue>>;
}
