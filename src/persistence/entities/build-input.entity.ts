import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from 'typeorm';
import { Build } from './build.entity.js';
import { Job } from './job.entity.js';
import { Resource } from './resource.entity.js';

/** A version that a build used. */
@Index('build_inputs_used_by_a_job', ['jobId', 'resourceId', 'digest'])
@Index('build_inputs_by_version', ['resourceId', 'digest'])
@Entity('build_inputs')
export class BuildInput {
  @PrimaryColumn({ name: 'build_id', type: 'bigint', primaryKeyConstraintName: 'build_inputs_pkey' })
  buildId: number;

  @ManyToOne(() => Build, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'build_id', foreignKeyConstraintName: 'build_inputs_build_id_fkey' })
  build: Relation<Build>;

  @Column({ name: 'job_id', type: 'bigint' })
  jobId: number;

  @ManyToOne(() => Job, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'job_id', foreignKeyConstraintName: 'build_inputs_job_id_fkey' })
  job: Relation<Job>;

  @PrimaryColumn({ type: 'text', primaryKeyConstraintName: 'build_inputs_pkey' })
  name: string;

  @Column({ type: 'integer' })
  ordinal: number;

  @Column({ name: 'resource_id', type: 'bigint' })
  resourceId: number;

  @ManyToOne(() => Resource, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'resource_id', foreignKeyConstraintName: 'build_inputs_resource_id_fkey' })
  resource: Relation<Resource>;

  @Column({ type: 'text' })
  digest: string;

  @Column({ type: 'jsonb' })
  version: unknown;

  @Column({ name: 'first_occurrence', type: 'boolean' })
  firstOccurrence: boolean;
}
