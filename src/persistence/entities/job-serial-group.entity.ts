import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from 'typeorm';
import { Job } from './job.entity.js';
import { Pipeline } from './pipeline.entity.js';

/** A group of jobs of which one runs at a time. */
@Index('job_serial_groups_by_name', ['pipelineId', 'name'])
@Entity('job_serial_groups')
export class JobSerialGroup {
  @PrimaryColumn({ name: 'job_id', type: 'bigint', primaryKeyConstraintName: 'job_serial_groups_pkey' })
  jobId: number;

  @ManyToOne(() => Job, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'job_id', foreignKeyConstraintName: 'job_serial_groups_job_id_fkey' })
  job: Relation<Job>;

  @Column({ name: 'pipeline_id', type: 'bigint' })
  pipelineId: number;

  @ManyToOne(() => Pipeline, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'pipeline_id', foreignKeyConstraintName: 'job_serial_groups_pipeline_id_fkey' })
  pipeline: Relation<Pipeline>;

  @PrimaryColumn({ type: 'text', primaryKeyConstraintName: 'job_serial_groups_pkey' })
  name: string;
}
