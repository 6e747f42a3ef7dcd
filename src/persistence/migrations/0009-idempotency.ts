import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Requests that are done once, however often they are sent: ADR 12. */
export class Idempotency1763740809000 implements MigrationInterface {
  readonly name = 'Idempotency1763740809000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  /** Forward only: a released schema is never taken back. */
  async down(): Promise<void> {
    throw new Error('migrations are forward only; restore a backup to go back');
  }
}

const STATEMENTS = [
  // fingerprint: digest of what was asked; null while a streamed body is still read.
  // answer: sealed with the caller's token, which is stored nowhere, as it may hold a secret that is shown once.
  `create table idempotent_requests (
    token_id bigint not null,
    key_digest text not null,
    fingerprint text,
    status integer,
    answer bytea,
    created_at timestamptz not null,
    constraint idempotent_requests_pkey primary key (token_id, key_digest),
    constraint idempotent_requests_token_id_fkey foreign key (token_id) references tokens on delete cascade,
    constraint an_answer_is_of_a_known_request check (
      (status is null) = (answer is null) and (status is null or fingerprint is not null))
  )`,
  `create index idempotent_requests_by_age on idempotent_requests (created_at)`,
];
