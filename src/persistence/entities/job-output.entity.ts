import { Column, Entity, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from 'typeorm';
import { Job } from './job.entity.js';
import { Resource } from './resource.entity.js';

/** A put step of a job's plan. */
@Entity('job_outputs')
export class JobOutput {
  @PrimaryColumn({ name: 'job_id', type: 'bigint', primaryKeyConstraintName: 'job_outputs_pkey' })
  jobId: number;

  @ManyToOne(() => Job, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'job_id', foreignKeyConstraintName: 'job_outputs_job_id_fkey' })
  job: Relation<Job>;

  @Column({ type: 'text' })
  name: string;

  @PrimaryColumn({ type: 'integer', primaryKeyConstraintName: 'job_outputs_pkey' })
  ordinal: number;

  @Column({ name: 'resource_id', type: 'bigint' })
  resourceId: number;

  @ManyToOne(() => Resource, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'resource_id', foreignKeyConstraintName: 'job_outputs_resource_id_fkey' })
  resource: Relation<Resource>;
}
