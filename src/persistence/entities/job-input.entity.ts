import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from 'typeorm';
import { Job } from './job.entity.js';
import { Resource } from './resource.entity.js';

/** A get step of a job's plan. */
@Index('job_inputs_by_resource', ['resourceId'])
@Index('job_inputs_by_passed_job', { synchronize: false })
@Entity('job_inputs')
export class JobInput {
  @PrimaryColumn({ name: 'job_id', type: 'bigint', primaryKeyConstraintName: 'job_inputs_pkey' })
  jobId: number;

  @ManyToOne(() => Job, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'job_id', foreignKeyConstraintName: 'job_inputs_job_id_fkey' })
  job: Relation<Job>;

  @PrimaryColumn({ type: 'text', primaryKeyConstraintName: 'job_inputs_pkey' })
  name: string;

  @Column({ type: 'integer' })
  ordinal: number;

  @Column({ name: 'resource_id', type: 'bigint' })
  resourceId: number;

  @ManyToOne(() => Resource, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'resource_id', foreignKeyConstraintName: 'job_inputs_resource_id_fkey' })
  resource: Relation<Resource>;

  @Column({ type: 'boolean' })
  trigger: boolean;

  @Column({ type: 'jsonb', nullable: true })
  passed: unknown;

  @Column({ name: 'passed_job_ids', type: 'bigint', array: true, default: () => "'{}'" })
  passedJobIds: number[];

  @Column({ type: 'jsonb', nullable: true })
  version: unknown;
}
