import type { PipelineConfig } from '../../src/model/index.js';
import type { Db, Tx } from '../../src/persistence/index.js';

export interface WorldSize {
  readonly pipelines: number;
  readonly jobs: number;
  readonly builds: number;
}

const TEAMS = 50;
const VERSIONS = 20;
const REVISIONS = 3;

/**
 * Writes a large installation in a few statements: 50 teams whose pipelines all look alike, a fifth of them public, a seventh
 * instances, a twentieth archived; every resource with versions that the builds used; a fiftieth of the jobs with a running and
 * another fiftieth with a waiting build; reruns; caches, artifacts, users, tokens and a record of changes.
 */
export async function insertWorld(db: Db, size: WorldSize): Promise<void> {
  const perPipeline = Math.max(1, Math.round(size.jobs / size.pipelines));
  const rounds = Math.max(1, Math.round(size.builds / (perPipeline * size.pipelines)));
  const config = JSON.stringify(configOf(perPipeline));
  await db.tx(async (tx) => {
    const indexes = await dropIndexes(tx);
    // What is written here is right; asking each foreign key would take most of the time.
    await tx.query(`set local session_replication_role = replica`);
    await tx.query(`set local statement_timeout = 0`);
    for (const [sql, parameters] of statements(size.pipelines, perPipeline, rounds, config))
      await tx.query(sql, parameters);
    for (const index of indexes) await tx.query(index);
  });
  await db.query(`set statement_timeout = 0; vacuum analyze`).catch(() => db.query(`analyze`));
}

/** Indexes of builds and what they used are made at the end, which is faster. @returns the statements that do. */
async function dropIndexes(tx: Tx): Promise<string[]> {
  const rows = await tx.query<{ name: string; make: string }>(
    `select i.indexrelid::regclass::text as name, pg_get_indexdef(i.indexrelid) as make from pg_index i
     where i.indrelid in ('builds'::regclass, 'build_inputs'::regclass, 'versions'::regclass)
       and not exists (select from pg_constraint c where c.conindid = i.indexrelid)`,
  );
  for (const { name } of rows) await tx.query(`drop index ${name}`);
  return rows.map(({ make }) => make);
}

/** Each job gets a resource of its own, and the first one as the job before it has passed it. */
function configOf(jobs: number): PipelineConfig {
  const numbers = Array.from({ length: jobs }, (_, n) => n + 1);
  return {
    groups: [
      { name: 'all', jobs: ['*'] },
      { name: 'first', jobs: ['job-1', 'job-2'] },
    ],
    resources: numbers.map((n) => ({
      name: `repository-${n}`,
      type: 'git',
      icon: 'git',
      source: { uri: `https://git.example/team/repository-${n}.git`, branch: 'main', private_key: '((key))' },
    })),
    jobs: numbers.map((n) => ({
      name: `job-${n}`,
      plan: [
        { get: `repository-${n}`, trigger: true },
        ...(n > 1 ? [{ get: 'repository-1', passed: [`job-${n - 1}`] }] : []),
        {
          task: 'test',
          config: {
            platform: 'linux',
            image_resource: { type: 'registry-image', source: { repository: 'node', tag: '20' } },
            inputs: [{ name: `repository-${n}` }],
            params: { STAGE: 'test', REGION: 'eu-1', LONG: 'x'.repeat(200) },
            run: { path: 'sh', args: ['-ec', `cd repository-${n}\nmake test\nmake package\n`.repeat(5)] },
          },
        },
        ...(n % 2 === 0 ? [{ put: `repository-${n}`, params: { repository: `repository-${n}` } }] : []),
      ],
    })),
  };
}

type Statement = readonly [sql: string, parameters?: unknown[]];

