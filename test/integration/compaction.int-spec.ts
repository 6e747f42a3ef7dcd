import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { EventFeed } from '../../src/events/index.js';
import type { BuildEvent, BuildId } from '../../src/model/index.js';
import {
  appendEvents,
  buildsToCompact,
  compactEvents,
  finishBuild,
  readEvents,
  type StoredEvent,
} from '../../src/persistence/index.js';
import { systemClock } from '../../src/platform/index.js';
import { CompactionLoop } from '../../src/retention/index.js';
import { EngineWorld, silent } from '../support/engine-world.js';

let world: EngineWorld;
let feed: EventFeed;
beforeAll(async () => {
  world = await EngineWorld.create();
  feed = new EventFeed(world.db, world.listener, silent);
  feed.onModuleInit();
});
afterAll(async () => {
  feed.onApplicationShutdown();
  await world.close();
});

const line = (payload: string): BuildEvent => ({ event: 'log', data: { origin: { id: '1' }, time: 0, payload } });
const compact = (id: BuildId): Promise<boolean> => world.db.tx((tx) => compactEvents(tx, id));
const finish = (id: BuildId): Promise<boolean> => world.db.tx((tx) => finishBuild(tx, id, 'succeeded'));

/** A started build that has said these lines. */
async function startedBuild(lines: readonly string[]): Promise<BuildId> {
  const plan = 'jobs: [{name: j, plan: [{task: t, config: {platform: linux, run: {path: ok}}}]}]';
  const { id } = await world.start(await world.pipeline(plan));
  await world.db.tx((tx) => appendEvents(tx, id, lines.map(line)));
  return id;
}

async function finishedBuild(lines: readonly string[]): Promise<BuildId> {
  const id = await startedBuild(lines);
  await finish(id);
  return id;
}

async function watched(id: BuildId, from: number): Promise<StoredEvent[]> {
  const seen: StoredEvent[] = [];
  for await (const event of feed.watch(id, from, new AbortController().signal)) seen.push(event);
  return seen;
}

async function rowsOf(id: BuildId): Promise<{ plain: number; chunks: number }> {
  const [row] = await world.db.query<{ plain: number; chunks: number }>(
    `select (select count(*) from build_events where build_id = $1) as plain,
       (select count(*) from build_event_chunks where build_id = $1) as chunks`,
    [id],
  );
  return row!;
}

describe('a compacted log', () => {
  it('streams exactly the same events from any place', async () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 50 }),
      fc.integer({ min: 1, max: 300_000 }).map((length) => 'long '.repeat(length / 5)),
    );
    const run = fc.asyncProperty(fc.array(text, { maxLength: 150 }), fc.nat(155), async (lines, from) => {
      const id = await finishedBuild(lines);
      const before = await watched(id, from);
      expect(before).toHaveLength(Math.max(0, lines.length + 2 - from));
      expect(await compact(id)).toBe(true);
      expect((await rowsOf(id)).plain).toBe(0);
      expect(await watched(id, from)).toEqual(before);
    });
    await fc.assert(run, { numRuns: 25 });
  });

  it('streams on without a break to who is in the middle of it', async () => {
    const id = await finishedBuild(Array.from({ length: 400 }, (_, n) => `line ${n} ${'.'.repeat(30_000)}`));
    const seen: number[] = [];
    for await (const { seq } of feed.watch(id, 0, new AbortController().signal)) {
      seen.push(seq);
      if (seq === 100) await compact(id);
    }
    expect(seen).toEqual(Array.from({ length: 402 }, (_, n) => n));
    expect((await rowsOf(id)).chunks).toBeGreaterThan(3);
  });

  it('takes no more events', async () => {
    const id = await finishedBuild(['a']);
    await compact(id);
    const late = world.db.tx((tx) => appendEvents(tx, id, [line('late')]));
    await expect(late).rejects.toMatchObject({ constraint: 'event_sequences_have_no_gap' });
  });

  it('refuses a gap, an overlap and an empty chunk', async () => {
    const id = await finishedBuild([]);
    const insert = (first: number, last: number): Promise<unknown> =>
      world.db.query(`insert into build_event_chunks (build_id, first_seq, last_seq, data) values ($1, $2, $3, '')`, [
        id,
        first,
        last,
      ]);
    await insert(0, 9);
    await insert(10, 19);
    await expect(insert(21, 30)).rejects.toMatchObject({ constraint: 'event_chunks_have_no_gap' });
    await expect(insert(10, 30)).rejects.toMatchObject({ constraint: 'build_event_chunks_pkey' });
    await expect(insert(5, 30)).rejects.toMatchObject({ constraint: 'event_chunks_have_no_gap' });
    await expect(insert(20, 19)).rejects.toMatchObject({ constraint: 'a_chunk_holds_events' });
  });

  it('goes with its build', async () => {
    const id = await finishedBuild(['a']);
    await compact(id);
    await world.db.query(`delete from builds where id = $1`, [id]);
    expect(await rowsOf(id)).toEqual({ plain: 0, chunks: 0 });
  });

  it('of a program that says little at a time is many times smaller', async () => {
    const lines = Array.from({ length: 2_000 }, (_, n) => `line ${n} of a program that has a good deal to say\n`);
    const id = await finishedBuild(lines);
    const sizeOf = async (table: string): Promise<number> => {
      const sql = `select sum(pg_column_size(t.*))::bigint as bytes from ${table} t where build_id = $1`;
      return (await world.db.query<{ bytes: number }>(sql, [id]))[0]!.bytes;
    };
    const before = await sizeOf('build_events');
    await compact(id);
    expect(before / (await sizeOf('build_event_chunks'))).toBeGreaterThan(10);
  });
});

