import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The spine's tables. Laws that must hold however many servers run are constraints here, named after the law:
 * see docs/adr/0002-guarantees-live-in-sql.md.
 */
export class Spine1763740800000 implements MigrationInterface {
  readonly name = 'Spine1763740800000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  /** Forward only: a released schema is never taken back. */
  async down(): Promise<void> {
    throw new Error('migrations are forward only; restore a backup to go back');
  }
}

const STATEMENTS = [
  // Who: accounts stay small until the team server.
  `create table teams (
    id bigint generated always as identity primary key,
    name text not null constraint team_names_are_unique unique,
    created_at timestamptz not null default now()
  )`,
  `create table users (
    id bigint generated always as identity primary key,
    name text not null constraint user_names_are_unique unique,
    password_hash text not null,
    created_at timestamptz not null default now()
  )`,
  `create table tokens (
    id bigint generated always as identity primary key,
    user_id bigint not null references users on delete cascade,
    digest text not null constraint token_digests_are_unique unique,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null
  )`,
  // Slows down guessing. Keys are a bounded set of digests, not names: see repositories/login-attempts.ts.
  `create table login_attempts (
    key text primary key,
    failures integer not null,
    failed_at timestamptz not null,
    not_before timestamptz not null
  )`,

  // Where pipelines come from.
  `create table pipeline_sources (
    id bigint generated always as identity primary key,
    team_id bigint not null references teams on delete cascade,
    name text not null,
    uri text not null,
    branch text,
    path_glob text not null,
    credentials jsonb not null default '{}',
    vars jsonb not null default '{}',
    interval_seconds integer not null default 60 check (interval_seconds > 0),
    webhook_digest text,
    created_at timestamptz not null default now(),
    sync_requested_at timestamptz,
    next_sync_at timestamptz not null default now(),
    sync_claim bigint not null default 0,
    sync_claimed_until timestamptz,
    sync_failures integer not null default 0,
    last_synced_at timestamptz,
    last_commit text,
    last_error jsonb,
    constraint source_names_are_unique_in_a_team unique (team_id, name)
  )`,
  `create table pipelines (
    id bigint generated always as identity primary key,
    team_id bigint not null references teams on delete cascade,
    name text not null,
    instance_vars jsonb,
    config_version bigint not null default 0,
    paused boolean not null default false,
    paused_by text, paused_at timestamptz, pause_reason text,
    public boolean not null default false,
    archived boolean not null default false,
    ordering bigint not null default 0,
    parent_job_id bigint, parent_build_id bigint,
    source_id bigint references pipeline_sources on delete set null,
    source_path text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint pipeline_names_are_unique_in_a_team unique nulls not distinct (team_id, name, instance_vars)
  )`,
  `create index pipelines_by_source on pipelines (source_id)`,
  `create index pipelines_by_parent_job on pipelines (parent_job_id) where parent_job_id is not null and not archived`,
  // json, not jsonb: a config is given back with its keys in the order they were written.
  `create table pipeline_revisions (
    pipeline_id bigint not null references pipelines on delete cascade,
    version bigint not null,
    config json not null,
    set_by text,
    commit_sha text, commit_author text, file text,
    created_at timestamptz not null default now(),
    primary key (pipeline_id, version)
  )`,

  // Version streams. A history belongs to a resource config (type + evaluated source).
  `create table histories (
    id bigint generated always as identity primary key,
    config_digest text not null,
    next_check_order bigint not null default 1,
    check_requested_at timestamptz,
    check_started_at timestamptz,
    check_ended_at timestamptz,
    check_succeeded boolean,
    check_error text,
    check_failures integer not null default 0,
    check_claim text, check_claimed_until timestamptz,
    check_every text,
    next_check_at timestamptz not null default now()
  )`,
  `create index histories_by_config on histories (config_digest)`,
  `create table resources (
    id bigint generated always as identity primary key,
    pipeline_id bigint not null references pipelines on delete cascade,
    name text not null,
    type text not null,
    config jsonb not null,
    active boolean not null default true,
    history_id bigint references histories on delete set null,
    paused boolean not null default false,
    paused_by text, paused_at timestamptz, pause_reason text,
    constraint resource_names_are_unique_in_a_pipeline unique (pipeline_id, name)
  )`,
  `create index resources_by_history on resources (history_id)`,
  `create table versions (
    id bigint generated always as identity primary key,
    history_id bigint not null references histories on delete cascade,
    digest text not null,
    version jsonb not null check (jsonb_typeof(version) = 'object' and version <> '{}'),
    metadata jsonb,
    check_order bigint not null,
    origin text not null check (origin in ('check', 'put')),
    created_at timestamptz not null default now(),
    constraint versions_are_unique_in_a_history unique (history_id, digest)
  )`,
  `create index versions_newest_first on versions (history_id, check_order desc)`,
  // For pins that name only some of a version's keys.
  `create index versions_by_content on versions using gin (version jsonb_path_ops)`,
  `create table disabled_versions (
    resource_id bigint not null references resources on delete cascade,
    digest text not null,
    disabled_by text, disabled_at timestamptz not null default now(), reason text,
    primary key (resource_id, digest)
  )`,
  `create table pins (
    resource_id bigint primary key references resources on delete cascade,
    version jsonb not null,
    origin text not null check (origin in ('config', 'api')),
    comment text not null default '',
    pinned_by text, pinned_at timestamptz not null default now()
  )`,

  // Jobs and what they ask for. schedule_requested/schedule_done are counters, not clocks: a decision made for request n
  // is applied only while schedule_done < n, so a second or stale one is a no-op.
  `create table jobs (
    id bigint generated always as identity primary key,
    pipeline_id bigint not null references pipelines on delete cascade,
    name text not null,
    config jsonb not null,
    active boolean not null default true,
    paused boolean not null default false,
    paused_by text, paused_at timestamptz, pause_reason text,
    next_build_number bigint not null default 1,
    max_in_flight integer,
    schedule_requested bigint not null default 1,
    schedule_done bigint not null default 0,
    schedule_requested_at timestamptz not null default now(),
    scheduled_at timestamptz,
    has_new_inputs boolean not null default false,
    inputs_determined boolean not null default false,
    blockers jsonb not null default '[]',
    latest_completed_build_id bigint, next_build_id bigint, transition_build_id bigint,
    constraint job_names_are_unique_in_a_pipeline unique (pipeline_id, name)
  )`,
  `create index jobs_to_schedule on jobs (id) where schedule_requested > schedule_done`,
  `create table job_inputs (
    job_id bigint not null references jobs on delete cascade,
    name text not null,
    ordinal integer not null,
    resource_id bigint not null references resources on delete cascade,
    trigger boolean not null,
    passed jsonb,
    passed_job_ids bigint[] not null default '{}',
    version jsonb,
    primary key (job_id, name)
  )`,
  `create index job_inputs_by_resource on job_inputs (resource_id)`,
  `create index job_inputs_by_passed_job on job_inputs using gin (passed_job_ids)`,
  `create table job_outputs (
    job_id bigint not null references jobs on delete cascade,
    name text not null,
    ordinal integer not null,
    resource_id bigint not null references resources on delete cascade,
    primary key (job_id, ordinal)
  )`,
  `create table job_serial_groups (
    job_id bigint not null references jobs on delete cascade,
    pipeline_id bigint not null references pipelines on delete cascade,
    name text not null,
    primary key (job_id, name)
  )`,
  `create index job_serial_groups_by_name on job_serial_groups (pipeline_id, name)`,

  // Builds.
  `create table builds (
    id bigint generated always as identity primary key,
    team_id bigint not null references teams on delete cascade,
    pipeline_id bigint references pipelines on delete cascade,
    job_id bigint references jobs on delete cascade,
    resource_id bigint references resources on delete cascade,
    name text not null,
    status text not null default 'pending'
      check (status in ('pending', 'started', 'succeeded', 'failed', 'errored', 'aborted')),
    manually_triggered boolean not null default false,
    rerun_of bigint references builds on delete cascade,
    rerun_number integer,
    resume_of bigint references builds on delete cascade,
    created_by text,
    comment text not null default '',
    created_at timestamptz not null default now(),
    started_at timestamptz,
    ended_at timestamptz,
    reaped_at timestamptz,
    compacted_at timestamptz,
    slot_claimed boolean not null default false,
    inputs_ready boolean not null default false,
    aborted_at timestamptz, aborted_by text,
    plan jsonb,
    next_event_seq integer not null default 0,
    lease_instance text, lease_epoch bigint, lease_until timestamptz,
    constraint a_final_build_has_an_end check ((status in ('pending', 'started')) = (ended_at is null)),
    constraint only_the_log_of_a_final_build_is_compacted check (compacted_at is null or ended_at is not null),
    constraint only_a_rerun_resumes check (resume_of is null or rerun_of is not null),
    constraint a_started_build_has_a_plan check (status <> 'started' or plan is not null),
    constraint build_names_are_unique_in_a_job unique (job_id, name)
  )`,
  `create unique index one_pending_automatic_build_per_job on builds (job_id)
    where status = 'pending' and not manually_triggered and rerun_of is null and job_id is not null`,
  `create index builds_of_a_job_in_build_order on builds (job_id, (coalesce(rerun_of, id)) desc, id desc)`,
  `create index builds_of_a_job_by_status on builds (job_id, status)`,
  `create index unfinished_builds on builds (id) where status in ('pending', 'started')`,
  `create index builds_with_a_log_to_compact on builds (ended_at, id)
    where ended_at is not null and compacted_at is null and reaped_at is null`,
  `create index builds_of_a_pipeline on builds (pipeline_id, id desc)`,
  `create index builds_of_a_resource on builds (resource_id, id desc) where resource_id is not null`,
  `create index reruns_of_a_build on builds (rerun_of) where rerun_of is not null`,
  `create index builds_that_resume_one on builds (resume_of) where resume_of is not null`,
  `create index builds_of_a_team on builds (team_id, id desc)`,
  `create table build_inputs (
    build_id bigint not null references builds on delete cascade,
    job_id bigint not null references jobs on delete cascade,
    name text not null,
    ordinal integer not null,
    resource_id bigint not null references resources on delete cascade,
    digest text not null,
    version jsonb not null,
    first_occurrence boolean not null,
    primary key (build_id, name)
  )`,
  `create index build_inputs_used_by_a_job on build_inputs (job_id, resource_id, digest)`,
  `create index build_inputs_by_version on build_inputs (resource_id, digest)`,
  `create table build_outputs (
    id bigint generated always as identity primary key,
    build_id bigint not null references builds on delete cascade,
    name text not null,
    resource_id bigint not null references resources on delete cascade,
    digest text not null,
    version jsonb not null
  )`,
  `create index build_outputs_of_a_build on build_outputs (build_id, id)`,
  `create index build_outputs_by_version on build_outputs (resource_id, digest)`,
  `create table build_pipes (
    build_id bigint not null references builds on delete cascade,
    from_build_id bigint not null references builds on delete cascade,
    primary key (build_id, from_build_id)
  )`,
  // The effective set of a succeeded build, append-only: {"<resource id>": [digest, ...]}, outputs before inputs.
  // Whoever inserts holds the job's row lock, so within a job seq becomes visible in order and a cache may extend itself
  // from the last seq it saw.
  `create table effective_sets (
    build_id bigint primary key references builds on delete cascade,
    seq bigint not null generated always as identity,
    job_id bigint not null references jobs on delete cascade,
    place bigint not null,
    versions jsonb not null
  )`,
  `create index effective_sets_in_build_order on effective_sets (job_id, place desc, build_id desc)`,
  `create index effective_sets_in_arrival_order on effective_sets (job_id, seq)`,
  // Which builds of a job hold a version: a hash of (job, resource, digest) per version held. Whoever searches by it also
  // compares the versions themselves.
  `create function effective_key(job_id bigint, resource text, digest text) returns bigint
    language sql immutable parallel safe
    return hashtextextended(job_id::text || ':' || resource || ':' || digest, 0)`,
  `create function effective_keys(job_id bigint, versions jsonb) returns bigint[]
    language sql immutable parallel safe
    return (select array_agg(effective_key(job_id, held.resource, digest))
            from jsonb_each(versions) as held(resource, digests), jsonb_array_elements_text(held.digests) as digest)`,
  `create index effective_sets_by_version on effective_sets using gin (effective_keys(job_id, versions))`,
  `create table next_inputs (
    job_id bigint not null references jobs on delete cascade,
    name text not null,
    ordinal integer not null,
    resource_id bigint not null references resources on delete cascade,
    digest text, version jsonb, first_occurrence boolean,
    error_code text, error_text text,
    primary key (job_id, name),
    constraint a_next_input_is_a_version_or_an_error check ((digest is null) <> (error_code is null))
  )`,
  `create table next_pipes (
    job_id bigint not null references jobs on delete cascade,
    from_build_id bigint not null references builds on delete cascade,
    primary key (job_id, from_build_id)
  )`,

  // The journal: one row per step that began; its result is written in the transaction that ends the step.
  `create table build_steps (
    build_id bigint not null references builds on delete cascade,
    step_id text not null,
    handle text,
    instance text,
    outcome text check (outcome in ('succeeded', 'failed', 'errored', 'aborted', 'skipped')),
    result jsonb,
    log_cursor text,
    started_at timestamptz not null default now(),
    deadline_at timestamptz,
    ended_at timestamptz,
    primary key (build_id, step_id),
    constraint a_finished_step_has_an_end check ((outcome is null) = (ended_at is null))
  )`,
  // Gapless by constraint: event n can only exist while event n-1 of the same build does.
  `create table build_events (
    build_id bigint not null references builds on delete cascade,
    seq integer not null check (seq >= 0),
    previous_seq integer generated always as (case when seq = 0 then null else seq - 1 end) stored,
    event text not null,
    data jsonb not null,
    primary key (build_id, seq),
    constraint event_sequences_have_no_gap foreign key (build_id, previous_seq) references build_events (build_id, seq)
  )`,
  // Removing an event asks whether another follows it.
  `create index events_by_the_one_before on build_events (build_id, previous_seq)`,
  // The finished log of a build in compressed pieces. Gapless like the events: a chunk that does not begin at 0 begins right
  // behind the end of another, and no two begin or end at the same event.
  `create table build_event_chunks (
    build_id bigint not null references builds on delete cascade,
    first_seq integer not null check (first_seq >= 0),
    last_seq integer not null,
    previous_seq integer generated always as (case when first_seq = 0 then null else first_seq - 1 end) stored,
    data bytea not null,
    primary key (build_id, first_seq),
    constraint a_chunk_holds_events check (last_seq >= first_seq),
    constraint one_chunk_ends_at_an_event unique (build_id, last_seq),
    constraint event_chunks_have_no_gap foreign key (build_id, previous_seq) references build_event_chunks (build_id, last_seq)
  )`,
  `create index chunks_by_the_one_before on build_event_chunks (build_id, previous_seq)`,
  `alter table build_event_chunks alter column data set storage external`,
  `insert into teams (name) values ('main')`,
];
