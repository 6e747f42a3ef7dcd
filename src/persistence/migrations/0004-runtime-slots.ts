import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Where steps can run, and which step has which slot there: see docs/adr/0013-runtimes-and-slots.md. */
export class RuntimeSlots1763740804000 implements MigrationInterface {
  readonly name = 'RuntimeSlots1763740804000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  /** Forward only: a released schema is never taken back. */
  async down(): Promise<void> {
    throw new Error('migrations are forward only; restore a backup to go back');
  }
}

const STATEMENTS = [
  `create table runtimes (
    id bigint generated always as identity primary key,
    instance text not null,
    name text not null,
    kind text not null,
    tags text[] not null,
    slots integer not null constraint a_runtime_has_slots check (slots > 0),
    capabilities jsonb not null,
    unreachable_since timestamptz,
    reason text,
    started_at timestamptz not null default now(),
    seen_at timestamptz not null default now(),
    constraint runtime_names_are_unique_on_a_server unique (instance, name),
    constraint an_unreachable_runtime_says_why check ((unreachable_since is null) = (reason is null))
  )`,
  // A step that waits has no slot yet; that a slot has a number of its own is what keeps a runtime from being overfilled.
  `create table step_slots (
    build_id bigint not null references builds on delete cascade,
    step_id text not null,
    runtime_id bigint references runtimes on delete cascade,
    no_runtime_because text,
    slot integer,
    asked_at timestamptz not null default now(),
    taken_at timestamptz,
    primary key (build_id, step_id),
    constraint a_slot_is_taken_once unique (runtime_id, slot),
    constraint a_taken_slot_has_a_time check ((slot is null) = (taken_at is null)),
    constraint a_step_has_a_runtime_or_a_reason check ((runtime_id is null) = (no_runtime_because is not null)),
    constraint a_slot_is_of_a_runtime check (slot is null or runtime_id is not null)
  )`,
  `create index steps_that_wait_for_a_slot on step_slots (runtime_id, build_id, asked_at) where slot is null`,
];
