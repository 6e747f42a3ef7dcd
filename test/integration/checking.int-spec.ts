import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { Checker, CheckingLoop } from '../../src/checking/index.js';
import type { JobConfig, JsonObject, ResourceConfig, ResourceId, Version } from '../../src/model/index.js';
import {
  dueChecks,
  NotificationListener,
  requestFreshChecks,
  saveCheckedVersions,
} from '../../src/persistence/index.js';
import { createLogger, Metrics, NotFoundError, Settings, systemClock } from '../../src/platform/index.js';
import type { CheckContext, ResourceType } from '../../src/resources/index.js';
import { ResourceFailure, ResourcesService } from '../../src/resources/index.js';
import { credentialsOn } from '../support/credentials.js';
import { eventually } from '../support/eventually.js';
import { insertPipeline, type PipelineRows } from '../support/pipeline-rows.js';
import { createTestDb, type TestDb } from '../support/test-db.js';

type Check = (
  context: CheckContext,
  request: { source: Record<string, unknown>; version?: Version },
) => Promise<readonly Version[]>;

let t: TestDb;
let count = 0;
let check: Check = async () => [];
const log = createLogger('silent');
const loops: CheckingLoop[] = [];
const listeners: NotificationListener[] = [];

/** A type whose check is whatever the test says; its host is `source.host`. */
const fake: ResourceType<Record<string, unknown>> = {
  name: 'fake',
  schema: { source: z.record(z.string(), z.unknown()), getParams: z.unknown(), putParams: z.unknown() },
  hostOf: (source) => source.host as string | undefined,
  check: (context, request) => check(context, request),
  get: () => Promise.reject(new Error('not used')),
  put: () => Promise.reject(new Error('not used')),
};
const types = {
  get: (name: string): ResourceType => {
    if (name !== 'fake') throw new NotFoundError(`there is no resource type "${name}"`);
    return fake;
  },
};

beforeAll(async () => {
  t = await createTestDb();
});
afterEach(async () => {
  await Promise.all(loops.splice(0).map((loop) => loop.onModuleDestroy()));
  await Promise.all(listeners.splice(0).map((listener) => listener.stop()));
  await t.db.query(`delete from pipelines`);
  check = async () => [];
});
afterAll(() => t.drop());

function checker(settings: Partial<Settings> = {}): Checker {
  const dataDir = path.join(os.tmpdir(), `weir-checking-${process.pid}`);
  return new Checker(
    t.db,
    types,
    new Settings({ dataDir, instanceId: `i${++count}`, ...settings }),
    systemClock,
    log,
    new Metrics(),
    credentialsOn(t.db, new Settings(settings)),
  );
}
/** A loop that runs by itself; the checks' deadline and limits come from the settings. */
async function startLoop(settings: Partial<Settings> = {}): Promise<CheckingLoop> {
  const listener = new NotificationListener(t.url, log);
  await listener.start();
  listeners.push(listener);
  const loop = new CheckingLoop(t.db, listener, checker(settings), new Settings(settings), log);
  loops.push(loop);
  loop.onApplicationBootstrap();
  return loop;
}
/** Resources that no check has seen yet, each read by a job that triggers unless the job says otherwise. */
async function set(resources: readonly Partial<ResourceConfig>[], jobs?: readonly JobConfig[]): Promise<PipelineRows> {
  const configs = resources.map((each, index) => ({
    name: `r${index}`,
    type: 'fake',
    source: { id: `${count}-${index}` },
    ...each,
  }));
  const p = await insertPipeline(t.db, `p${++count}`, {
    resources: configs,
    jobs: jobs ?? [{ name: 'j', plan: configs.map(({ name }) => ({ get: name, trigger: true })) }],
  });
  await t.db.query(`delete from histories where id in (select history_id from resources where pipeline_id = $1)`, [
    p.id,
  ]);
  return p;
}
interface State {
  succeeded: boolean | null;
  error: string | null;
  failures: number;
  inMs: number | null;
  claimed: boolean;
}
async function state(id: ResourceId): Promise<State | undefined> {
  const [row] = await t.db.query<State>(
    `select check_succeeded as succeeded, check_error as error, check_failures as failures, check_claim is not null as claimed,
       case when next_check_at < 'infinity' then extract(epoch from next_check_at - check_ended_at)::float8 * 1000 end as "inMs"
     from histories h join resources r on r.history_id = h.id where r.id = $1`,
    [id],
  );
  return row;
}
const ended = (id: ResourceId): Promise<State> =>
  eventually('the check has ended', async () => {
    const now = await state(id);
    return now?.succeeded !== null && !now?.claimed && now;
  });
