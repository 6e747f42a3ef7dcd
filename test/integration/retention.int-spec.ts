import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { removeOutdated } from '../../src/persistence/index.js';
import { createTestDb, type TestDb } from '../support/test-db.js';

let t: TestDb;
beforeAll(async () => {
  t = await createTestDb();
});
afterAll(() => t.drop());

describe('retention', () => {
  it('removes expired tokens and old check builds, and keeps the newest of each resource and every build of a job', async () => {
    await t.db.query(
      `with u as (insert into users (name, password_hash) values ('ann', 'x') returning id)
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
