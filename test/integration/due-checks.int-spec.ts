import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ResourceId } from '../../src/model/index.js';
import { Db, dueChecks } from '../../src/persistence/index.js';
import { insertPipeline } from '../support/pipeline-rows.js';
import { seededRandom } from '../support/seeded-random.js';
import { createTestDb, type TestDb } from '../support/test-db.js';

let t: TestDb;
let other: Db;
beforeAll(async () => {
  t = await createTestDb();
  other = await Db.connect(t.url);
});
afterAll(async () => {
  await other.close();
  await t.drop();
});
beforeEach(async () => {
  await t.db.query(`delete from pipelines`);
  await t.db.query(`delete from histories`);
});

const search = async (db: Db = t.db): Promise<ResourceId[]> =>
  (await db.tx((tx) => dueChecks(tx, 100_000))).map(({ resourceId }) => resourceId);
const sorted = (ids: readonly ResourceId[]): ResourceId[] => [...ids].sort((a, b) => a - b);

/** What is due, found by looking at every resource: the rule of scheduler-semantics §3.1. */
async function dueByLookingAtAll(): Promise<ResourceId[]> {
  const rows = await t.db.query<{ id: ResourceId }>(
    `select r.id from resources r join pipelines p on p.id = r.pipeline_id
     left join histories h on h.id = r.history_id left join pins pin on pin.resource_id = r.id
     where r.active and not r.paused and not p.paused and not p.archived
       and not exists (select from histories o where o.config_digest = h.config_digest and o.check_claimed_until > now())
       and (exists (select from jobs w where w.id = r.watched_job_id and w.latest_completed_build_id is distinct from r.watched_build_id)
         or coalesce(h.check_requested_at > coalesce(h.check_ended_at, '-infinity'), false)
         or (coalesce(r.config->>'check_every', '') <> 'never'
           and (h.id is null or h.next_check_at <= now() or h.check_every is distinct from r.config->>'check_every')
           and (h.check_ended_at is null or not h.check_succeeded
             or exists (select from job_inputs i join jobs j on j.id = i.job_id
               where i.resource_id = r.id and j.active and i.passed is null and (i.trigger
                 or not exists (select from versions v where v.history_id = h.id)
                 or (coalesce(case when jsonb_typeof(i.version) = 'object' then i.version end, pin.version) is not null
                   and not exists (select from versions v where v.history_id = h.id
                     and v.version @> coalesce(case when jsonb_typeof(i.version) = 'object' then i.version end, pin.version)))))))) order by r.id`,
  );
  return rows.map(({ id }) => id);
}

/** Everything that makes checks due or not; `$1` is a resource of the world. */
const ITS_HISTORY = `(select history_id from resources where id = $1)`;
const ITS_PIPELINE = `(select pipeline_id from resources where id = $1)`;
const A_JOB = `(select min(id) from jobs where pipeline_id = ${ITS_PIPELINE})`;
const CHANGES = [
  `update resources set paused = not paused where id = $1`,
  `update resources set active = not active where id = $1`,
  `update resources set config = config || '{"check_every": "never"}' where id = $1`,
  `update resources set config = config - 'check_every' where id = $1`,
  `update resources set config = config || '{"check_every": "1h"}' where id = $1`,
  `update pipelines set paused = not paused where id = ${ITS_PIPELINE}`,
  `update pipelines set archived = not archived where id = ${ITS_PIPELINE}`,
  `update jobs set active = not active where id = ${A_JOB}`,
  `update job_inputs set trigger = not trigger where resource_id = $1`,
  `update job_inputs set version = '{"ref": "1"}' where resource_id = $1`,
  `update job_inputs set passed = '{}' where resource_id = $1`,
  `delete from job_inputs where resource_id = $1`,
  `insert into job_inputs (job_id, name, ordinal, resource_id, trigger) select ${A_JOB}, 'again' || $1::bigint, 9, $1, true on conflict do nothing`,
  `insert into pins (resource_id, version, origin) select $1, '{"ref": "2"}', 'api' on conflict do nothing`,
  `update pins set version = '{"ref": "1"}' where resource_id = $1`,
  `delete from pins where resource_id = $1`,
  `update histories set check_requested_at = clock_timestamp() where id = ${ITS_HISTORY}`,
  `update histories set check_ended_at = clock_timestamp(), check_succeeded = true, next_check_at = now() + interval '1 hour',
     check_every = (select config->>'check_every' from resources where id = $1) where id = ${ITS_HISTORY}`,
  `update histories set check_ended_at = clock_timestamp(), check_succeeded = true, next_check_at = now() - interval '1 s' where id = ${ITS_HISTORY}`,
  `update histories set check_ended_at = clock_timestamp(), check_succeeded = false, next_check_at = now() + interval '1 hour' where id = ${ITS_HISTORY}`,
  `update histories set next_check_at = 'infinity' where id = ${ITS_HISTORY}`,
  `update histories set check_claim = 'x', check_claimed_until = now() + interval '1 hour' where id = ${ITS_HISTORY}`,
  `update histories set check_claim = null, check_claimed_until = null where id = ${ITS_HISTORY}`,
  `with made as (insert into histories (config_digest) values ('shared') returning id)
     update resources set history_id = (select id from made) where id = $1`,
  `delete from histories where id = ${ITS_HISTORY}`,
  `insert into versions (history_id, digest, version, check_order, origin)
     select h, '1', '{"ref": "1"}', 1, 'check' from ${ITS_HISTORY} as x(h) where h is not null on conflict do nothing`,
  `delete from versions where history_id = ${ITS_HISTORY}`,
  `update resources set watched_job_id = ${A_JOB}, watched_build_id = (select latest_completed_build_id from jobs where id = ${A_JOB}) where id = $1`,
  `update jobs set latest_completed_build_id = coalesce(latest_completed_build_id, 0) + 1 where id = ${A_JOB}`,
];

