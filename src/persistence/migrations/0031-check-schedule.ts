import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * When the search for due checks looks at a resource again, so that it need not compare all of them once a second. Whatever may make a
 * check due says "look now", by triggers; only the search puts it off. So no change can be forgotten by the code that makes it.
 */
export class CheckSchedule1763740831000 implements MigrationInterface {
  readonly name = 'CheckSchedule1763740831000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  /** Forward only: a released schema is never taken back. */
  async down(): Promise<void> {
    throw new Error('migrations are forward only; restore a backup to go back');
  }
}

/** A trigger function that makes the search look at the resources which `ids` selects. */
const looksAt = (name: string, ids: string): string =>
  `create function ${name}() returns trigger language plpgsql as $$
    begin perform look_at_checks(array(${ids})); return null; end $$`;

const after = (table: string, name: string, event: string, fires: string): string =>
  `create trigger ${name} after ${event} on ${table} ${fires}`;

const STATEMENTS = [
  `create table check_schedule (
    resource_id bigint constraint check_schedule_pkey primary key
      constraint check_schedule_resource_id_fkey references resources on delete cascade,
    look_at timestamptz not null
  )`,
  `insert into check_schedule (resource_id, look_at) select id, now() from resources`,
  `create index checks_to_look_at on check_schedule (look_at)`,
  // Always another time, also where it was due already: a search that has seen an older one may not put it off.
  `create function look_at_checks(ids bigint[]) returns void language sql as $$
    update check_schedule set look_at = clock_timestamp() where resource_id in (
      select resource_id from check_schedule where resource_id = any(ids) order by resource_id for no key update) $$`,

  `create function schedule_check_of_new_resource() returns trigger language plpgsql as $$
    begin insert into check_schedule (resource_id, look_at) values (new.id, clock_timestamp()); return null; end $$`,
  after(
    'resources',
    'new_resources_are_checked',
    'insert',
    'for each row execute function schedule_check_of_new_resource()',
  ),
  looksAt('look_at_check_of_resource', 'select new.id'),
  after(
    'resources',
    'changed_resources_are_looked_at',
    'update of config, active, paused, history_id, watched_job_id, watched_build_id',
    'for each row execute function look_at_check_of_resource()',
  ),
  looksAt('look_at_checks_of_pipeline', 'select id from resources where pipeline_id = new.id'),
  after(
    'pipelines',
    'paused_and_unpaused_pipelines_are_looked_at',
    'update of paused, archived',
    'for each row execute function look_at_checks_of_pipeline()',
  ),
  looksAt('look_at_checks_of_history', 'select id from resources where history_id = new.id'),
  after(
    'histories',
    'asked_for_and_ended_checks_are_looked_at',
    'update of check_requested_at, check_ended_at, check_succeeded, check_every, next_check_at',
    'for each row execute function look_at_checks_of_history()',
  ),
  looksAt('look_at_checks_of_job', 'select distinct resource_id from job_inputs where job_id = new.id'),
  after(
    'jobs',
    'jobs_that_come_and_go_are_looked_at',
    'update of active',
    'for each row when (old.active <> new.active) execute function look_at_checks_of_job()',
  ),
  looksAt('look_at_checks_that_watch', 'select id from resources where watched_job_id = new.id'),
  after(
    'jobs',
    'watched_jobs_are_looked_at',
    'update of latest_completed_build_id',
    `for each row when (old.latest_completed_build_id is distinct from new.latest_completed_build_id)
      execute function look_at_checks_that_watch()`,
  ),
  looksAt('look_at_check_of_pin', 'select coalesce(new.resource_id, old.resource_id)'),
  after(
    'pins',
    'pins_are_looked_at',
    'insert or update or delete',
    'for each row execute function look_at_check_of_pin()',
  ),

  looksAt('look_at_checks_of_inputs', 'select distinct resource_id from changed'),
  after(
    'job_inputs',
    'new_inputs_are_looked_at',
    'insert',
    'referencing new table as changed for each statement execute function look_at_checks_of_inputs()',
  ),
  after(
    'job_inputs',
    'changed_inputs_are_looked_at',
    'update',
    'referencing new table as changed for each statement execute function look_at_checks_of_inputs()',
  ),
  // A history that has become empty is one to check.
  looksAt(
    'look_at_checks_without_versions',
    'select id from resources where history_id in (select distinct history_id from gone)',
  ),
  after(
    'versions',
    'removed_versions_are_looked_at',
    'delete',
    'referencing old table as gone for each statement execute function look_at_checks_without_versions()',
  ),
];
