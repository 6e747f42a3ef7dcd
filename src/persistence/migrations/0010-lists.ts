import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What long lists show, kept beside the configs that it is from, and their order. */
export class Lists1763740810000 implements MigrationInterface {
  readonly name = 'Lists1763740810000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  /** Forward only: a released schema is never taken back. */
  async down(): Promise<void> {
    throw new Error('migrations are forward only; restore a backup to go back');
  }
}

const STATEMENTS = [
  // Finding a key in a config reads the whole text, which a list or a check of a thousand pipelines cannot afford.
  `alter table pipeline_revisions
    add column groups json generated always as (config->'groups') stored,
    add column display json generated always as (config->'display') stored,
    add column user_data json generated always as (config->'user_data') stored,
    add column resource_types json generated always as (config->'resource_types') stored,
    add column var_sources json generated always as (config->'var_sources') stored`,
  `alter table jobs
    add column disable_manual_trigger boolean not null
      generated always as (coalesce((config->>'disable_manual_trigger')::boolean, false)) stored,
    add column disable_reruns boolean not null generated always as (coalesce((config->>'disable_reruns')::boolean, false)) stored`,
  // Builds of public pipelines by time.
  `create index builds_of_a_pipeline_in_time on builds (pipeline_id, (coalesce(started_at, created_at)), id)
    where resource_id is null`,
];
