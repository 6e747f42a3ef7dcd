import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryGeneratedColumn, Unique, type Relation } from 'typeorm';
import { History } from './history.entity.js';
import { Job } from './job.entity.js';
import { Pipeline } from './pipeline.entity.js';

/** Something outside that has versions. Inactive when the present config does not name it any more. */
@Unique('resource_names_are_unique_in_a_pipeline', ['pipelineId', 'name'])
@Index('resources_by_history', ['historyId'])
@Index('resources_by_watched_job', ['watchedJobId'], { where: 'watched_job_id is not null' })
@Entity('resources')
export class Resource {
  @PrimaryGeneratedColumn('identity', {
    type: 'bigint',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'resources_pkey',
  })
  id: number;

  @Column({ name: 'pipeline_id', type: 'bigint' })
  pipelineId: number;

  @ManyToOne(() => Pipeline, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'pipeline_id', foreignKeyConstraintName: 'resources_pipeline_id_fkey' })
  pipeline: Relation<Pipeline>;

  @Column({ type: 'text' })
  name: string;

  @Column({ type: 'text' })
  type: string;

  @Column({ type: 'jsonb' })
  config: unknown;

  @Column({ type: 'boolean', default: true })
  active: boolean;

  @Column({ name: 'history_id', type: 'bigint', nullable: true })
  historyId: number | null;

  @ManyToOne(() => History, { onDelete: 'SET NULL' })
  @JoinColumn({ name: 'history_id', foreignKeyConstraintName: 'resources_history_id_fkey' })
  history: Relation<History | null>;

  @Column({ type: 'boolean', default: false })
  paused: boolean;

  @Column({ name: 'paused_by', type: 'text', nullable: true })
  pausedBy: string | null;

  @Column({ name: 'paused_at', type: 'timestamptz', nullable: true })
  pausedAt: Date | null;

  @Column({ name: 'pause_reason', type: 'text', nullable: true })
  pauseReason: string | null;

  /** The job whose builds are its versions, and the latest completed one when that was last asked for. */
  @Column({ name: 'watched_job_id', type: 'bigint', nullable: true })
  watchedJobId: number | null;

  @ManyToOne(() => Job, { onDelete: 'SET NULL' })
  @JoinColumn({ name: 'watched_job_id', foreignKeyConstraintName: 'resources_watched_job_id_fkey' })
  watchedJob: Relation<Job | null>;

  @Column({ name: 'watched_build_id', type: 'bigint', nullable: true })
  watchedBuildId: number | null;
}
