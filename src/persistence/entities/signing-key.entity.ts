import { Check, Column, Entity, PrimaryColumn, Unique } from 'typeorm';

/** A key with which the server signs ID tokens. */
@Entity('signing_keys')
@Check('an_algorithm_is_known', `(algorithm = ANY (ARRAY['RS256'::text, 'ES256'::text]))`)
@Unique('one_key_begins_at_a_time', ['algorithm', 'signsFrom'])
export class SigningKey {
  @PrimaryColumn({ type: 'text', primaryKeyConstraintName: 'signing_keys_pkey' })
  kid: string;

  @Column({ type: 'text' })
  algorithm: string;

  @Column({ name: 'private_jwk', type: 'jsonb' })
  privateJwk: unknown;

  /** Until the next one of its algorithm does. */
  @Column({ name: 'signs_from', type: 'timestamptz' })
  signsFrom: Date;
}
