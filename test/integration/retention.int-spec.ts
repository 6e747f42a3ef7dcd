import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { BuildId } from '../../src/model/index.js';
import {
  appendEvents,
  boundedLogs,
  buildsToReap,
  compactEvents,
  findBuild,
  readEvents,
  reapLog,
  removeOutdated,
  type LogPolicy,
} from '../../src/persistence/index.js';
import { Settings, systemClock } from '../../src/platform/index.js';
import { RetentionLoop } from '../../src/retention/index.js';
import { silent } from '../support/engine-world.js';
import { createTestDb, type TestDb } from '../support/test-db.js';

let t: TestDb;
beforeAll(async () => {
  t = await createTestDb();
});
afterAll(() => t.drop());

describe('retention', () => {
  it('removes expired tokens and old check builds, and keeps the newest of each resource and every build of a job', async () => {
    await t.db.query(
      `with u as (insert into users (name, subject, password_hash) values ('ann', 'ann', 'x') returning id)
       insert into tokens (user_id, digest, expires_at)
       select id, digest, now() + age from u, (values ('old', interval '-1 s'), ('good', interval '1 h')) as v(digest, age)`,
    );
    await t.db.query(
      `with p as (insert into pipelines (team_id, name) select id, 'p' from teams returning id, team_id),
         r as (insert into resources (pipeline_id, name, type, config) select id, name, 'mock', '{}' from p, (values ('a'), ('b')) as n(name)
           returning id, name),
         j as (insert into jobs (pipeline_id, name, config) select id, 'j', '{}' from p returning id)
       insert into builds (team_id, resource_id, job_id, name, status, ended_at, plan)
       select p.team_id, r.id, null::bigint, v.build, 'succeeded', now() - v.age, '{}'::jsonb
       from p, r join (values ('a', '1', interval '3 days'), ('a', '2', interval '2 days'), ('a', '3', interval '1 h'),
         ('b', '4', interval '9 days')) as v(resource, build, age) on v.resource = r.name
       union all select p.team_id, null, j.id, 'job', 'succeeded', now() - interval '9 days', '{}' from p, j
       order by 4`,
    );
    expect(await t.db.tx((tx) => removeOutdated(tx, new Date(), 24))).toEqual({ tokens: 1, checkBuilds: 2 });
    const left = await t.db.query<{ name: string }>(`select name from builds order by name`);
    expect(left.map(({ name }) => name)).toEqual(['3', '4', 'job']);
    expect(await t.db.query(`select digest from tokens`)).toEqual([{ digest: 'good' }]);
    expect(await t.db.tx((tx) => removeOutdated(tx, new Date(), 24))).toEqual({ tokens: 0, checkBuilds: 0 });
  });
});

const NO_POLICY: LogPolicy = { defaultBuilds: 0, maxBuilds: 0, defaultDays: 0, maxDays: 0 };

/** Of all jobs. */
async function allToReap(policy: Partial<LogPolicy> = {}): Promise<BuildId[]> {
  const ids: BuildId[] = [];
  for (const bounds of await boundedLogs(t.db, { ...NO_POLICY, ...policy }))
    ids.push(...(await buildsToReap(t.db, new Date(), bounds)));
  return ids;
}

/** Oldest first: `s`ucceeded, `f`ailed, `p`ending; a number is the age in days, 0 by default. */
async function builds(config: object, history: string): Promise<{ ids: BuildId[]; names: Map<BuildId, string> }> {
  const [job] = await t.db.query<{ id: number }>(
    `with p as (insert into pipelines (team_id, name) select id, gen_random_uuid()::text from teams returning id)
     insert into jobs (pipeline_id, name, config) select id, 'j', $1 from p returning id`,
    [JSON.stringify(config)],
  );
  const ids: BuildId[] = [];
  const names = new Map<BuildId, string>();
  for (const [place, written] of history.split(' ').entries()) {
    const [status, days] = [written[0]!, Number(written.slice(1))];
    const ended = status === 'p' ? null : `${days} days`;
    const [row] = await t.db.query<{ id: BuildId }>(
      `insert into builds (team_id, pipeline_id, job_id, name, status, ended_at, plan)
       select p.team_id, p.id, j.id, $2, $3, now() - $4::interval, '{}' from jobs j join pipelines p on p.id = j.pipeline_id
       where j.id = $1 returning id`,
      [job!.id, String(place), { s: 'succeeded', f: 'failed', p: 'pending' }[status], ended],
    );
    ids.push(row!.id);
    names.set(row!.id, `${place}${status}`);
  }
  return { ids, names };
}

