import { Entity, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from 'typeorm';
import { Build } from './build.entity.js';
import { Job } from './job.entity.js';

/** The upstream builds that vouch for the next inputs of a job. */
@Entity('next_pipes')
export class NextPipe {
  @PrimaryColumn({ name: 'job_id', type: 'bigint', primaryKeyConstraintName: 'next_pipes_pkey' })
  jobId: number;

  @ManyToOne(() => Job, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'job_id', foreignKeyConstraintName: 'next_pipes_job_id_fkey' })
  job: Relation<Job>;

  @PrimaryColumn({ name: 'from_build_id', type: 'bigint', primaryKeyConstraintName: 'next_pipes_pkey' })
  fromBuildId: number;

  @ManyToOne(() => Build, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'from_build_id', foreignKeyConstraintName: 'next_pipes_from_build_id_fkey' })
  fromBuild: Relation<Build>;
}