async function versions(id: ResourceId): Promise<string[]> {
  const rows = await t.db.query<{ ref: string }>(
    `select version->>'ref' as ref from versions v join resources r on r.history_id = v.history_id where r.id = $1 order by check_order`,
    [id],
  );
  return rows.map((row) => row.ref);
}
const dueNow = async (p: PipelineRows): Promise<string[]> => {
  const due = await t.db.tx((tx) => dueChecks(tx, 100));
  return due.flatMap((each) => (each.pipelineId === p.id ? [each.config.name] : [])).sort();
};
/** As if so much time had passed since the last check. */
const age = (id: ResourceId, interval: string): Promise<unknown> =>
  t.db.query(
    `update histories set check_ended_at = check_ended_at - $2::interval, check_started_at = check_started_at - $2::interval,
       next_check_at = next_check_at - $2::interval where id = (select history_id from resources where id = $1)`,
    [id, interval],
  );
async function sourceOfResource(id: ResourceId): Promise<JsonObject> {
  const [row] = await t.db.query<{ source: JsonObject }>(
    `select config->'source' as source from resources where id = $1`,
    [id],
  );
  return row!.source;
}
const options = { signal: new AbortController().signal, log: () => undefined };

describe('what is due', () => {
  it('is a resource that was never checked, whoever uses it', async () => {
    const p = await set([{}, {}], [{ name: 'j', plan: [{ put: 'r0' }, { get: 'r1' }] }]);
    expect(await dueNow(p)).toEqual(['r0', 'r1']);
  });

  it('is a resource that triggers, whenever its interval is over', async () => {
    const p = await set([{}]);
    check = async () => [{ ref: 'v1' }];
    await checker().runCheck(p.resources.r0!, options);
    expect(await dueNow(p)).toEqual([]);
    await age(p.resources.r0!, '61 s');
    expect(await dueNow(p)).toEqual(['r0']);
  });

  it('is not a healthy resource that triggers nothing', async () => {
    const p = await set([{}, {}], [{ name: 'j', plan: [{ put: 'r0' }, { get: 'r1' }] }]);
    check = async () => [{ ref: 'v1' }];
    for (const id of Object.values(p.resources)) {
      await checker().runCheck(id, options);
      await age(id, '1 day');
    }
    expect(await dueNow(p)).toEqual([]);
  });

  it('is an input that triggers nothing while its history is empty or lacks its pin', async () => {
    const p = await set(
      [{}, { version: { ref: 'old' } }, {}],
      [{ name: 'j', plan: [{ get: 'r0' }, { get: 'r1' }, { get: 'r2', version: { ref: 'other' } }] }],
    );
    check = async (_, { source }) => (String(source.id).endsWith('-0') ? [] : [{ ref: 'v1' }]);
    for (const id of Object.values(p.resources)) {
      await checker().runCheck(id, options);
      await age(id, '1 hour');
    }
    expect(await dueNow(p)).toEqual(['r0', 'r1', 'r2']);
  });

  it('is never one with check_every: never, unless asked for', async () => {
    const p = await set([{ check_every: 'never' }]);
    expect(await dueNow(p)).toEqual([]);
    await t.db.tx((tx) => requestFreshChecks(tx, [p.resources.r0!]));
    expect(await dueNow(p)).toEqual(['r0']);
    await checker().runCheck(p.resources.r0!, options);
    expect(await dueNow(p)).toEqual([]);
    expect((await state(p.resources.r0!))!.inMs).toBeNull();
  });

  it('is one whose check_every was changed, at once', async () => {
    const p = await set([{ check_every: '24h' }]);
    await checker().runCheck(p.resources.r0!, options);
    expect(await dueNow(p)).toEqual([]);
    await t.db.query(`update resources set config = config || '{"check_every": "1m"}' where id = $1`, [p.resources.r0]);
    expect(await dueNow(p)).toEqual(['r0']);
  });

  it.each(['resource', 'pipeline'])('is nothing of a paused %s', async (what) => {
    const p = await set([{}]);
    const [table, id] = what === 'resource' ? ['resources', p.resources.r0!] : ['pipelines', p.id];
    await t.db.query(`update ${table} set paused = true where id = $1`, [id]);
    expect(await dueNow(p)).toEqual([]);
    await expect(checker().runCheck(p.resources.r0!, options)).rejects.toThrow(/paused/);
  });
});

