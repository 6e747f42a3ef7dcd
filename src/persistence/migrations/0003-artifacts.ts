import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Artifacts that people bring and fetch, and what is needed to step into a step: see docs/reference/execute.md. */
export class Artifacts1763740803000 implements MigrationInterface {
  readonly name = 'Artifacts1763740803000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  /** Forward only: a released schema is never taken back. */
  async down(): Promise<void> {
    throw new Error('migrations are forward only; restore a backup to go back');
  }
}

const STATEMENTS = [
  // The row of an upload is there before its files are, so that files without a row belong to nobody.
  `create table artifacts (
    id bigint generated always as identity primary key,
    team_id bigint not null references teams on delete cascade,
    build_id bigint references builds on delete cascade,
    name text not null,
    instance text not null,
    ref text not null,
    complete boolean not null default false,
    created_by text,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    constraint an_output_is_complete check (build_id is null or complete)
  )`,
  `create index artifacts_of_a_build on artifacts (build_id, id) where build_id is not null`,
  `create index artifacts_by_expiry on artifacts (expires_at)`,
  `create index artifacts_by_ref on artifacts (ref)`,
  // An artifact that an unfinished build was posted with does not expire.
  `create table artifact_uses (
    build_id bigint not null references builds on delete cascade,
    artifact_id bigint not null references artifacts on delete cascade,
    primary key (build_id, artifact_id)
  )`,
  `create index uses_of_an_artifact on artifact_uses (artifact_id)`,
  // What a container is called: of a step that has a process. The attempt is "1", or "1.2" in a retry within a retry.
  `alter table build_steps add column kind text, add column name text, add column attempt text`,
  `create index build_steps_by_handle on build_steps (handle) where handle is not null`,
  // Somebody is in a container of the build, or was a moment ago: it stays.
  `create table interceptions (
    build_id bigint primary key references builds on delete cascade,
    until timestamptz not null
  )`,
];
