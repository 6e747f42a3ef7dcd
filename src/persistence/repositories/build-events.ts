import type { BuildEvent, BuildId } from '../../model/index.js';
import type { Queryable, Tx } from '../db.js';
import { notify } from '../notify.js';

export interface StoredEvent {
  readonly seq: number;
  readonly event: BuildEvent['event'];
  readonly data: BuildEvent['data'];
}

/** Appends events in order. The build's row lock gives them consecutive numbers; listeners hear of them after commit. */
export async function appendEvents(tx: Tx, buildId: BuildId, events: readonly BuildEvent[]): Promise<void> {
  if (events.length === 0) return;
  await tx.query(
    `with place as (
       update builds set next_event_seq = next_event_seq + cardinality($2::text[]) where id = $1
       returning next_event_seq - cardinality($2::text[]) as first
     )
     insert into build_events (build_id, seq, event, data)
     select $1, place.first + e.ordinal - 1, e.event, e.data
     from place, unnest($2::text[], $3::jsonb[]) with ordinality as e(event, data, ordinal)`,
    [buildId, events.map((e) => e.event), events.map((e) => JSON.stringify(e.data, storable))],
  );
  await notify(tx, 'events', [buildId]);
}

/** Events from `from` on, oldest first, at most `limit`. */
export async function readEvents(db: Queryable, buildId: BuildId, from: number, limit: number): Promise<StoredEvent[]> {
  return db.query<StoredEvent>(
    `select seq, event, data from build_events where build_id = $1 and seq >= $2 order by seq limit $3`,
    [buildId, from, limit],
  );
}

/** PostgreSQL's jsonb holds neither U+0000 nor half a surrogate pair. */
function storable(_key: string, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  return value.replace(/\0|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd');
}