describe('one check', () => {
  it('starts at the newest known version, at the pin if there is one, at `from` if it is given', async () => {
    const p = await set([{}, { version: { ref: 'pin' } }]);
    const starts: (Version | undefined)[] = [];
    check = async (_, { version }) => {
      starts.push(version);
      return [{ ref: 'v1' }, { ref: 'v2' }];
    };
    for (const from of [undefined, undefined, { ref: 'v1' }])
      await checker().runCheck(p.resources.r0!, { ...options, from });
    await checker().runCheck(p.resources.r1!, options);
    expect(starts).toEqual([undefined, { ref: 'v2' }, { ref: 'v1' }, { ref: 'pin' }]);
    expect(await versions(p.resources.r0!)).toEqual(['v1', 'v2']);
  });

  it('backs off while it fails, from its interval up to a quarter of an hour', async () => {
    const p = await set([{ check_every: '10s' }]);
    check = () => Promise.reject(new ResourceFailure('no such repository'));
    const waits: number[] = [];
    for (let i = 0; i < 9; i++) {
      await expect(checker().runCheck(p.resources.r0!, options)).rejects.toThrow('no such repository');
      waits.push((await state(p.resources.r0!))!.inMs!);
    }
    expect(await state(p.resources.r0!)).toMatchObject({ succeeded: false, error: 'no such repository', failures: 9 });
    for (const [i, ms] of waits.entries()) {
      const full = Math.min(10_000 * 2 ** i, 900_000);
      expect(ms).toBeGreaterThanOrEqual(full * 0.94);
      expect(ms).toBeLessThanOrEqual(full + 1);
    }
    check = async () => [];
    await checker().runCheck(p.resources.r0!, options);
    expect(await state(p.resources.r0!)).toMatchObject({ succeeded: true, error: null, failures: 0 });
  });

  it('is checked ten times less often by itself when a webhook tells of news', async () => {
    const p = await set([{ webhook_token: 'secret' }]);
    await checker().runCheck(p.resources.r0!, options);
    expect((await state(p.resources.r0!))!.inMs).toBeGreaterThan(9 * 60_000);
  });

  it('ends at its deadline, although it does not listen, and says so', async () => {
    const p = await set([{ check_timeout: '100ms' }]);
    check = () => new Promise(() => undefined);
    await expect(checker().runCheck(p.resources.r0!, options)).rejects.toThrow('check timed out after 100ms');
    expect(await state(p.resources.r0!)).toMatchObject({
      succeeded: false,
      error: 'check timed out after 100ms',
      claimed: false,
    });
  });

  it('ends when it prints without end, without keeping what it printed', async () => {
    const p = await set([{}]);
    let printed = 0;
    let kept = 0;
    check = async (context) => {
      const chunk = 'x'.repeat(64 * 1024);
      while (printed < 100 * 1024 * 1024 && !context.signal.aborted) {
        context.log(chunk);
        printed += chunk.length;
        await Promise.resolve();
      }
      return [];
    };
    const flood = checker().runCheck(p.resources.r0!, { ...options, log: (text) => void (kept += text.length) });
    await expect(flood).rejects.toThrow('check printed more than 1048576 bytes and was stopped');
    expect(kept).toBeLessThanOrEqual(1024 * 1024);
    expect(printed).toBeLessThan(2 * 1024 * 1024);
  });

  it('ends when it finds too many versions, and saves none', async () => {
    const p = await set([{}]);
    check = async () => Array.from({ length: 100_001 }, (_, n) => ({ ref: `v${n}` }));
    await expect(checker().runCheck(p.resources.r0!, options)).rejects.toThrow(/100001 versions, more than the 100000/);
    expect(await versions(p.resources.r0!)).toEqual([]);
  });

  it.each([[{}], [{ ref: 1 }], ['v1'], [null]])('refuses %j as a version', async (bad) => {
    const p = await set([{}]);
    check = async () => [bad as unknown as Version];
    await expect(checker().runCheck(p.resources.r0!, options)).rejects.toThrow(/no version/);
  });

  it.each([
    [{ source: { uri: '((repo.uri))' } }, 'undefined vars: repo.uri'],
    [{ type: 'nope' }, 'there is no resource type "nope"'],
  ])('says what is wrong with a resource that cannot be checked at all: %j', async (config, message) => {
    const p = await set([config]);
    await expect(checker().runCheck(p.resources.r0!, options)).rejects.toThrow(message);
    expect(await state(p.resources.r0!)).toMatchObject({
      succeeded: false,
      failures: 1,
      error: expect.stringContaining(message),
    });
    expect(await dueNow(p)).toEqual([]);
  });

  it('keeps the history when the source cannot be evaluated for a while', async () => {
    const p = await set([{}]);
    check = async () => [{ ref: 'v1' }];
    await checker().runCheck(p.resources.r0!, options);
    await t.db.query(`update resources set config = config || '{"source": {"uri": "((gone))"}}' where id = $1`, [
      p.resources.r0,
    ]);
    await expect(checker().runCheck(p.resources.r0!, options)).rejects.toThrow('undefined vars: gone');
    expect(await versions(p.resources.r0!)).toEqual(['v1']);
  });

  it('starts a new history when the source has changed', async () => {
    const p = await set([{}]);
    check = async (_, { source }) => [{ ref: String(source.id) }];
    await checker().runCheck(p.resources.r0!, options);
    await t.db.query(`update resources set config = config || '{"source": {"id": "other"}}' where id = $1`, [
      p.resources.r0,
    ]);
    await checker().runCheck(p.resources.r0!, options);
    expect(await versions(p.resources.r0!)).toEqual(['other']);
  });

  it('brings no versions to a resource that was paused while it ran; a put still does', async () => {
    const p = await set([{}]);
    const resources = new ResourcesService(t.db);
    check = async () => {
      await resources.pause(p.resources.r0!, { by: 'ann' });
      return [{ ref: 'v1' }];
    };
    await checker().runCheck(p.resources.r0!, options);
    expect(await versions(p.resources.r0!)).toEqual([]);
    await t.db.tx(async (tx) => {
      const [row] = await tx.query<{ history_id: never }>(`select history_id from resources where id = $1`, [
        p.resources.r0,
      ]);
      await saveCheckedVersions(tx, row!.history_id, [{ ref: 'put' }]);
    });
    expect(await versions(p.resources.r0!)).toEqual(['put']);
    await resources.unpause(p.resources.r0!);
    expect(await dueNow(p)).toEqual(['r0']);
  });
});

