import type { BuildEvent, BuildId } from '../../model/index.js';
import type { Queryable, Tx } from '../db.js';
import { notify } from '../notify.js';
import { eventsOfChunk } from './build-event-chunks.js';
import type { StoredEvent } from './stored-event.js';

export type { StoredEvent };

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

/**
 * Events from `from` on, oldest first, without a gap; none when there are no more. At most `limit`, or from a compacted log
 * what is left of a chunk.
 */
export async function readEvents(db: Queryable, buildId: BuildId, from: number, limit: number): Promise<StoredEvent[]> {
  // One statement, so that a log which is compacted meanwhile is seen in one form.
  const rows = await db.query<StoredEvent & { readonly chunk: Buffer | null }>(
    `with plain as materialized (
       select seq, event, data from build_events where build_id = $1 and seq >= $2 order by seq limit $3
     )
     select seq, event, data, null::bytea as chunk from plain
     union all
     select c.first_seq, null, null, c.data from (
       select first_seq, data from build_event_chunks where build_id = $1 and last_seq >= $2 order by last_seq limit 1
     ) c where not exists (select from plain)
     order by seq`,
    [buildId, from, limit],
  );
  const [first] = rows;
  if (!first?.chunk) return rows.map(({ seq, event, data }) => ({ seq, event, data }));
  return (await eventsOfChunk(first.seq, first.chunk)).filter(({ seq }) => seq >= from);
}

/** PostgreSQL's jsonb holds neither U+0000 nor half a surrogate pair. */
function storable(_key: string, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  return value.replace(/\0|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd');
}
