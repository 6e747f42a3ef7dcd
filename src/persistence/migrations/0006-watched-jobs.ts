import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Resources whose versions are the builds of a job: which job, and the build that was its latest at the last check. They are
 * due as soon as that is another.
 */
export class WatchedJobs1763740806000 implements MigrationInterface {
  readonly name = 'WatchedJobs1763740806000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  /** Forward only: a released schema is never taken back. */
  async down(): Promise<void> {
    throw new Error('migrations are forward only; restore a backup to go back');
  }
}

const STATEMENTS = [
  `alter table resources
     add column watched_job_id bigint references jobs on delete set null,
     add column watched_build_id bigint`,
  `create index resources_by_watched_job on resources (watched_job_id) where watched_job_id is not null`,
];
