import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from 'typeorm';
import { Build } from './build.entity.js';
import { Job } from './job.entity.js';

/** Everything a succeeded build vouches for: what `passed` looks at. */
@Index('effective_sets_in_arrival_order', ['jobId', 'seq'])
@Index('effective_sets_in_build_order', { synchronize: false })
@Index('effective_sets_by_version', { synchronize: false })
@Entity('effective_sets')
export class EffectiveSet {
  @PrimaryColumn({ name: 'build_id', type: 'bigint', primaryKeyConstraintName: 'effective_sets_pkey' })
  buildId: number;

  @ManyToOne(() => Build, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'build_id', foreignKeyConstraintName: 'effective_sets_build_id_fkey' })
  build: Relation<Build>;

  @Column({ type: 'bigint', generated: 'identity', generatedIdentity: 'ALWAYS' })
  seq: number;

  @Column({ name: 'job_id', type: 'bigint' })
  jobId: number;

  @ManyToOne(() => Job, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'job_id', foreignKeyConstraintName: 'effective_sets_job_id_fkey' })
  job: Relation<Job>;

  @Column({ type: 'bigint' })
  place: number;

  @Column({ type: 'jsonb' })
  versions: unknown;
}
