import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Keys with which the server signs ID tokens: ADR 14. */
export class SigningKeys1763740828000 implements MigrationInterface {
  readonly name = 'SigningKeys1763740828000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  /** Forward only: a released schema is never taken back. */
  async down(): Promise<void> {
    throw new Error('migrations are forward only; restore a backup to go back');
  }
}

const STATEMENTS = [
  // A key is told to the world when it is made and signs from signs_from until the next one of its algorithm does.
  `create table signing_keys (
    kid text not null,
    algorithm text not null,
    private_jwk jsonb not null,
    signs_from timestamptz not null,
    constraint signing_keys_pkey primary key (kid),
    constraint an_algorithm_is_known check (algorithm in ('RS256', 'ES256')),
    constraint one_key_begins_at_a_time unique (algorithm, signs_from)
  )`,
];
