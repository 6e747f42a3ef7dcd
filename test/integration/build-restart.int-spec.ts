import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { notify, requestAbort, type Db, type Tx } from '../../src/persistence/index.js';
import {
  comparable,
  eventFaults,
  expected,
  loadScenarios,
  observe,
  outputLines,
  stepNames,
} from '../support/build-scenarios.js';
import { dyingDb } from '../support/dying-db.js';
import { EngineWorld, gates } from '../support/engine-world.js';

let world: EngineWorld;
beforeAll(async () => {
  world = await EngineWorld.create();
});
afterAll(() => world.close());
beforeEach(() => {
  world.resourceCalls.length = 0;
  world.setPipelines.length = 0;
  world.begun.length = 0;
});

let epoch = 1;

/** Kills the server after its first, second, … transaction until it lives to the end. */
async function killAtEveryBoundary(
  check: (db: Db, isDead: () => boolean) => Promise<'died' | 'lived'>,
): Promise<number> {
  for (let transactions = 1; ; transactions++) {
    const { db, isDead } = dyingDb(world.db, transactions);
    if ((await check(db, isDead)) === 'lived') return transactions;
    if (transactions > 200) throw new Error('never got to the end');
  }
}

/** One of each kind of step and of nesting: the first hundred scenarios, and some that go deeper. */
const CHOSEN = /^(\d\d|123|128|172|186|238|266|269)-/;
/** Steps whose outcome depends on the time or on a person would end otherwise after a restart. */
const REPEATABLE = loadScenarios().filter(
  ({ expect: e, name }) => CHOSEN.test(name) && e.abort_at === undefined && !/timeout|term|fast/.test(name),
);

describe('a build whose server is killed after any of its transactions', () => {
  it.each(REPEATABLE.map((scenario) => [scenario.name, scenario] as const))(
    'ends as if nothing had happened: %s',
    async (_name, scenario) => {
      const pipeline = await world.pipeline(scenario.pipeline);
      const deaths = await killAtEveryBoundary(async (db, isDead) => {
        world.resourceCalls.length = 0;
        world.setPipelines.length = 0;
        world.begun.length = 0;
        const { id, plan } = await world.start(pipeline, scenario.expect.vars);
        const first = world.engine(epoch++, { db });
        first.start();
        await world.until(async () => isDead() || (await world.status(id)) !== 'started', 'death or the end');
        const died = (await world.status(id)) === 'started';
        await first.stop();
        const second = world.engine(epoch++);
        second.start();
        await world.finished(id);
        const seen = await observe(world, id, plan);
        // A get or put that was interrupted runs again, so it may be asked twice.
        const { calls: _, set: __, ...expectation } = scenario.expect;
        const again = died ? expectation : scenario.expect;
        expect(comparable(again, seen)).toEqual(expected(again));
        expect(eventFaults(await world.events(id))).toEqual([]);
        expect(world.begun).toEqual([...new Set(world.begun)]);
        await second.stop();
        return died ? 'died' : 'lived';
      });
      expect(deaths).toBeGreaterThan(1);
    },
    60_000,
  );
});

const TASK = (name: string, ...argv: string[]): string =>
  `{task: ${name}, config: {platform: linux, run: {path: ${argv[0]}, args: ${JSON.stringify(argv.slice(1))}}}}`;