describe('build_log_retention', () => {
  it.each([
    ['keeps all without a bound', {}, 's900 s900 s900', ''],
    ['takes 0 as no bound', { build_log_retention: { days: 0, builds: 0 } }, 's900 s', ''],
    ['keeps the newest builds', { build_log_retention: { builds: 2 } }, 's f s f', '0s 1f'],
    ['knows the old name of that', { build_logs_to_retain: 1 }, 's f s', '0s 1f'],
    ['does not count what has not ended', { build_log_retention: { builds: 1 } }, 's s p', '0s'],
    ['takes any number', { build_log_retention: { days: 9e15, builds: 9e15 } }, 's900 s', ''],
    ['removes what ended days ago', { build_log_retention: { days: 3 } }, 's4 f5 s2 f', '0s 1f'],
    ['removes what either bound removes', { build_log_retention: { days: 3, builds: 2 } }, 's s4 s s', '0s 1s'],
    [
      'keeps a minimum of succeeded builds among the number',
      { build_log_retention: { builds: 3, minimum_succeeded_builds: 1 } },
      's s f f f f',
      '0s 2f 3f',
    ],
    [
      'keeps them whatever their age',
      { build_log_retention: { days: 1, builds: 9, minimum_succeeded_builds: 1 } },
      's9 s8 f7 f',
      '0s 2f',
    ],
  ])('%s', async (_rule, config, history, expected) => {
    const { ids, names } = await builds(config, history);
    const due = (await allToReap()).filter((id) => ids.includes(id));
    expect(due.map((id) => names.get(id)).join(' ')).toBe(expected);
  });

  const keep = (bounds: object) => ({ build_log_retention: bounds });
  it.each<[string, Partial<LogPolicy>, object, string, string]>([
    ['keeps the default number of a job that says nothing', { defaultBuilds: 1 }, {}, 's f s', '0s 1f'],
    ['keeps logs for the default days of a job that says nothing', { defaultDays: 2 }, {}, 's3 s1', '0s'],
    ['lets a job keep more than the default', { defaultBuilds: 1 }, keep({ builds: 2 }), 's s s', '0s'],
    ['lets a job keep less than the default', { defaultBuilds: 5 }, { build_logs_to_retain: 1 }, 's s s', '0s 1s'],
    ['adds the default to the bound of the other kind', { defaultBuilds: 1 }, keep({ days: 3 }), 's4 s1 s', '0s 1s'],
    ['takes 0 as nothing said', { defaultBuilds: 1 }, keep({ builds: 0 }), 's s', '0s'],
    ['keeps no more than the maximum', { maxBuilds: 1 }, keep({ builds: 3 }), 's s s', '0s 1s'],
    ['keeps logs no longer than the maximum', { maxDays: 2 }, keep({ days: 9 }), 's3 s1', '0s'],
    ['has the maximum for jobs that say nothing', { maxBuilds: 2, maxDays: 5 }, {}, 's9 s8 s7 s', '0s 1s 2s'],
    ['has the maximum over the default', { defaultBuilds: 3, maxBuilds: 1 }, {}, 's s', '0s'],
    [
      'keeps no more succeeded builds than the maximum',
      { maxBuilds: 1 },
      keep({ builds: 9, minimum_succeeded_builds: 3 }),
      's s f',
      '0s 2f',
    ],
  ])('with the policy of the operator %s', async (_rule, policy, config, history, expected) => {
    const { ids, names } = await builds(config, history);
    const due = (await allToReap(policy)).filter((id) => ids.includes(id));
    expect(due.map((id) => names.get(id)).join(' ')).toBe(expected);
  });

  it('removes a log as a whole, compacted or not, once, and leaves the build', async () => {
    const { ids } = await builds({ build_log_retention: { builds: 1 } }, 's s s');
    const [plain, compacted, kept] = ids as [BuildId, BuildId, BuildId];
    for (const id of ids) {
      await t.db.tx((tx) => appendEvents(tx, id, [{ event: 'log', data: { origin: {}, time: 1, payload: 'x' } }]));
    }
    await t.db.tx((tx) => compactEvents(tx, compacted));
    await new RetentionLoop(t.db, systemClock, new Settings({}), silent).runOnce(new AbortController().signal);
    for (const id of [plain, compacted]) {
      expect(await readEvents(t.db, id, 0, 10)).toEqual([]);
      expect(await findBuild(t.db, id)).toMatchObject({ status: 'succeeded', reapedAt: expect.any(Date) });
      expect(await t.db.tx((tx) => reapLog(tx, id))).toBe(false);
    }
    expect(await readEvents(t.db, kept, 0, 10)).toHaveLength(1);
    expect((await findBuild(t.db, kept))?.reapedAt).toBeUndefined();
    expect(await allToReap()).not.toContain(plain);
  });

  it('never removes the log of a build that has not ended', async () => {
    const { ids } = await builds({ build_log_retention: { builds: 1 } }, 'p');
    expect(await t.db.tx((tx) => reapLog(tx, ids[0]!))).toBe(false);
  });
});