function statements(pipelines: number, perPipeline: number, rounds: number, config: string): Statement[] {
  const jobs = pipelines * perPipeline;
  return [
    ...owners(),
    [
      `insert into pipelines (team_id, name, instance_vars, config_version, public, archived, ordering)
       select t.id, case when n / ${TEAMS} % 7 = 0 then 'branches' else 'pipeline-' || n end,
         case when n / ${TEAMS} % 7 = 0 then jsonb_build_object('branch', 'feature-' || n) end, $2, n / ${TEAMS} % 5 = 0, n / ${TEAMS} % 20 = 3, n
       from generate_series(1, $1::int) n join teams t on t.id = (select id from teams order by id offset n % ${TEAMS} limit 1) order by n`,
      [pipelines, REVISIONS],
    ],
    [
      `insert into pipeline_revisions (pipeline_id, version, config, set_by)
       select p.id, v, $1, 'admin' from pipelines p, generate_series(1, $2::int) v`,
      [config, REVISIONS],
    ],
    [
      `insert into jobs (pipeline_id, name, config, next_build_number, schedule_done)
       select p.id, c->>'name', c, $2 + 1, 1
       from pipelines p, jsonb_array_elements($1::jsonb->'jobs') with ordinality as j(c, place) order by p.id, place`,
      [config, rounds],
    ],
    ...resources(config),
    ...inputs(),
    ...builds(jobs, rounds),
    [`update jobs set paused = true, paused_by = 'ana', paused_at = now() where id % 50 = 1`],
    [`insert into task_caches (job_id, step_name, path) select id, 'test', '/cache' from jobs`],
    [
      `insert into artifacts (team_id, name, instance, ref, complete, expires_at)
       select t.id, 'upload', 'elsewhere', 'artifact-' || t.id || '-' || n, true, now() + interval '1 day'
       from teams t, generate_series(1, 100) n`,
    ],
    [
      `insert into audit_log (seq, at, user_name, action, team, target, status, prev_hash, hash)
       select n, now() - n * interval '1 minute', 'user-' || n % 100, 'PausePipeline', 'team-' || n % ${TEAMS}, 'pipelines/p', 200, 'x', 'y'
       from generate_series(100, 20000) n`,
    ],
  ];
}

function owners(): Statement[] {
  return [
    [
      `insert into teams (name, auth) select 'team-' || n, jsonb_build_object(
         'owner', jsonb_build_object('users', jsonb_build_array('local:user-' || n), 'groups', '[]'::jsonb),
         'member', jsonb_build_object('users', (select jsonb_agg('local:user-' || u) from generate_series(1, 100) u where u % ${TEAMS} = n),
           'groups', jsonb_build_array('github:org:team-' || n)))
       from generate_series(1, ${TEAMS} - 1) n`,
    ],
    [
      `insert into users (name, subject, last_login_at) select 'user-' || n, 'user-' || n, now() from generate_series(1, 1000) n`,
    ],
    [
      `insert into tokens (user_id, digest, expires_at, kind, name)
       select u.id, 'digest-' || u.id || '-' || n, now() + interval '90 days', 'personal', 'token-' || n
       from users u, generate_series(1, 10) n`,
    ],
  ];
}

function resources(config: string): Statement[] {
  return [
    [
      `insert into histories (config_digest, next_check_order, check_started_at, check_ended_at, check_succeeded, next_check_at)
       select 'digest-' || p.id || '-' || place, ${VERSIONS} + 1, now(), now(), true, now() + interval '1 day'
       from pipelines p, jsonb_array_elements($1::jsonb->'resources') with ordinality as r(c, place) order by p.id, place`,
      [config],
    ],
    [
      `insert into resources (pipeline_id, name, type, config, history_id)
       select p.id, c->>'name', c->>'type', c, h.id
       from pipelines p cross join jsonb_array_elements($1::jsonb->'resources') with ordinality as r(c, place)
       join histories h on h.config_digest = 'digest-' || p.id || '-' || place order by p.id, place`,
      [config],
    ],
    [`insert into check_schedule (resource_id, look_at) select id, now() from resources`],
    [
      `insert into versions (history_id, digest, version, metadata, check_order, origin)
       select h.id, md5(h.id || '.' || n), jsonb_build_object('ref', md5(h.id || '.' || n)),
         '[{"name": "author", "value": "Ana"}, {"name": "message", "value": "a change of something"}]', n, 'check'
       from histories h, generate_series(1, ${VERSIONS}) n order by n, h.id`,
    ],
    [
      `insert into pins (resource_id, version, origin, comment, pinned_by)
       select r.id, v.version, 'api', 'not yet', 'ana' from resources r
       join versions v on v.history_id = r.history_id and v.check_order = 1 where r.id % 100 = 0`,
    ],
  ];
}