describe('a process that runs while its server is killed', () => {
  it('is joined, and no byte of its output is lost or told twice', async () => {
    const gate = `g${epoch}`;
    const pipeline = await world.pipeline(`jobs: [{name: j, plan: [${TASK('a', 'gate', gate)}]}]`);
    const { id, plan } = await world.start(pipeline);
    const lines = async (): Promise<string[]> => {
      const events = await world.events(id);
      return outputLines(events, stepNames(plan, events));
    };
    const first = world.engine(epoch++);
    first.start();
    await world.until(async () => (await lines()).length === 1, 'the first line');
    await first.stop();
    const second = world.engine(epoch++);
    second.start();
    gates.add(gate);
    expect(await world.finished(id)).toBe('succeeded');
    expect(await lines()).toEqual([`a: at gate ${gate}`, `a: through gate ${gate}`]);
    expect(world.begun).toHaveLength(1);
    await second.stop();
  });

  it('still has the secrets of earlier steps hidden', async () => {
    const gate = `g${epoch}`;
    const pipeline = await world.pipeline(
      `{resources: [{name: repo, type: git, source: {uri: x, password: hunter22}}],
        jobs: [{name: j, plan: [{get: repo}, ${TASK('a', 'gate', gate)}, ${TASK('b', 'print', 'hunter', '22 hunter22')}]}]}`,
    );
    const { id, plan } = await world.start(pipeline);
    const first = world.engine(epoch++);
    first.start();
    await world.until(() => world.begun.length === 1, 'the start');
    await first.stop();
    const second = world.engine(epoch++);
    second.start();
    gates.add(gate);
    expect(await world.finished(id)).toBe('succeeded');
    expect((await observe(world, id, plan)).output.at(-1)).toBe('b: hunter 22 ((redacted))');
    expect(JSON.stringify(await world.events(id))).not.toContain('hunter22');
    await second.stop();
  });

  it('that is lost meanwhile ends as errored with the reason', async () => {
    const pipeline = await world.pipeline(`jobs: [{name: j, plan: [${TASK('a', 'stay')}]}]`);
    const { id, plan } = await world.start(pipeline);
    const first = world.engine(epoch++);
    first.start();
    await world.until(() => world.begun.length === 1, 'the start');
    await first.stop();
    world.machine.lose(world.begun[0]!, 'the machine was switched off');
    const second = world.engine(epoch++);
    second.start();
    expect(await world.finished(id)).toBe('errored');
    expect((await observe(world, id, plan)).errors).toEqual(['a: the task was lost: the machine was switched off']);
    await second.stop();
  });

  it('keeps its old deadline', async () => {
    const pipeline = await world.pipeline(
      `jobs: [{name: j, plan: [{timeout: 700ms, task: a, config: {platform: linux, run: {path: stay}}}]}]`,
    );
    const { id, plan } = await world.start(pipeline);
    const first = world.engine(epoch++);
    first.start();
    await world.until(() => world.begun.length === 1, 'the start');
    await first.stop();
    await world.db.query(`update build_steps set deadline_at = now() - interval '1 second' where build_id = $1`, [id]);
    const second = world.engine(epoch++);
    second.start();
    expect(await world.finished(id)).toBe('failed');
    expect((await observe(world, id, plan)).errors).toEqual(['a: timeout exceeded']);
    await second.stop();
  });

  it('is aborted by the next server when the abort came while none was there', async () => {
    const pipeline = await world.pipeline(
      `jobs: [{name: j, plan: [${TASK('a', 'stay')}], on_abort: ${TASK('hook', 'ok')}}]`,
    );
    const { id, plan } = await world.start(pipeline);
    const first = world.engine(epoch++);
    first.start();
    await world.until(() => world.begun.length === 1, 'the start');
    await first.stop();
    await world.db.tx((tx) => requestAbort(tx, id, 'tester'));
    const second = world.engine(epoch++);
    second.start();
    expect(await world.finished(id)).toBe('aborted');
    expect((await observe(world, id, plan)).begun).toEqual(['a', 'hook']);
    await second.stop();
  });
});

describe('several servers', () => {
  it('never run a step twice between them', async () => {
    const servers = [1, 2, 3].map((n) => world.engine(epoch++, { instance: `server-${n}` }));
    servers.forEach((server) => server.start());
    const pipeline = await world.pipeline(
      `jobs: [{name: j, plan: [{in_parallel: [${TASK('a', 'ok')}, ${TASK('b', 'ok')}]}, ${TASK('c', 'print', 'x')}]}]`,
    );
    const builds = await Promise.all(Array.from({ length: 20 }, () => world.start(pipeline)));
    for (const { id } of builds) expect(await world.finished(id)).toBe('succeeded');
    expect(world.begun).toHaveLength(60);
    expect(new Set(world.begun).size).toBe(60);
    for (const { id } of builds) expect(eventFaults(await world.events(id))).toEqual([]);
    await Promise.all(servers.map((server) => server.stop()));
  });

  it('take over when a lease runs out, and the old holder writes nothing more', async () => {
    const gate = `g${epoch}`;
    const pipeline = await world.pipeline(`jobs: [{name: j, plan: [${TASK('a', 'gate', gate)}, ${TASK('b', 'ok')}]}]`);
    const { id, plan } = await world.start(pipeline);
    const first = world.engine(epoch++, { instance: 'slow' });
    first.start();
    await world.until(() => world.begun.length === 1, 'the start');
    await world.db.query(`update builds set lease_until = now() - interval '1 second' where id = $1`, [id]);
    const second = world.engine(epoch++, { instance: 'quick' });
    second.start();
    const holder = async (): Promise<unknown> =>
      (await world.db.query<{ h: string }>(`select lease_instance as h from builds where id = $1`, [id]))[0]?.h;
    await world.until(async () => (await holder()) === 'quick', 'the takeover');
    gates.add(gate);
    expect(await world.finished(id)).toBe('succeeded');
    const seen = await observe(world, id, plan);
    expect(seen.output).toEqual([`a: at gate ${gate}`, `a: through gate ${gate}`]);
    expect(world.begun).toHaveLength(2);
    expect(eventFaults(await world.events(id))).toEqual([]);
    await first.stop();
    await second.stop();
  });
});

