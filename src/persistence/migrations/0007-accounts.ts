import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Teams with roles, users of several connectors, personal and robot tokens, logins through a provider, the audit log: ADR 12. */
export class Accounts1763740807000 implements MigrationInterface {
  readonly name = 'Accounts1763740807000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  /** Forward only: a released schema is never taken back. */
  async down(): Promise<void> {
    throw new Error('migrations are forward only; restore a backup to go back');
  }
}

const STATEMENTS = [
  // Until now everybody with an account owned team main, and the only account was admin.
  `alter table teams
    add column admin boolean not null default false,
    add column auth jsonb not null default '{}' constraint team_auth_is_an_object check (jsonb_typeof(auth) = 'object')`,
  `update teams set admin = true, auth = '{"owner": {"users": ["local:admin"], "groups": []}}' where name = 'main'`,

  // subject: the connector's own name for the user, in lower case for local users, whose case does not count.
  `alter table users
    add column connector text not null default 'local',
    add column subject text,
    add column email text not null default '',
    add column groups jsonb not null default '[]',
    add column from_settings boolean not null default false,
    add column last_login_at timestamptz,
    alter column password_hash drop not null,
    drop constraint user_names_are_unique`,
  `update users set subject = lower(name)`,
  `alter table users
    alter column subject set not null,
    add constraint users_are_unique_at_their_connector unique (connector, subject),
    add constraint only_local_users_have_a_password check (password_hash is null or connector = 'local')`,
  `create index users_by_last_login on users (last_login_at)`,

  // login: of a client or browser. personal: acts for its user within limits. robot: belongs to a team and has a role there.
  `alter table tokens
    add column kind text not null default 'login' constraint token_kinds_are_known check (kind in ('login', 'personal', 'robot')),
    add column name text,
    add column team_id bigint,
    add column role text constraint token_roles_are_known check (role in ('viewer', 'pipeline-operator', 'member', 'owner')),
    add column pipelines jsonb,
    add column actions jsonb,
    add column created_by text,
    add column last_used_at timestamptz,
    alter column user_id drop not null,
    add constraint tokens_team_id_fkey foreign key (team_id) references teams on delete cascade,
    add constraint a_robot_belongs_to_a_team_and_others_to_a_user check ((kind = 'robot') = (user_id is null)),
    add constraint a_robot_has_a_role_in_its_team check (kind <> 'robot' or (team_id is not null and role is not null)),
    add constraint a_lasting_token_has_a_name check ((kind = 'login') = (name is null))`,
  `create unique index names_of_personal_tokens_are_unique on tokens (user_id, name) where kind = 'personal'`,
  `create unique index names_of_robots_are_unique_in_a_team on tokens (team_id, name) where kind = 'robot'`,
  `create index tokens_by_expiry on tokens (expires_at)`,

  // A login that was sent on to a provider, from the click to the return. Known by the digest of its state.
  `create table login_flows (
    state_digest text primary key,
    connector text not null,
    redirect_path text not null,
    secret jsonb not null default '{}',
    expires_at timestamptz not null
  )`,

  // Every change, chained by hashes: see repositories/audit.ts. No foreign keys: what it tells of may be gone.
  `create table audit_log (
    seq bigint primary key,
    at timestamptz not null,
    user_name text,
    connector text,
    token_id bigint,
    token_kind text,
    remote_address text,
    action text not null,
    team text,
    target text,
    status integer,
    before json,
    after json,
    reason text,
    request_id text,
    prev_hash text not null,
    hash text not null
  )`,
  `create index audit_log_by_time on audit_log (at)`,
  `create index audit_log_by_team on audit_log (team, seq)`,
  `create function refuse_change_of_audit_log() returns trigger language plpgsql as $$
    begin raise exception 'the audit log is append-only'; end $$`,
  `create trigger audit_log_is_append_only before update or delete on audit_log
    for each row execute function refuse_change_of_audit_log()`,
];
