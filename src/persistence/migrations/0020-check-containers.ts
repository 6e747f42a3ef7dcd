import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Containers of checks that are kept for the next check of the same resource. */
export class CheckContainers1763740820000 implements MigrationInterface {
  readonly name = 'CheckContainers1763740820000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  /** Forward only: a released schema is never taken back. */
  async down(): Promise<void> {
    throw new Error('migrations are forward only; restore a backup to go back');
  }
}

const STATEMENTS = [
  // digest: of everything that makes the container, and of the source; another one gets another handle, so another container.
  // epoch: the life of the server that checks in it now; one that has died holds nothing.
  `create table check_containers (
    resource_id bigint not null references resources on delete cascade,
    instance text not null,
    handle text not null constraint check_containers_are_unique unique,
    digest text not null,
    epoch bigint,
    used_at timestamptz not null default now(),
    primary key (resource_id, instance)
  )`,
];