function inputs(): Statement[] {
  const steps = `from jobs j cross join jsonb_array_elements(j.config->'plan') with ordinality as s(step, place)`;
  return [
    [
      `insert into job_inputs (job_id, name, ordinal, resource_id, trigger, passed, passed_job_ids, version)
       select j.id, step->>'get', place, r.id, coalesce((step->>'trigger')::boolean, false),
         case when u.id is not null then jsonb_build_object('all', jsonb_build_array(jsonb_build_object('job', u.id))) end,
         case when u.id is not null then array[u.id] else '{}' end, '"latest"'
       ${steps} join resources r on r.pipeline_id = j.pipeline_id and r.name = step->>'get'
       left join jobs u on u.pipeline_id = j.pipeline_id and u.name = step->'passed'->>0 where step ? 'get'`,
    ],
    [
      `insert into job_outputs (job_id, name, ordinal, resource_id) select j.id, step->>'put', place, r.id
       ${steps} join resources r on r.pipeline_id = j.pipeline_id and r.name = step->>'put' where step ? 'put'`,
    ],
  ];
}

/** Build n of job j has the id (n - 1) × jobs + j. Every fiftieth is a rerun of the one before it. */
function builds(jobs: number, rounds: number): Statement[] {
  return [
    [
      `insert into builds (id, team_id, pipeline_id, job_id, name, status, rerun_of, rerun_number, created_by, comment, created_at,
         started_at, ended_at, compacted_at, inputs_ready, plan, lease_instance, lease_epoch, lease_until, manually_triggered)
       overriding system value
       select (n - 1) * $1::bigint + j.id, p.team_id, p.id, j.id,
         case when n % 50 = 0 then (n - 1) || '.1' else n::text end, s.status,
         case when n % 50 = 0 then (n - 2) * $1::bigint + j.id end, case when n % 50 = 0 then 1 end,
         case when n % 7 = 0 then 'ana' end, case when n % 11 = 0 then 'looked at this' else '' end, s.at,
         case when s.status <> 'pending' then s.at + interval '1 s' end,
         s.ended_at, s.ended_at, s.status <> 'pending',
         case when s.status <> 'pending' then jsonb_build_object('id', '1', 'do', jsonb_build_array(
           jsonb_build_object('id', '2', 'get', jsonb_build_object('name', 'repository', 'source', md5(n || '.' || j.id))),
           jsonb_build_object('id', '3', 'task', jsonb_build_object('name', 'test', 'config', md5(j.id || '.' || n))))) end,
         case when s.status = 'started' then 'elsewhere' end, case when s.status = 'started' then 1 end,
         case when s.status = 'started' then now() + interval '30 days' end, n % 7 = 0
       from generate_series(1, $2::int) n, jobs j join pipelines p on p.id = j.pipeline_id,
         lateral (select case when n = $2 and j.id % 50 = 0 then 'started' when n = $2 and j.id % 50 = 1 then 'pending'
             when (n + j.id) % 10 = 0 then 'failed' when (n + j.id) % 97 = 0 then 'errored'
             when (n + j.id) % 89 = 0 then 'aborted' else 'succeeded' end as status,
           now() - ($2 - n + 1) * interval '10 min' + j.id * interval '10 ms' as at) x,
         lateral (select x.*, case when x.status not in ('pending', 'started') then x.at + interval '5 min' end as ended_at) s
       order by n, j.id`,
      [jobs, rounds],
    ],
    [`select setval(pg_get_serial_sequence('builds', 'id'), (select max(id) from builds))`],
    [
      `insert into builds (team_id, pipeline_id, resource_id, name, status, created_at, started_at, ended_at, compacted_at)
       select p.team_id, p.id, r.id, 'check', 'succeeded', now(), now(), now(), now()
       from resources r join pipelines p on p.id = r.pipeline_id`,
    ],
    [
      `insert into build_inputs (build_id, job_id, name, ordinal, resource_id, digest, version, first_occurrence)
       select b.id, b.job_id, i.name, 0, i.resource_id, v.digest, v.version, true
       from builds b join job_inputs i on i.job_id = b.job_id and i.trigger join resources r on r.id = i.resource_id
       join versions v on v.history_id = r.history_id and v.check_order = (b.id / $1::bigint) % ${VERSIONS} + 1`,
      [jobs],
    ],
    [
      `with ended as (select job_id, max(id) as id from builds where ended_at is not null and job_id is not null group by job_id),
         next as (select job_id, max(id) as id from builds where ended_at is null group by job_id)
       update jobs j set latest_completed_build_id = ended.id, next_build_id = next.id,
         transition_build_id = case when j.id % 3 = 0 then ended.id - $1::bigint else ended.id end,
         blockers = case when j.id % 50 = 1 then jsonb_build_array(jsonb_build_object('build', next.id, 'reasons', '[]'::jsonb)) else '[]' end
       from ended left join next on next.job_id = ended.job_id where ended.job_id = j.id`,
      [jobs],
    ],
  ];
}
