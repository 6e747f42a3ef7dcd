import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Counts the changes of teams and their roles, so that a server knows by one number whether what it has read still holds. */
export class RoleVersion1763740830000 implements MigrationInterface {
  readonly name = 'RoleVersion1763740830000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  /** Forward only: a released schema is never taken back. */
  async down(): Promise<void> {
    throw new Error('migrations are forward only; restore a backup to go back');
  }
}

const STATEMENTS = [
  `create table role_version (
    only_one boolean not null default true constraint role_version_pkey primary key constraint one_role_version check (only_one),
    version bigint not null default 0
  )`,
  `insert into role_version default values`,
  // The row's lock, held until the change is committed, makes whoever sees a version see every change up to it.
  `create function count_change_of_roles() returns trigger language plpgsql as $$
    begin update role_version set version = version + 1; return null; end $$`,
  `create trigger changes_of_roles_are_counted after insert or update or delete or truncate on teams
    for each statement execute function count_change_of_roles()`,
];
