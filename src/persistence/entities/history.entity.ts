import { Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';

/** The stream of versions of one resource config (type and evaluated source), and how its checks go. */
@Entity('histories')
@Index('histories_by_config', ['configDigest'])
export class History {
  @PrimaryGeneratedColumn('identity', {
    type: 'bigint',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'histories_pkey',
  })
  id: number;

  @Column({ name: 'config_digest', type: 'text' })
  configDigest: string;

  @Column({ name: 'next_check_order', type: 'bigint', default: 1 })
  nextCheckOrder: number;

  @Column({ name: 'check_requested_at', type: 'timestamptz', nullable: true })
  checkRequestedAt: Date | null;

  @Column({ name: 'check_started_at', type: 'timestamptz', nullable: true })
  checkStartedAt: Date | null;

  @Column({ name: 'check_ended_at', type: 'timestamptz', nullable: true })
  checkEndedAt: Date | null;

  @Column({ name: 'check_succeeded', type: 'boolean', nullable: true })
  checkSucceeded: boolean | null;

  @Column({ name: 'check_error', type: 'text', nullable: true })
  checkError: string | null;

  @Column({ name: 'check_failures', type: 'integer', default: 0 })
  checkFailures: number;

  @Column({ name: 'check_claim', type: 'text', nullable: true })
  checkClaim: string | null;

  @Column({ name: 'check_claimed_until', type: 'timestamptz', nullable: true })
  checkClaimedUntil: Date | null;

  @Column({ name: 'check_every', type: 'text', nullable: true })
  checkEvery: string | null;

  @Column({ name: 'next_check_at', type: 'timestamptz', default: () => 'now()' })
  nextCheckAt: Date;
}
