import type { HistoryId, ResourceConfig, Version } from '../../model/index.js';
import type { Queryable, Tx } from '../db.js';
import type { CheckClaim } from './check-state.js';
import { scheduleRequests } from './schedule-requests.js';
import { saveVersionsOfCheck } from './versions.js';

/** A history of the same config whose own check would ask the very same. */
export interface CheckSharer {
  readonly historyId: HistoryId;
  readonly config: ResourceConfig;
  /** In a row, before this check. */
  readonly failures: number;
}

/** Where a check of the resource `r` with history `h` starts: at its pin, or at its newest version. */
const START = `coalesce((select version from pins where resource_id = r.id),
  (select version from versions v where v.history_id = h.id and v.check_order > 0 order by v.check_order desc limit 1))`;

/**
 * May be answered for by the check of history $1 under claim $3 that started at $2: the same config and the same start; nobody
 * asked for a check after that one had begun, and `never` only where somebody asked.
 */
const SHARES = `own.id = $1 and own.check_claim = $3 and h.config_digest = own.config_digest and h.id <> own.id
  and r.active and not r.paused and not p.paused and not p.archived
  and not coalesce(h.check_claimed_until > now(), false)
  and coalesce(h.check_requested_at, '-infinity') <= own.check_started_at
  and (coalesce(r.config->>'check_every', '') <> 'never'
    or h.check_requested_at > coalesce(h.check_ended_at, '-infinity'))
  and ${START} is not distinct from $2::jsonb`;

const WHO = `histories own
  join histories h on h.config_digest = own.config_digest
  join resources r on r.history_id = h.id
  join pipelines p on p.id = r.pipeline_id`;

/** Histories that the check under `claim` can answer for: a check is a function of source and start. */
export async function checkSharers(
  db: Queryable,
  claim: CheckClaim,
  start: Version | undefined,
): Promise<CheckSharer[]> {
  return db.query<CheckSharer>(
    `select h.id as "historyId", r.config, h.check_failures as failures
     from ${WHO} where ${SHARES} order by h.id`,
    [claim.historyId, startText(start), claim.claim],
  );
}

/** One of the {@link CheckSharer}s, and when it is checked next. */
export interface SharedEnd {
  readonly historyId: HistoryId;
  readonly nextDelayMs: number | null;
  readonly checkEvery: string | null;
}

/**
 * Ends the check for the sharers as if each had been checked by itself; before it ends for the one that holds the claim, so
 * that none of them begins meanwhile. Those that no longer share (paused, moved on,
 * being checked, asked for again) are left alone: they are checked when they are due.
 * @returns for how many the check has counted.
 */
export async function endSharedCheck(
  tx: Tx,
  claim: CheckClaim,
  start: Version | undefined,
  end: { readonly versions: readonly Version[] | undefined; readonly error: string | null },
  sharers: readonly SharedEnd[],
): Promise<number> {
  const ids = sharers.map((sharer) => sharer.historyId);
  // Locked first, read then: a statement that waits for the locks would read what was before the wait.
  await tx.query(
    `select from resources r join pipelines p on p.id = r.pipeline_id where r.history_id = any($1) order by r.id for share`,
    [ids],
  );
  await tx.query(`select from histories where id = any($1) order by id for update`, [ids]);
  const rows = await tx.query<{ id: HistoryId }>(
    `update histories ended set check_started_at = own.check_started_at, check_ended_at = clock_timestamp(),
       check_succeeded = $4, check_error = $5, check_failures = case when $4 then 0 else ended.check_failures + 1 end,
       check_every = n.check_every,
       next_check_at = case when n.delay_ms is null then 'infinity' else clock_timestamp() + n.delay_ms * interval '1 ms' end
     from ${WHO} join unnest($6::bigint[], $7::float8[], $8::text[]) as n(id, delay_ms, check_every) on n.id = h.id
     where ended.id = h.id and ${SHARES} returning ended.id`,
    [
      claim.historyId,
      startText(start),
      claim.claim,
      end.versions !== undefined,
      end.error,
      ids,
      sharers.map((sharer) => sharer.nextDelayMs),
      sharers.map((sharer) => sharer.checkEvery),
    ],
  );
  const shared = rows.map((row) => row.id);
  if (shared.length === 0) return 0;
  if (end.versions) await saveVersionsOfCheck(tx, shared, end.versions);
  await scheduleRequests.checkEnded(tx, shared);
  return shared.length;
}

const startText = (start: Version | undefined): string | null => (start === undefined ? null : JSON.stringify(start));
