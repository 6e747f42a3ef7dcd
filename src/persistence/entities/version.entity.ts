import {
  Check,
  Column,
  Entity,
  Index,
  JoinColumn,
  ManyToOne,
  PrimaryGeneratedColumn,
  Unique,
  type Relation,
} from 'typeorm';
import { History } from './history.entity.js';

/** One version of a history; newest is the highest check order. */
@Unique('versions_are_unique_in_a_history', ['historyId', 'digest'])
@Check('versions_origin_check', `(origin = ANY (ARRAY['check'::text, 'put'::text]))`)
@Check('versions_version_check', `((jsonb_typeof(version) = 'object'::text) AND (version <> '{}'::jsonb))`)
@Index('versions_by_content', { synchronize: false })
@Index('versions_newest_first', { synchronize: false })
@Entity('versions')
export class Version {
  @PrimaryGeneratedColumn('identity', {
    type: 'bigint',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'versions_pkey',
  })
  id: number;

  @Column({ name: 'history_id', type: 'bigint' })
  historyId: number;

  @ManyToOne(() => History, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'history_id', foreignKeyConstraintName: 'versions_history_id_fkey' })
  history: Relation<History>;

  @Column({ type: 'text' })
  digest: string;

  @Column({ type: 'jsonb' })
  version: unknown;

  @Column({ type: 'jsonb', nullable: true })
  metadata: unknown;

  @Column({ name: 'check_order', type: 'bigint' })
  checkOrder: number;

  @Column({ type: 'text' })
  origin: string;

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt: Date;
}
