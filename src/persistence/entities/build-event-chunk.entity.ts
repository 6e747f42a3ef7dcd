import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, Unique, type Relation } from 'typeorm';
import { Build } from './build.entity.js';

/** Consecutive events of a finished build, compressed. Chunks have no gap between them. */
@Check('build_event_chunks_first_seq_check', `(first_seq >= 0)`)
@Check('a_chunk_holds_events', `(last_seq >= first_seq)`)
@Unique('one_chunk_ends_at_an_event', ['buildId', 'lastSeq'])
@Index('chunks_by_the_one_before', ['buildId', 'previousSeq'])
@Entity('build_event_chunks')
export class BuildEventChunk {
  @PrimaryColumn({ name: 'build_id', type: 'bigint', primaryKeyConstraintName: 'build_event_chunks_pkey' })
  buildId: number;

  @ManyToOne(() => Build, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'build_id', foreignKeyConstraintName: 'build_event_chunks_build_id_fkey' })
  build: Relation<Build>;

  @PrimaryColumn({ name: 'first_seq', type: 'integer', primaryKeyConstraintName: 'build_event_chunks_pkey' })
  firstSeq: number;

  @Column({ name: 'last_seq', type: 'integer' })
  lastSeq: number;

  @Column({
    name: 'previous_seq',
    type: 'integer',
    nullable: true,
    generatedType: 'STORED',
    asExpression: 'case when first_seq = 0 then null else first_seq - 1 end',
    insert: false,
    update: false,
  })
  previousSeq: number | null;

  @Column({ type: 'bytea' })
  data: Buffer;

  @ManyToOne(() => BuildEventChunk)
  @JoinColumn([
    { name: 'build_id', referencedColumnName: 'buildId', foreignKeyConstraintName: 'event_chunks_have_no_gap' },
    { name: 'previous_seq', referencedColumnName: 'lastSeq', foreignKeyConstraintName: 'event_chunks_have_no_gap' },
  ])
  previous: Relation<BuildEventChunk | null>;
}
