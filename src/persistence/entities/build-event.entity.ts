import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from 'typeorm';
import { Build } from './build.entity.js';

/** One event of a build. Sequence numbers have no gap. */
@Check('build_events_seq_check', `(seq >= 0)`)
@Index('events_by_the_one_before', ['buildId', 'previousSeq'])
@Entity('build_events')
export class BuildEvent {
  @PrimaryColumn({ name: 'build_id', type: 'bigint', primaryKeyConstraintName: 'build_events_pkey' })
  buildId: number;

  @ManyToOne(() => Build, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'build_id', foreignKeyConstraintName: 'build_events_build_id_fkey' })
  build: Relation<Build>;

  @PrimaryColumn({ type: 'integer', primaryKeyConstraintName: 'build_events_pkey' })
  seq: number;

  @Column({
    name: 'previous_seq',
    type: 'integer',
    nullable: true,
    generatedType: 'STORED',
    asExpression: 'case when seq = 0 then null else seq - 1 end',
    insert: false,
    update: false,
  })
  previousSeq: number | null;

  @Column({ type: 'text' })
  event: string;

  @Column({ type: 'jsonb' })
  data: unknown;

  @ManyToOne(() => BuildEvent)
  @JoinColumn([
    { name: 'build_id', referencedColumnName: 'buildId', foreignKeyConstraintName: 'event_sequences_have_no_gap' },
    { name: 'previous_seq', referencedColumnName: 'seq', foreignKeyConstraintName: 'event_sequences_have_no_gap' },
  ])
  previous: Relation<BuildEvent | null>;
}
