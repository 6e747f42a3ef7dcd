/**
 * Status of a build. `failed`: the task said no; `errored`: we, or what the build asked for, broke;
 * the last four are final.
 */
export type BuildStatus = 'pending' | 'started' | FinalStatus;
export type FinalStatus = 'succeeded' | 'failed' | 'errored' | 'aborted';

export const FINAL_STATUSES: readonly FinalStatus[] = ['succeeded', 'failed', 'errored', 'aborted'];

/** True when a build with this status will never change again. */
export function isFinal(status: BuildStatus): status is FinalStatus {
  return status !== 'pending' && status !== 'started';
}
