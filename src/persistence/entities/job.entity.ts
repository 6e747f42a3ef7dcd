import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryGeneratedColumn, Unique, type Relation } from 'typeorm';
import { Pipeline } from './pipeline.entity.js';

/** A job and what the trigger loop knows of it. */
@Unique('job_names_are_unique_in_a_pipeline', ['pipelineId', 'name'])
@Index('jobs_to_schedule', { synchronize: false })
@Entity('jobs')
export class Job {
  @PrimaryGeneratedColumn('identity', {
    type: 'bigint',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'jobs_pkey',
  })
  id: number;

  @Column({ name: 'pipeline_id', type: 'bigint' })
  pipelineId: number;

  @ManyToOne(() => Pipeline, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'pipeline_id', foreignKeyConstraintName: 'jobs_pipeline_id_fkey' })
  pipeline: Relation<Pipeline>;

  @Column({ type: 'text' })
  name: string;

  @Column({ type: 'jsonb' })
  config: unknown;

  @Column({ type: 'boolean', default: true })
  active: boolean;

  @Column({ type: 'boolean', default: false })
  paused: boolean;

  @Column({ name: 'paused_by', type: 'text', nullable: true })
  pausedBy: string | null;

  @Column({ name: 'paused_at', type: 'timestamptz', nullable: true })
  pausedAt: Date | null;

  @Column({ name: 'pause_reason', type: 'text', nullable: true })
  pauseReason: string | null;

  @Column({ name: 'next_build_number', type: 'bigint', default: 1 })
  nextBuildNumber: number;

  @Column({ name: 'max_in_flight', type: 'integer', nullable: true })
  maxInFlight: number | null;

  @Column({ name: 'schedule_requested', type: 'bigint', default: 1 })
  scheduleRequested: number;

  @Column({ name: 'schedule_done', type: 'bigint', default: 0 })
  scheduleDone: number;

  @Column({ name: 'schedule_requested_at', type: 'timestamptz', default: () => 'now()' })
  scheduleRequestedAt: Date;

  @Column({ name: 'scheduled_at', type: 'timestamptz', nullable: true })
  scheduledAt: Date | null;

  @Column({ name: 'has_new_inputs', type: 'boolean', default: false })
  hasNewInputs: boolean;

  @Column({ name: 'inputs_determined', type: 'boolean', default: false })
  inputsDetermined: boolean;

  @Column({ type: 'jsonb', default: () => "'[]'" })
  blockers: unknown;

  @Column({ name: 'latest_completed_build_id', type: 'bigint', nullable: true })
  latestCompletedBuildId: number | null;

  @Column({ name: 'next_build_id', type: 'bigint', nullable: true })
  nextBuildId: number | null;

  @Column({ name: 'transition_build_id', type: 'bigint', nullable: true })
  transitionBuildId: number | null;

  @Column({
    name: 'disable_manual_trigger',
    type: 'boolean',
    generatedType: 'STORED',
    asExpression: `coalesce((config->>'disable_manual_trigger')::boolean, false)`,
    insert: false,
    update: false,
  })
  disableManualTrigger: boolean;

  @Column({
    name: 'disable_reruns',
    type: 'boolean',
    generatedType: 'STORED',
    asExpression: `coalesce((config->>'disable_reruns')::boolean, false)`,
    insert: false,
    update: false,
  })
  disableReruns: boolean;
}
