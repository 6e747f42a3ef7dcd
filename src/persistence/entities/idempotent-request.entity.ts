import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from 'typeorm';
import { Token } from './token.entity.js';

/** A request with an idempotency key that has begun, and its answer once it was done. */
@Check(
  'an_answer_is_of_a_known_request',
  `(status is null) = (answer is null) and (status is null or fingerprint is not null)`,
)
@Index('idempotent_requests_by_age', ['createdAt'])
@Entity('idempotent_requests')
export class IdempotentRequest {
  @PrimaryColumn({ name: 'token_id', type: 'bigint', primaryKeyConstraintName: 'idempotent_requests_pkey' })
  tokenId: number;

  @ManyToOne(() => Token, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'token_id', foreignKeyConstraintName: 'idempotent_requests_token_id_fkey' })
  token: Relation<Token>;

  @PrimaryColumn({ name: 'key_digest', type: 'text', primaryKeyConstraintName: 'idempotent_requests_pkey' })
  keyDigest: string;

  /** Digest of what was asked; null while a streamed body is still read. */
  @Column({ type: 'text', nullable: true })
  fingerprint: string | null;

  @Column({ type: 'integer', nullable: true })
  status: number | null;

  /** Sealed with the caller's token. */
  @Column({ type: 'bytea', nullable: true })
  answer: Buffer | null;

  @Column({ name: 'created_at', type: 'timestamptz' })
  createdAt: Date;
}
