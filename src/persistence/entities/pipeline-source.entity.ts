import { Check, Column, Entity, JoinColumn, ManyToOne, PrimaryGeneratedColumn, Unique, type Relation } from 'typeorm';
import { Team } from './team.entity.js';

/** A git repository whose files are pipelines. */
@Check('pipeline_sources_interval_seconds_check', `(interval_seconds > 0)`)
@Unique('source_names_are_unique_in_a_team', ['teamId', 'name'])
@Entity('pipeline_sources')
export class PipelineSource {
  @PrimaryGeneratedColumn('identity', {
    type: 'bigint',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'pipeline_sources_pkey',
  })
  id: number;

  @Column({ name: 'team_id', type: 'bigint' })
  teamId: number;

  @ManyToOne(() => Team, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'team_id', foreignKeyConstraintName: 'pipeline_sources_team_id_fkey' })
  team: Relation<Team>;

  @Column({ type: 'text' })
  name: string;

  @Column({ type: 'text' })
  uri: string;

  @Column({ type: 'text', nullable: true })
  branch: string | null;

  @Column({ name: 'path_glob', type: 'text' })
  pathGlob: string;

  @Column({ type: 'jsonb', default: () => "'{}'" })
  credentials: unknown;

  @Column({ type: 'jsonb', default: () => "'{}'" })
  vars: unknown;

  @Column({ name: 'interval_seconds', type: 'integer', default: 60 })
  intervalSeconds: number;

  @Column({ name: 'webhook_digest', type: 'text', nullable: true })
  webhookDigest: string | null;

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt: Date;

  @Column({ name: 'sync_requested_at', type: 'timestamptz', nullable: true })
  syncRequestedAt: Date | null;

  @Column({ name: 'next_sync_at', type: 'timestamptz', default: () => 'now()' })
  nextSyncAt: Date;

  /** Grows with each claim: who holds an older one may write nothing any more. */
  @Column({ name: 'sync_claim', type: 'bigint', default: 0 })
  syncClaim: number;

  @Column({ name: 'sync_claimed_until', type: 'timestamptz', nullable: true })
  syncClaimedUntil: Date | null;

  @Column({ name: 'sync_failures', type: 'integer', default: 0 })
  syncFailures: number;

  @Column({ name: 'last_synced_at', type: 'timestamptz', nullable: true })
  lastSyncedAt: Date | null;

  @Column({ name: 'last_commit', type: 'text', nullable: true })
  lastCommit: string | null;

  @Column({ name: 'last_error', type: 'jsonb', nullable: true })
  lastError: unknown;
}