/** As after a while in which all went well and nobody asked for a check: whatever changes then tells. */
async function calmDown(): Promise<void> {
  for (const statement of [
    `update pipelines set paused = false, archived = false`,
    `update resources set active = true, paused = false, config = config - 'check_every', watched_job_id = null`,
    `update jobs set active = true`,
    `update job_inputs set passed = null, trigger = false, version = null`,
    `delete from pins`,
    `insert into versions (history_id, digest, version, check_order, origin)
       select id, '1', '{"ref": "1"}', 1, 'check' from histories on conflict do nothing`,
    `update histories set check_requested_at = null, check_ended_at = now(), check_succeeded = true, check_every = null,
       next_check_at = now() - interval '1 s', check_claim = null, check_claimed_until = null`,
  ])
    await t.db.query(statement);
  await search();
}

async function world(pipelines: number): Promise<ResourceId[]> {
  const resources = [0, 1, 2].map((n) => ({ name: `r${n}`, type: 'mock', source: { n } }));
  const ids: ResourceId[] = [];
  for (let n = 0; n < pipelines; n++) {
    const plan = [{ get: 'r0', trigger: true }, { get: 'r1' }];
    const rows = await insertPipeline(t.db, `p${n}`, { resources, jobs: [{ name: 'j', plan }] });
    ids.push(...Object.values(rows.resources));
  }
  return ids;
}

describe('the search for due checks', () => {
  it.each([1, 2, 3, 4])('finds what looking at every resource finds, after every change (%i)', async (seed) => {
    const random = seededRandom(seed);
    const calm = (seed - 1) / 10; // some changes tell only in a calm world, some only in a wild one
    const ids = await world(3);
    for (let n = 0; n < 250; n++) {
      if (random() < calm) await calmDown();
      const change = CHANGES[Math.floor(random() * CHANGES.length)]!;
      await t.db.query(change, [ids[Math.floor(random() * ids.length)]!]);
      expect({ change, due: sorted(await search()) }).toEqual({ change, due: await dueByLookingAtAll() });
    }
  });

  it('loses nothing while several servers search and others change', async () => {
    const ids = await world(6);
    let isOver = false;
    const searchAll = async (db: Db): Promise<void> => {
      while (!isOver) await search(db);
    };
    const changeAll = async (seed: number): Promise<void> => {
      const random = seededRandom(seed);
      for (let n = 0; n < 200; n++) {
        const change = CHANGES[Math.floor(random() * CHANGES.length)]!;
        await t.db.tx(async (tx) => {
          await tx.query(change, [ids[Math.floor(random() * ids.length)]!]);
          await tx.query(`select pg_sleep($1)`, [random() / 500]); // not yet seen by the searches
        });
      }
    };
    const searches = [searchAll(t.db), searchAll(other)];
    await Promise.all([4, 5, 6].map(changeAll));
    isOver = true;
    await Promise.all(searches);
    expect(sorted(await search())).toEqual(await dueByLookingAtAll());
    expect(sorted(await search(other))).toEqual(await dueByLookingAtAll());
  }, 120_000);

  it('finds a check whose change was not yet committed when another search looked at it', async () => {
    const [id] = await world(1);
    await t.db.query(`update histories set next_check_at = now() - interval '1 s'`);
    await t.db.query(`update resources set paused = true`);
    await t.db.tx(async (tx) => {
      await tx.query(`update resources set paused = false where id = $1`, [id]);
      expect(await search(other)).toEqual([]); // and does not wait
    });
    expect(await search(other)).toEqual([id]);
  });

  it('looks again at nothing that is not due, however many resources there are', async () => {
    await world(1);
    await t.db.query(`update histories set next_check_at = now() - interval '1 s'`);
    await t.db.query(
      `insert into resources (pipeline_id, name, type, config) select p.id, 'more-' || n, 'mock', '{"check_every": "never"}'
       from pipelines p, generate_series(1, 5000) n`,
    );
    const toLookAt = async (): Promise<number> => {
      const [row] = await t.db.query<{ many: number }>(
        `select count(*)::int as many from check_schedule where look_at <= now()`,
      );
      return row!.many;
    };
    expect(await toLookAt()).toBe(5003);
    const due = await search();
    expect(sorted(due)).toEqual(await dueByLookingAtAll());
    expect(due.length).toBeGreaterThan(0);
    expect(await toLookAt()).toBe(due.length);
    expect(await search()).toEqual(due);
  });

  it('finds a check again as soon as its time has come', async () => {
    const [id] = await world(1);
    await t.db.query(
      `with made as (insert into histories (config_digest, check_ended_at, check_succeeded, next_check_at)
      values ('x', now(), true, clock_timestamp() + interval '300 ms') returning id)
      update resources set history_id = made.id from made where resources.id = $1`,
      [id],
    );
    expect(await search()).not.toContain(id);
    await t.db.query(
      `select pg_sleep(extract(epoch from next_check_at - clock_timestamp())) from histories where config_digest = 'x'`,
    );
    expect(await search()).toContain(id);
  });
});
