import {
  Check,
  Column,
  Entity,
  Index,
  JoinColumn,
  ManyToOne,
  PrimaryGeneratedColumn,
  Unique,
  type Relation,
} from 'typeorm';
import { Job } from './job.entity.js';
import { Pipeline } from './pipeline.entity.js';
import { Resource } from './resource.entity.js';
import { Team } from './team.entity.js';

/** One run of a job's plan, or of a check. Names are unique in a job. */
@Check('a_final_build_has_an_end', `((status = ANY (ARRAY['pending'::text, 'started'::text])) = (ended_at IS NULL))`)
@Check('a_started_build_has_a_plan', `((status <> 'started'::text) OR (plan IS NOT NULL))`)
@Check('only_the_log_of_a_final_build_is_compacted', `((compacted_at IS NULL) OR (ended_at IS NOT NULL))`)
@Check('vars_of_a_build_are_a_map', `((jsonb_typeof(vars) = 'object'::text) AND (vars <> '{}'::jsonb))`)
@Check('only_a_rerun_resumes', `((resume_of IS NULL) OR (rerun_of IS NOT NULL))`)
@Unique('build_names_are_unique_in_a_job', ['jobId', 'name'])
@Check(
  'builds_status_check',
  `(status = ANY (ARRAY['pending'::text, 'started'::text, 'succeeded'::text, 'failed'::text, 'errored'::text, 'aborted'::text]))`,
)
@Index('builds_of_a_pipeline', { synchronize: false })
@Index('one_pending_automatic_build_per_job', { synchronize: false })
@Index('builds_of_a_job_by_status', ['jobId', 'status'])
@Index('builds_of_a_resource', { synchronize: false })
@Index('builds_of_a_job_in_build_order', { synchronize: false })
@Index('unfinished_builds', { synchronize: false })
@Index('reruns_of_a_build', { synchronize: false })
@Index('builds_that_resume_one', { synchronize: false })
@Index('builds_of_a_team', { synchronize: false })
@Index('builds_of_a_team_in_build_order', { synchronize: false })
@Index('builds_of_a_team_in_time', { synchronize: false })
@Index('builds_of_a_pipeline_in_build_order', { synchronize: false })
@Index('builds_of_a_pipeline_in_time', { synchronize: false })
@Index('builds_with_a_log_to_compact', { synchronize: false })
@Entity('builds')
export class Build {
  @PrimaryGeneratedColumn('identity', {
    type: 'bigint',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'builds_pkey',
  })
  id: number;

  @Column({ name: 'team_id', type: 'bigint' })
  teamId: number;

  @ManyToOne(() => Team, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'team_id', foreignKeyConstraintName: 'builds_team_id_fkey' })
  team: Relation<Team>;

  @Column({ name: 'pipeline_id', type: 'bigint', nullable: true })
  pipelineId: number | null;

  @ManyToOne(() => Pipeline, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'pipeline_id', foreignKeyConstraintName: 'builds_pipeline_id_fkey' })
  pipeline: Relation<Pipeline | null>;

  @Column({ name: 'job_id', type: 'bigint', nullable: true })
  jobId: number | null;

  @ManyToOne(() => Job, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'job_id', foreignKeyConstraintName: 'builds_job_id_fkey' })
  job: Relation<Job | null>;

  @Column({ name: 'resource_id', type: 'bigint', nullable: true })
  resourceId: number | null;

  @ManyToOne(() => Resource, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'resource_id', foreignKeyConstraintName: 'builds_resource_id_fkey' })
  resource: Relation<Resource | null>;

  @Column({ type: 'text' })
  name: string;

  @Column({ type: 'text', default: 'pending' })
  status: string;

  @Column({ name: 'manually_triggered', type: 'boolean', default: false })
  manuallyTriggered: boolean;

  @Column({ name: 'rerun_of', type: 'bigint', nullable: true })
  rerunOf: number | null;

  @ManyToOne(() => Build, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'rerun_of', foreignKeyConstraintName: 'builds_rerun_of_fkey' })
  rerunOfBuild: Relation<Build | null>;

  @Column({ name: 'rerun_number', type: 'integer', nullable: true })
  rerunNumber: number | null;

  @Column({ name: 'resume_of', type: 'bigint', nullable: true })
  resumeOf: number | null;

  @ManyToOne(() => Build, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'resume_of', foreignKeyConstraintName: 'builds_resume_of_fkey' })
  resumeOfBuild: Relation<Build | null>;

  @Column({ name: 'created_by', type: 'text', nullable: true })
  createdBy: string | null;

  @Column({ type: 'text', default: '' })
  comment: string;

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt: Date;

  @Column({ name: 'started_at', type: 'timestamptz', nullable: true })
  startedAt: Date | null;

  @Column({ name: 'ended_at', type: 'timestamptz', nullable: true })
  endedAt: Date | null;

  @Column({ name: 'reaped_at', type: 'timestamptz', nullable: true })
  reapedAt: Date | null;

  @Column({ name: 'compacted_at', type: 'timestamptz', nullable: true })
  compactedAt: Date | null;

  @Column({ name: 'slot_claimed', type: 'boolean', default: false })
  slotClaimed: boolean;

  @Column({ name: 'inputs_ready', type: 'boolean', default: false })
  inputsReady: boolean;

  @Column({ name: 'aborted_at', type: 'timestamptz', nullable: true })
  abortedAt: Date | null;

  @Column({ name: 'aborted_by', type: 'text', nullable: true })
  abortedBy: string | null;

  @Column({ type: 'jsonb', nullable: true })
  plan: unknown;

  @Column({ type: 'jsonb', nullable: true })
  vars: unknown;

  @Column({ name: 'next_event_seq', type: 'integer', default: 0 })
  nextEventSeq: number;

  @Column({ name: 'lease_instance', type: 'text', nullable: true })
  leaseInstance: string | null;

  @Column({ name: 'lease_epoch', type: 'bigint', nullable: true })
  leaseEpoch: number | null;

  @Column({ name: 'lease_until', type: 'timestamptz', nullable: true })
  leaseUntil: Date | null;
}
