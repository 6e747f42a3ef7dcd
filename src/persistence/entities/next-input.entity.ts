import { Check, Column, Entity, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from 'typeorm';
import { Job } from './job.entity.js';
import { Resource } from './resource.entity.js';

/** What the next build of a job would use, or why it has no version. */
@Check('a_next_input_is_a_version_or_an_error', `((digest IS NULL) <> (error_code IS NULL))`)
@Entity('next_inputs')
export class NextInput {
  @PrimaryColumn({ name: 'job_id', type: 'bigint', primaryKeyConstraintName: 'next_inputs_pkey' })
  jobId: number;

  @ManyToOne(() => Job, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'job_id', foreignKeyConstraintName: 'next_inputs_job_id_fkey' })
  job: Relation<Job>;

  @PrimaryColumn({ type: 'text', primaryKeyConstraintName: 'next_inputs_pkey' })
  name: string;

  @Column({ type: 'integer' })
  ordinal: number;

  @Column({ name: 'resource_id', type: 'bigint' })
  resourceId: number;

  @ManyToOne(() => Resource, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'resource_id', foreignKeyConstraintName: 'next_inputs_resource_id_fkey' })
  resource: Relation<Resource>;

  @Column({ type: 'text', nullable: true })
  digest: string | null;

  @Column({ type: 'jsonb', nullable: true })
  version: unknown;

  @Column({ name: 'first_occurrence', type: 'boolean', nullable: true })
  firstOccurrence: boolean | null;

  @Column({ name: 'error_code', type: 'text', nullable: true })
  errorCode: string | null;

  @Column({ name: 'error_text', type: 'text', nullable: true })
  errorText: string | null;
}
