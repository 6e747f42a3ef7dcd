import type { BuildId, Version, VersionRow } from '../model/index.js';
import { type Asking, ask } from './history.js';
import type { InputRequest, JobRequest, UnresolvedCode } from './types.js';

/** What was found for one input, before first occurrences are known. */
export type Finding =
  | { readonly row: VersionRow; readonly passedBuildIds: readonly BuildId[]; readonly hasNext: boolean }
  | { readonly error: UnresolvedCode; readonly text: string };

/** Texts that users and UIs match on (scheduler-semantics §7). */
export const NO_VERSIONS: Finding = { error: 'no_versions', text: 'latest version of resource not found' };
export const NO_VERSIONS_EVERY: Finding = { error: 'no_versions_every', text: 'version of resource not found' };

export function pinnedNotFound(pin: Version): Finding {
  const keys = Object.keys(pin).sort();
  return {
    error: 'pinned_not_found',
    text: `pinned version ${keys.map((key) => `${key}:${pin[key]}`).join(' ')} not found`,
  };
}

/** Chooses the version of an input that has nothing to pass (scheduler-semantics §5). */
export function* planFreeInput(job: JobRequest, input: InputRequest): Asking<Finding> {
  const { resourceId } = input;
  if (typeof input.version === 'object') {
    const [newest] = yield* ask({ kind: 'pinned', resourceId, pin: input.version.pinned });
    return newest === undefined ? pinnedNotFound(input.version.pinned) : found(newest);
  }
  if (input.version === 'latest') {
    const newest = yield* ask({ kind: 'latest', resourceId });
    return newest === null ? NO_VERSIONS : found(newest);
  }
  const { newer, newestUsable } = yield* ask({ kind: 'every', jobId: job.jobId, resourceId });
  const [next, second] = newer;
  if (next !== undefined) return found(next, second !== undefined);
  return newestUsable === null ? NO_VERSIONS_EVERY : found(newestUsable);
}

function found(row: VersionRow, hasNext = false): Finding {
  return { row, passedBuildIds: [], hasNext };
}
