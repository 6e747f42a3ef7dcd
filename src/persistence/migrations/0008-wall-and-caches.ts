import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A message for everybody; caches of tasks by name, so that one can be forgotten; runtimes that land; long lists of builds. */
export class WallAndCaches1763740808000 implements MigrationInterface {
  readonly name = 'WallAndCaches1763740808000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  /** Forward only: a released schema is never taken back. */
  async down(): Promise<void> {
    throw new Error('migrations are forward only; restore a backup to go back');
  }
}

const STATEMENTS = [
  `create table wall (
    id boolean primary key default true constraint there_is_one_wall check (id),
    message text not null constraint a_wall_says_something check (message <> ''),
    expires_at timestamptz
  )`,
  // The id names the folder or volume: to clear a cache is to remove its row, as the next step then gets a new id.
  `create table task_caches (
    id bigint generated always as identity primary key,
    job_id bigint not null references jobs on delete cascade,
    step_name text not null,
    path text not null,
    constraint task_caches_are_unique unique (job_id, step_name, path)
  )`,
  // Lists of builds, of which there may be a million, read their page from the index.
  `create index builds_of_a_team_in_build_order on builds (team_id, (coalesce(rerun_of, id)) desc, id desc)
    where resource_id is null`,
  `create index builds_of_a_team_in_time on builds (team_id, (coalesce(started_at, created_at)), id)
    where resource_id is null`,
  `create index builds_of_a_pipeline_in_build_order on builds (pipeline_id, (coalesce(rerun_of, id)) desc, id desc)
    where resource_id is null`,
  // server_seen_at: a sign of life of the runtime's server, without which nobody can tell whether it will come back.
  `alter table runtimes add column landing boolean not null default false,
    add column server_seen_at timestamptz not null default now()`,
];