describe('many checks', () => {
  /** Counts how many run at once, in all and per key, until `release` is called. */
  function gate(): {
    most: () => number;
    mostOf: (key: string) => number;
    running: () => number;
    release: () => void;
    check: Check;
  } {
    let running = 0;
    let most = 0;
    const per = new Map<string, number>();
    const mostPer = new Map<string, number>();
    let release = (): void => undefined;
    const open = new Promise<void>((resolve) => (release = resolve));
    return {
      most: () => most,
      mostOf: (key) => mostPer.get(key) ?? 0,
      running: () => running,
      release: () => release(),
      check: async (_, { source }) => {
        const key = String(source.host ?? source.id);
        most = Math.max(most, ++running);
        per.set(key, (per.get(key) ?? 0) + 1);
        mostPer.set(key, Math.max(mostPer.get(key) ?? 0, per.get(key)!));
        await open;
        await new Promise((resolve) => setTimeout(resolve, 5));
        running--;
        per.set(key, per.get(key)! - 1);
        return [{ ref: 'v1' }];
      },
    };
  }

  it('run at once up to the limits of the server and of each host', async () => {
    const p = await set(
      Array.from({ length: 12 }, (_, n) => ({ source: { id: `${count}-${n}`, host: n < 8 ? 'one' : `other${n}` } })),
    );
    const door = gate();
    check = door.check;
    await startLoop({ checksPerHost: 2, maxConcurrentChecks: 5 });
    await eventually('the loop is full', async () => door.running() === 5);
    door.release();
    for (const id of Object.values(p.resources)) await ended(id);
    expect(door.most()).toBe(5);
    expect(door.mostOf('one')).toBe(2);
  });

  it('never run twice at once for one source, by two servers and for two resources', async () => {
    const source = { id: 'shared' };
    const [a, b] = [await set([{ source }, { source }]), await set([{ source }])];
    const door = gate();
    check = door.check;
    await Promise.all([startLoop(), startLoop()]);
    await eventually('one runs', async () => door.running() === 1);
    door.release();
    for (const p of [a, b])
      for (const id of Object.values(p.resources)) expect(await ended(id)).toMatchObject({ succeeded: true });
    expect(door.mostOf('shared')).toBe(1);
    for (const p of [a, b]) for (const id of Object.values(p.resources)) expect(await versions(id)).toEqual(['v1']);
  });

  describe('of identical sources', () => {
    /** `many` pipelines with one resource of the source each, and the ids of those resources. */
    async function alike(many: number, config: Partial<ResourceConfig> = {}): Promise<ResourceId[]> {
      const source = { id: `alike-${++count}` };
      const ids: ResourceId[] = [];
      for (let i = 0; i < many; i++) ids.push((await set([{ source, ...config }])).resources.r0!);
      return ids;
    }
    /** Counts the real checks; each finds versions up to the newest one. */
    function counter(): { runs: () => number; newest: number } {
      let runs = 0;
      const source = { runs: () => runs, newest: 1 };
      check = async (_, { version }) => {
        runs++;
        const from = version === undefined ? source.newest : Number(version.ref);
        return Array.from({ length: source.newest - from + 1 }, (_each, index) => ({ ref: String(from + index) }));
      };
      return source;
    }
    const due = async (ids: readonly ResourceId[]): Promise<number> =>
      (await t.db.tx((tx) => dueChecks(tx, 1000))).filter((each) => ids.includes(each.resourceId)).length;

    it('are one for a hundred pipelines, interval for interval', async () => {
      const ids = await alike(100);
      const door = gate();
      check = door.check;
      const loop = await startLoop();
      await eventually('all wait for the one', async () => {
        const [row] = await t.db.query<{ n: number }>(
          `select count(*)::int as n from resources where id = any($1) and history_id is not null`,
          [ids],
        );
        return door.running() === 1 && row!.n === 100;
      });
      const source = counter();
      door.release();
      for (const id of ids) expect(await ended(id)).toMatchObject({ succeeded: true });
      expect(source.runs()).toBe(0);
      await loop.onModuleDestroy();

      await t.db.query(`delete from versions`);
      for (const newest of [1, 2]) {
        source.newest = newest;
        for (const id of ids) await age(id, '61 s');
        expect(await due(ids)).toBe(100);
        await checker().runCheck(ids[7]!, options);
        expect(await due(ids)).toBe(0);
      }
      expect(source.runs()).toBe(2);
      for (const id of ids) expect(await versions(id)).toEqual(['1', '2']);
    });

    it('ask the jobs of every pipeline to schedule', async () => {
      const ids = await alike(2);
      const source = counter();
      for (const id of ids) await checker().runCheck(id, options);
      await t.db.query(`update jobs set schedule_done = schedule_requested`);
      source.newest = 2;
      await checker().runCheck(ids[0]!, options);
      const waiting = await t.db.query(
        `select from jobs j join resources r using (pipeline_id) where r.id = any($1) and schedule_requested > schedule_done`,
        [ids],
      );
      expect(waiting).toHaveLength(2);
    });

    it('keep the interval of each', async () => {
      const [often] = await alike(1);
      const source = await sourceOfResource(often!);
      const p = await set([{ source, check_every: '24h' }]);
      counter();
      await checker().runCheck(often!, options);
      await checker().runCheck(p.resources.r0!, options);
      await checker().runCheck(often!, options);
      expect((await state(often!))!.inMs).toBeLessThan(61_000);
      expect((await state(p.resources.r0!))!.inMs).toBeGreaterThan(80_000_000);
    });

    it('fail for all, and not where only the time was too short', async () => {
      const ids = await alike(2);
      const p = await set([{ source: await sourceOfResource(ids[0]!), check_timeout: '20ms' }]);
      counter();
      for (const id of [...ids, p.resources.r0!]) await checker().runCheck(id, options);
      check = () => new Promise(() => undefined);
      await expect(checker().runCheck(p.resources.r0!, options)).rejects.toThrow('timed out');
      expect(await state(ids[0]!)).toMatchObject({ succeeded: true });
      check = () => Promise.reject(new ResourceFailure('gone'));
      await expect(checker().runCheck(ids[0]!, options)).rejects.toThrow('gone');
      expect(await state(ids[1]!)).toMatchObject({ succeeded: false, error: 'gone', failures: 1 });
    });

    it.each([
      ['is paused', (id: ResourceId) => t.db.query(`update resources set paused = true where id = $1`, [id])],
      [
        'knows another newest version',
        (id: ResourceId) =>
          t.db.query(
            `update versions set version = '{"ref":"0"}', digest = 'other' where history_id = (select history_id from resources where id = $1)`,
            [id],
          ),
      ],
      [
        'is checked only when asked',
        (id: ResourceId) =>
          t.db.query(`update resources set config = config || '{"check_every":"never"}' where id = $1`, [id]),
      ],
    ])('are not shared with a resource that %s', async (_title, change) => {
      const ids = await alike(2);
      const source = counter();
      for (const id of ids) await checker().runCheck(id, options);
      await change(ids[1]!);
      source.newest = 2;
      await checker().runCheck(ids[0]!, options);
      expect(await versions(ids[1]!)).not.toContain('2');
    });

    it('are not shared by types whose resources have histories of their own', async () => {
      const ids = await alike(2);
      counter();
      for (const id of ids) await checker().runCheck(id, options);
      for (const id of ids) await age(id, '61 s');
      Object.assign(fake, { uniqueHistory: true });
      try {
        await checker().runCheck(ids[0]!, options);
      } finally {
        Object.assign(fake, { uniqueHistory: false });
      }
      expect(await due(ids)).toBe(1);
    });

    it('answer for check builds that waited for them', async () => {
      const ids = await alike(20);
      counter();
      for (const id of ids) await checker().runCheck(id, options);
      const door = gate();
      check = door.check;
      const all = ids.map((id) => checker().runCheck(id, { ...options, signal: new AbortController().signal }));
      await eventually('one runs', async () => door.running() === 1);
      const source = counter();
      door.release();
      await Promise.all(all);
      expect(source.runs()).toBeLessThanOrEqual(1);
    });
  });

  it('are taken over from a server that died, once its claim has run out', async () => {
    const p = await set([{ source: { id: 'orphan' } }]);
    await checker().runCheck(p.resources.r0!, options);
    await t.db.query(
      `update histories set check_claim = 'dead', check_claimed_until = now() + interval '1 hour', next_check_at = now()
       where id = (select history_id from resources where id = $1)`,
      [p.resources.r0],
    );
    expect(await dueNow(p)).toEqual([]);
    await t.db.query(`update histories set check_claimed_until = now() - interval '1 ms' where check_claim = 'dead'`);
    expect(await dueNow(p)).toEqual(['r0']);
  });

  it('are due at once after a restart of the server that claimed them', async () => {
    const p = await set([{}]);
    await checker().runCheck(p.resources.r0!, options);
    await t.db.query(
      `update histories set check_claim = 'me:1:2:3', check_claimed_until = now() + interval '1 hour', next_check_at = now()
       where id = (select history_id from resources where id = $1)`,
      [p.resources.r0],
    );
    await checker({ instanceId: 'me', epoch: 2 }).onApplicationBootstrap();
    expect(await dueNow(p)).toEqual(['r0']);
  });

  it('are stopped and given back when the server stops', async () => {
    const p = await set([{}]);
    let begun = false;
    check = ({ signal }) => {
      begun = true;
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
    };
    const loop = await startLoop();
    await eventually('the check runs', async () => begun);
    await loop.onModuleDestroy();
    expect(await state(p.resources.r0!)).toMatchObject({ succeeded: null, error: null, claimed: false });
    expect(await dueNow(p)).toEqual(['r0']);
  });

  it('begin at once when they are asked for by NOTIFY', async () => {
    const p = await set([{ check_every: 'never' }]);
    check = async () => [{ ref: 'v1' }];
    await startLoop();
    await t.db.tx((tx) => requestFreshChecks(tx, [p.resources.r0!]));
    await ended(p.resources.r0!);
    expect(await versions(p.resources.r0!)).toEqual(['v1']);
  });
});
