import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** One change: who did what, from where, and the chain that shows tampering. */
@Index('audit_log_by_time', ['at'])
@Index('audit_log_by_team', ['team', 'seq'])
@Entity('audit_log')
export class AuditEntry {
  @PrimaryColumn({ type: 'bigint', primaryKeyConstraintName: 'audit_log_pkey' })
  seq: number;

  @Column({ type: 'timestamptz' })
  at: Date;

  @Column({ name: 'user_name', type: 'text', nullable: true })
  userName: string | null;

  @Column({ type: 'text', nullable: true })
  connector: string | null;

  @Column({ name: 'token_id', type: 'bigint', nullable: true })
  tokenId: number | null;

  @Column({ name: 'token_kind', type: 'text', nullable: true })
  tokenKind: string | null;

  @Column({ name: 'remote_address', type: 'text', nullable: true })
  remoteAddress: string | null;

  @Column({ type: 'text' })
  action: string;

  @Column({ type: 'text', nullable: true })
  team: string | null;

  @Column({ type: 'text', nullable: true })
  target: string | null;

  @Column({ type: 'integer', nullable: true })
  status: number | null;

  @Column({ type: 'json', nullable: true })
  before: unknown;

  @Column({ type: 'json', nullable: true })
  after: unknown;

  @Column({ type: 'text', nullable: true })
  reason: string | null;

  @Column({ name: 'request_id', type: 'text', nullable: true })
  requestId: string | null;

  @Column({ name: 'prev_hash', type: 'text' })
  prevHash: string;

  @Column({ type: 'text' })
  hash: string;
}
