import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The values of a job's `vars` that a build has for good, whatever becomes of the job's config. */
export class BuildVars1763740818000 implements MigrationInterface {
  readonly name = 'BuildVars1763740818000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `alter table builds add column vars jsonb
         constraint vars_of_a_build_are_a_map check (jsonb_typeof(vars) = 'object' and vars <> '{}')`,
    );
  }

  /** Forward only: a released schema is never taken back. */
  async down(): Promise<void> {
    throw new Error('migrations are forward only; restore a backup to go back');
  }
}
