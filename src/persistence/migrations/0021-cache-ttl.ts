import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Caches of tasks that end some time after their last use. */
export class CacheTtl1763740821000 implements MigrationInterface {
  readonly name = 'CacheTtl1763740821000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  /** Forward only: a released schema is never taken back. */
  async down(): Promise<void> {
    throw new Error('migrations are forward only; restore a backup to go back');
  }
}

const STATEMENTS = [
  // ttl_ms: how long after its last use the cache ends; null: never.
  `alter table task_caches add column ttl_ms bigint constraint caches_live_a_second check (ttl_ms >= 1000),
    add column used_at timestamptz not null default now()`,
  // Ids of the task_caches that the step uses. They need not exist: somebody may have cleared them meanwhile.
  `alter table step_slots add column caches bigint[] not null default '{}'`,
];
