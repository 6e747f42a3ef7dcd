import { promisify } from 'node:util';
import { deflate, inflate } from 'node:zlib';
import type { BuildId } from '../../model/index.js';
import type { Queryable, Tx } from '../db.js';
import type { StoredEvent } from './stored-event.js';

/** A chunk is closed when its events have this many characters as JSON: what a reader decompresses at once. */
const CHUNK_CHARACTERS = 1024 * 1024;
/** Events read at once; the largest log event has 64 KiB. */
const BATCH = 64;

const compress = promisify(deflate);
const decompress = promisify(inflate);

/** Builds that ended before `endedBefore` and whose log still is one row per event, those that wait longest first. */
export async function buildsToCompact(db: Queryable, endedBefore: Date, limit: number): Promise<BuildId[]> {
  const rows = await db.query<{ id: BuildId }>(
    `select id from builds
     where ended_at is not null and compacted_at is null and reaped_at is null and ended_at < $1
     order by ended_at, id limit $2`,
    [endedBefore, limit],
  );
  return rows.map(({ id }) => id);
}

/**
 * Stores the log of a final build as compressed chunks instead of one row per event. Readers see one form or the other, and
 * the same events.
 * @returns false when there is nothing to do: the build is gone, not final, compacted, or another server is at it.
 * @throws when the log is not complete; then nothing is changed.
 */
export async function compactEvents(tx: Tx, buildId: BuildId): Promise<boolean> {
  const [build] = await tx.query<{ next: number }>(
    `select next_event_seq as next from builds
     where id = $1 and ended_at is not null and compacted_at is null and reaped_at is null for update skip locked`,
    [buildId],
  );
  if (!build) return false;
  const end = await storeChunks(tx, buildId);
  if (end !== build.next)
    throw new Error(`build ${buildId} has ${end} events in its log where ${build.next} were written`);
  await tx.query(`delete from build_events where build_id = $1`, [buildId]);
  await tx.query(`update builds set compacted_at = now() where id = $1`, [buildId]);
  return true;
}

/** @returns the number of events. */
async function storeChunks(tx: Tx, buildId: BuildId): Promise<number> {
  let first = 0;
  let texts: string[] = [];
  let characters = 0;
  const store = async (): Promise<void> => {
    if (texts.length === 0) return;
    await tx.query(`insert into build_event_chunks (build_id, first_seq, last_seq, data) values ($1, $2, $3, $4)`, [
      buildId,
      first,
      first + texts.length - 1,
      await compress(`[${texts.join(',')}]`),
    ]);
    first += texts.length;
    [texts, characters] = [[], 0];
  };
  for (;;) {
    const next = first + texts.length;
    const events = await tx.query<StoredEvent>(
      `select seq, event, data from build_events where build_id = $1 and seq >= $2 order by seq limit $3`,
      [buildId, next, BATCH],
    );
    for (const { event, data } of events) {
      const text = JSON.stringify([event, data]);
      texts.push(text);
      characters += text.length;
      if (characters >= CHUNK_CHARACTERS) await store();
    }
    if (events.length === 0) break;
  }
  await store();
  return first;
}

/** The events of a chunk whose first has number `firstSeq`. */
export async function eventsOfChunk(firstSeq: number, data: Buffer): Promise<StoredEvent[]> {
  const events = JSON.parse((await decompress(data)).toString()) as [StoredEvent['event'], StoredEvent['data']][];
  return events.map(([event, data], n) => ({ seq: firstSeq + n, event, data }));
}
