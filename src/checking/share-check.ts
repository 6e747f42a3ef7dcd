import type { Version } from '../model/index.js';
import { checkSharers, endSharedCheck, type CheckClaim, type CheckTarget, type Db } from '../persistence/index.js';
import { checkIntervalMs, nextCheckDelayMs } from './check-timing.js';

/** Rows that one transaction may write. */
const ROWS_AT_ONCE = 20_000;

/** What a check has come to; its claim is still held. */
export interface CheckResult {
  readonly target: CheckTarget;
  readonly claim: CheckClaim;
  /** The version it started from. */
  readonly start: Version | undefined;
  readonly versions: readonly Version[] | undefined;
  readonly error: string | null;
}

/**
 * Lets the check count for every other resource, of any pipeline and team, that would have asked the same: equal type and
 * evaluated source, equal start. Their histories stay their own. Should the server die in the middle, those that are left are
 * checked by themselves.
 * @returns for how many resources it has counted.
 */
export async function shareCheck(
  db: Db,
  ended: CheckResult,
  timing: { readonly defaultIntervalMs: number; random(): number },
): Promise<number> {
  const { target, claim, start, versions } = ended;
  const timeout = target.config.check_timeout;
  const sharers = (await checkSharers(db, claim, start)).filter(
    // What took too long for one may be in time for another.
    ({ config }) => versions !== undefined || config.check_timeout === timeout,
  );
  const size = Math.max(1, Math.floor(ROWS_AT_ONCE / Math.max(versions?.length ?? 1, 100)));
  let count = 0;
  for (let from = 0; from < sharers.length; from += size) {
    const ends = sharers.slice(from, from + size).map(({ historyId, config, failures }) => {
      const intervalMs = checkIntervalMs(config, timing.defaultIntervalMs);
      const nextDelayMs = nextCheckDelayMs(intervalMs, versions ? 0 : failures + 1, timing.random());
      return { historyId, nextDelayMs, checkEvery: config.check_every ?? null };
    });
    count += await db.tx((tx) => endSharedCheck(tx, claim, start, ended, ends));
  }
  return count;
}