describe('a database that goes away and comes back', () => {
  it('stops no build: the same server goes on where the journal ends', async () => {
    const gate = `g${epoch}`;
    const pipeline = await world.pipeline(
      `jobs: [{name: j, plan: [${TASK('a', 'gate', gate)}, ${TASK('b', 'print', 'x')}]}]`,
    );
    const { id, plan } = await world.start(pipeline);
    let isAway = false;
    const refuse = (): Promise<never> =>
      Promise.reject(Object.assign(new Error('connection refused'), { code: 'ECONNREFUSED' }));
    const db = {
      query: (sql: string, parameters?: unknown[]) => (isAway ? refuse() : world.db.query(sql, parameters)),
      tx: (work: never) => (isAway ? refuse() : world.db.tx(work)),
    } as unknown as Db;
    const server = world.engine(epoch++, { db });
    server.start();
    await world.until(() => world.begun.length === 1, 'the start');
    isAway = true;
    gates.add(gate);
    await world.until(() => server.activeCount === 0, 'the run to be suspended');
    isAway = false;
    await world.db.tx((tx) => notify(tx, 'builds', [id]));
    expect(await world.finished(id)).toBe('succeeded');
    expect((await observe(world, id, plan)).output).toEqual([`a: at gate ${gate}`, `a: through gate ${gate}`, 'b: x']);
    expect(world.begun).toHaveLength(2);
    await server.stop();
  });

  it('that refuses a write for good ends the build as errored instead of trying for ever', async () => {
    const pipeline = await world.pipeline(`jobs: [{name: j, plan: [${TASK('a', 'ok')}]}]`);
    const { id, plan } = await world.start(pipeline);
    const db = {
      query: (sql: string, parameters?: unknown[]) => world.db.query(sql, parameters),
      tx: (work: (tx: Tx) => Promise<unknown>) =>
        world.db.tx((tx) =>
          work({
            ...tx,
            query: (sql, parameters) =>
              sql.includes('into build_steps')
                ? Promise.reject(new Error('no room for steps'))
                : tx.query(sql, parameters),
          }),
        ),
    } as unknown as Db;
    const server = world.engine(epoch++, { db });
    server.start();
    const poke = setInterval(() => void world.db.tx((tx) => notify(tx, 'builds', [id])), 50);
    expect(await world.finished(id)).toBe('errored');
    clearInterval(poke);
    expect((await observe(world, id, plan)).errors).toEqual([': the build cannot go on: no room for steps']);
    expect(eventFaults(await world.events(id))).toEqual([]);
    await server.stop();
  });
});

describe('an abort', () => {
  it('may come at any place: the build ends once, no step stays open, hooks that must run do', async () => {
    const pipeline = await world.pipeline(
      `{resources: [{name: repo, type: git, source: {uri: x}}],
        jobs: [{name: j, ensure: ${TASK('last', 'ok')}, plan: [
          {get: repo},
          {in_parallel: [${TASK('a', 'print', 'x')}, {attempts: 2, try: ${TASK('b', 'fail')}}]},
          {put: repo},
          {timeout: 1h, do: [${TASK('c', 'ok')}, ${TASK('d', 'print', 'y')}]}]}]}`,
    );
    const ends = new Set<string>();
    for (let transactions = 1, isOver = false; !isOver; transactions++) {
      const { id, plan } = await world.start(pipeline);
      let left = transactions;
      const db = {
        query: (sql: string, parameters?: unknown[]) => world.db.query(sql, parameters),
        tx: async (work: never) => {
          const result: unknown = await world.db.tx(work);
          if (--left === 0) await world.db.tx((tx) => requestAbort(tx, id, 'tester'));
          return result;
        },
      } as unknown as Db;
      const server = world.engine(epoch++, { db });
      server.start();
      const status = await world.finished(id);
      await server.stop();
      isOver = left > 0;
      ends.add(status);
      const seen = await observe(world, id, plan);
      expect(eventFaults(await world.events(id))).toEqual([]);
      expect(seen.begun.filter((name) => name === 'last')).toHaveLength(1);
      const open = await world.db.query(`select step_id from build_steps where build_id = $1 and outcome is null`, [
        id,
      ]);
      expect(open).toEqual([]);
      if (isOver) expect(status).toBe('succeeded');
    }
    expect([...ends].sort()).toEqual(['aborted', 'succeeded']);
  });
});
