import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryGeneratedColumn, Unique, type Relation } from 'typeorm';
import { PipelineSource } from './pipeline-source.entity.js';
import { Team } from './team.entity.js';

/** A named set of jobs and resources; its config is the newest revision. */
@Unique('pipeline_names_are_unique_in_a_team', ['teamId', 'name', 'instanceVars'])
@Index('pipelines_by_source', ['sourceId'])
@Index('pipelines_by_parent_job', ['parentJobId'], { where: 'parent_job_id IS NOT NULL AND NOT archived' })
@Entity('pipelines')
export class Pipeline {
  @PrimaryGeneratedColumn('identity', {
    type: 'bigint',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'pipelines_pkey',
  })
  id: number;

  @Column({ name: 'team_id', type: 'bigint' })
  teamId: number;

  @ManyToOne(() => Team, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'team_id', foreignKeyConstraintName: 'pipelines_team_id_fkey' })
  team: Relation<Team>;

  @Column({ type: 'text' })
  name: string;

  @Column({ name: 'instance_vars', type: 'jsonb', nullable: true })
  instanceVars: unknown;

  @Column({ name: 'config_version', type: 'bigint', default: 0 })
  configVersion: number;

  @Column({ type: 'boolean', default: false })
  paused: boolean;

  @Column({ name: 'paused_by', type: 'text', nullable: true })
  pausedBy: string | null;

  @Column({ name: 'paused_at', type: 'timestamptz', nullable: true })
  pausedAt: Date | null;

  @Column({ name: 'pause_reason', type: 'text', nullable: true })
  pauseReason: string | null;

  @Column({ type: 'boolean', default: false })
  public: boolean;

  @Column({ type: 'boolean', default: false })
  archived: boolean;

  @Column({ type: 'bigint', default: 0 })
  ordering: number;

  @Column({ name: 'parent_job_id', type: 'bigint', nullable: true })
  parentJobId: number | null;

  @Column({ name: 'parent_build_id', type: 'bigint', nullable: true })
  parentBuildId: number | null;

  @Column({ name: 'source_id', type: 'bigint', nullable: true })
  sourceId: number | null;

  @ManyToOne(() => PipelineSource, { onDelete: 'SET NULL' })
  @JoinColumn({ name: 'source_id', foreignKeyConstraintName: 'pipelines_source_id_fkey' })
  source: Relation<PipelineSource | null>;

  @Column({ name: 'source_path', type: 'text', nullable: true })
  sourcePath: string | null;

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt: Date;

  @Column({ name: 'updated_at', type: 'timestamptz', default: () => 'now()' })
  updatedAt: Date;
}
