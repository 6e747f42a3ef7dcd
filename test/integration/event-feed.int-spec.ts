import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EventFeed } from '../../src/events/index.js';
import type { BuildEvent, BuildId } from '../../src/model/index.js';
import { appendEvents, finishBuild, type Db, type StoredEvent } from '../../src/persistence/index.js';
import { EngineWorld, silent } from '../support/engine-world.js';

let world: EngineWorld;
let feed: EventFeed;
let reads = 0;
beforeAll(async () => {
  world = await EngineWorld.create();
  const counting = {
    query: (sql: string, parameters?: unknown[]) => {
      reads += 1;
      return world.db.query(sql, parameters);
    },
  } as unknown as Db;
  feed = new EventFeed(counting, world.listener, silent);
  feed.onModuleInit();
});
afterAll(async () => {
  feed.onApplicationShutdown();
  await world.close();
});

const line = (text: string): BuildEvent => ({ event: 'log', data: { origin: { id: '1' }, time: 0, payload: text } });
const say = (id: BuildId, ...texts: string[]): Promise<void> =>
  world.db.tx((tx) => appendEvents(tx, id, texts.map(line)));
const end = (id: BuildId): Promise<boolean> => world.db.tx((tx) => finishBuild(tx, id, 'succeeded'));
const newBuild = async (): Promise<BuildId> =>
  (
    await world.start(
      await world.pipeline('jobs: [{name: j, plan: [{task: t, config: {platform: linux, run: {path: ok}}}]}]'),
    )
  ).id;

async function collect(id: BuildId, from = 0, signal = new AbortController().signal): Promise<number[]> {
  const seen: number[] = [];
  for await (const event of feed.watch(id, from, signal)) seen.push(event.seq);
  return seen;
}

describe('watching a build', () => {
  it('gives every event once and in order, those before and those to come, and ends with the build', async () => {
    const id = await newBuild();
    await say(id, 'a', 'b');
    const watching = collect(id);
    for (const text of ['c', 'd', 'e']) await say(id, text);
    await end(id);
    expect(await watching).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it('resumes where a watcher left off', async () => {
    const id = await newBuild();
    await say(id, 'a', 'b', 'c');
    await end(id);
    expect(await collect(id, 2)).toEqual([2, 3, 4]);
  });

  it('ends at once when a finished build has no more', async () => {
    const id = await newBuild();
    await end(id);
    expect(await collect(id, 99)).toEqual([]);
  });

  it('ends for a build that does not exist', async () => {
    expect(await collect(987_654 as BuildId)).toEqual([]);
  });

  it('ends when the log was removed, before or while somebody watched', async () => {
    const [reaped, live] = [await newBuild(), await newBuild()];
    await say(reaped, 'a', 'b');
    await end(reaped);
    const remove = (id: BuildId): Promise<unknown> =>
      world.db.query(`delete from build_events where build_id = $1`, [id]);
    await remove(reaped);
    expect(await collect(reaped)).toEqual([]);
    expect(await collect(reaped, 2)).toEqual([]);
    const seen: number[] = [];
    for await (const event of feed.watch(live, 0, new AbortController().signal)) {
      seen.push(event.seq);
      await end(live);
      await remove(live);
    }
    expect(seen[0]).toBe(0);
    expect(feed.readerCount).toBe(0);
  });

  it('ends when the watcher goes, and the reader with the last of them', async () => {
    const id = await newBuild();
    const leave = new AbortController();
    const watching = collect(id, 0, leave.signal);
    await world.until(() => feed.readerCount === 1, 'the reader');
    leave.abort();
    await watching;
    expect(feed.readerCount).toBe(0);
  });

  it('costs one reader for 200 watchers', async () => {
    const id = await newBuild();
    await say(id, 'a');
    const watching = Array.from({ length: 200 }, () => collect(id));
    await world.until(() => feed.readerCount === 1, 'the reader');
    const seen = new Set<number>();
    const probe = (async (): Promise<void> => {
      for await (const event of feed.watch(id, 0, new AbortController().signal)) seen.add(event.seq);
    })();
    await world.until(() => seen.size === 2, 'the first events');
    const before = reads;
    for (let n = 2; n < 32; n++) {
      await say(id, `line ${n}`);
      await world.until(() => seen.has(n), `event ${n}`);
    }
    const perEvent = (reads - before) / 30;
    await end(id);
    await probe;
    const all = Array.from({ length: 33 }, (_, n) => n);
    for (const each of await Promise.all(watching)) expect(each).toEqual(all);
    expect(perEvent).toBeLessThan(10);
  });

  it('misses nothing when writers are many and quick', async () => {
    const id = await newBuild();
    const watching = collect(id);
    await Promise.all(Array.from({ length: 100 }, (_, n) => say(id, `${n}`)));
    await end(id);
    expect(await watching).toEqual(Array.from({ length: 102 }, (_, n) => n));
  });
});

describe('the event log', () => {
  it('refuses a gap', async () => {
    const id = await newBuild();
    await say(id, 'one');
    await say(id, 'two');
    for (const [what, sql] of [
      ['behind the last', `insert into build_events (build_id, seq, event, data) values ($1, 7, 'log', '{}')`],
      [
        'within a statement',
        `insert into build_events (build_id, seq, event, data) select $1, n, 'log', '{}' from unnest('{3,4,6}'::int[]) n`,
      ],
      ['where events follow', `delete from build_events where build_id = $1 and seq = 1`],
      ['by another number', `update build_events set seq = 9 where build_id = $1 and seq = 2`],
    ] as const)
      await expect(world.db.query(sql, [id])).rejects.toMatchObject({
        constraint: 'event_sequences_have_no_gap',
        message: expect.stringMatching(what === 'by another number' ? 'keep their numbers' : 'gap'),
      });
    expect((await world.events(id)).map(({ seq }) => seq)).toEqual([0, 1, 2]);
    await world.db.query(`delete from build_events where build_id = $1`, [id]);
    expect(await world.events(id)).toEqual([]);
  });

  it('keeps the event before a new one from being removed meanwhile', async () => {
    const id = await newBuild();
    await say(id, 'one');
    let removal: Promise<unknown> | undefined;
    await world.db.tx(async (tx) => {
      await tx.query(`insert into build_events (build_id, seq, event, data) values ($1, 2, 'log', '{}')`, [id]);
      removal = world.db.query(`delete from build_events where build_id = $1 and seq = 1`, [id]);
      removal.catch(() => undefined); // looked at below
      await setTimeout(50);
    });
    await expect(removal).rejects.toMatchObject({ constraint: 'event_sequences_have_no_gap' });
  });

  it('keeps what a program may print', async () => {
    const id = await newBuild();
    await say(id, 'nul \0 and half a pair \ud800 and 😀');
    const events: StoredEvent[] = await world.events(id);
    expect(events[1]!.data).toMatchObject({ payload: 'nul \ufffd and half a pair \ufffd and 😀' });
  });
});
