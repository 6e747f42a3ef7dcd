import { Check, Column, Entity, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from 'typeorm';
import { Build } from './build.entity.js';

/** One event of a build. Sequence numbers have no gap. */
@Check('build_events_seq_check', `(seq >= 0)`)
@Entity('build_events')
export class BuildEvent {
  @PrimaryColumn({ name: 'build_id', type: 'bigint', primaryKeyConstraintName: 'build_events_pkey' })
  buildId: number;

  @ManyToOne(() => Build, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'build_id', foreignKeyConstraintName: 'build_events_build_id_fkey' })
  build: Relation<Build>;

  @PrimaryColumn({ type: 'integer', primaryKeyConstraintName: 'build_events_pkey' })
  seq: number;

  @Column({ type: 'text' })
  event: string;

  @Column({ type: 'jsonb' })
  data: unknown;
}