describe('compacting', () => {
  it('leaves a build alone that runs, was compacted, or is gone', async () => {
    const running = await startedBuild(['a']);
    expect(await compact(running)).toBe(false);
    expect(await rowsOf(running)).toEqual({ plain: 2, chunks: 0 });
    const done = await finishedBuild(['a']);
    expect([await compact(done), await compact(done)]).toEqual([true, false]);
    expect(await compact(999_999 as BuildId)).toBe(false);
  });

  it('changes nothing when it fails half-way', async () => {
    const id = await finishedBuild(['a', 'b']);
    const before = await readEvents(world.db, id, 0, 100);
    const crash = world.db.tx(async (tx) => {
      await compactEvents(tx, id);
      throw new Error('killed');
    });
    await expect(crash).rejects.toThrow('killed');
    expect(await rowsOf(id)).toEqual({ plain: 4, chunks: 0 });
    expect(await readEvents(world.db, id, 0, 100)).toEqual(before);
  });

  it('refuses a log that is not complete', async () => {
    const id = await finishedBuild(['a', 'b']);
    await world.db.query(`delete from build_events where build_id = $1 and seq = 3`, [id]);
    await expect(compact(id)).rejects.toThrow('has 3 events in its log where 4 were written');
    expect(await rowsOf(id)).toEqual({ plain: 3, chunks: 0 });
  });

  it('happens ten minutes after the end, by one of two servers, and a log that cannot be does not stop the others', async () => {
    const [broken, fresh, running] = [
      await finishedBuild(['a']),
      await finishedBuild(['a']),
      await startedBuild(['a']),
    ];
    await world.db.query(`delete from build_events where build_id = $1 and seq = 2`, [broken]);
    const due = await Promise.all(Array.from({ length: 120 }, () => finishedBuild(['a'])));
    await world.db.query(`update builds set ended_at = ended_at - interval '11 minutes' where id = any($1)`, [
      [broken, ...due],
    ]);
    const loops = [1, 2].map(() => new CompactionLoop(world.db, systemClock, silent));
    await Promise.all(loops.map((loop) => loop.runOnce(new AbortController().signal)));
    for (const id of due) expect(await rowsOf(id)).toEqual({ plain: 0, chunks: 1 });
    for (const id of [fresh, running]) expect((await rowsOf(id)).chunks).toBe(0);
    const left = await buildsToCompact(world.db, new Date(Date.now() - 600_000), 1_000);
    expect(left).toEqual([broken]);
  });

  it('takes and removes a log of many small events in one go, also in a table that was small a moment ago', async () => {
    const id = await startedBuild([]);
    await world.db.query(`delete from build_events where build_id <> $1`, [id]);
    await world.db.query(`vacuum analyze build_events`);
    await world.db.tx((tx) => appendEvents(tx, id, [line('first')]));
    const begin = performance.now();
    await world.db.tx((tx) =>
      appendEvents(
        tx,
        id,
        Array.from({ length: 20_000 }, (_, n) => line(`${n}\n`)),
      ),
    );
    await finish(id);
    expect(await compact(id)).toBe(true);
    expect(performance.now() - begin).toBeLessThan(15_000);
    expect(await watched(id, 20_000)).toHaveLength(3);
  });
});
