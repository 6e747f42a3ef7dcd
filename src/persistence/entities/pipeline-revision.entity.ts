import { Column, Entity, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from 'typeorm';
import { Pipeline } from './pipeline.entity.js';

/** One config of a pipeline, and who or which commit set it. */
@Entity('pipeline_revisions')
export class PipelineRevision {
  @PrimaryColumn({ name: 'pipeline_id', type: 'bigint', primaryKeyConstraintName: 'pipeline_revisions_pkey' })
  pipelineId: number;

  @ManyToOne(() => Pipeline, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'pipeline_id', foreignKeyConstraintName: 'pipeline_revisions_pipeline_id_fkey' })
  pipeline: Relation<Pipeline>;

  @PrimaryColumn({ type: 'bigint', primaryKeyConstraintName: 'pipeline_revisions_pkey' })
  version: number;

  @Column({ type: 'json' })
  config: unknown;

  @Column({ name: 'set_by', type: 'text', nullable: true })
  setBy: string | null;

  @Column({ name: 'commit_sha', type: 'text', nullable: true })
  commitSha: string | null;

  @Column({ name: 'commit_author', type: 'text', nullable: true })
  commitAuthor: string | null;

  @Column({ type: 'text', nullable: true })
  file: string | null;

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt: Date;

  @Column({
    type: 'json',
    nullable: true,
    generatedType: 'STORED',
    asExpression: `config->'groups'`,
    insert: false,
    update: false,
  })
  groups: unknown;

  @Column({
    type: 'json',
    nullable: true,
    generatedType: 'STORED',
    asExpression: `config->'display'`,
    insert: false,
    update: false,
  })
  display: unknown;

  @Column({
    name: 'user_data',
    type: 'json',
    nullable: true,
    generatedType: 'STORED',
    asExpression: `config->'user_data'`,
    insert: false,
    update: false,
  })
  userData: unknown;

  @Column({
    name: 'resource_types',
    type: 'json',
    nullable: true,
    generatedType: 'STORED',
    asExpression: `config->'resource_types'`,
    insert: false,
    update: false,
  })
  resourceTypes: unknown;

  @Column({
    name: 'var_sources',
    type: 'json',
    nullable: true,
    generatedType: 'STORED',
    asExpression: `config->'var_sources'`,
    insert: false,
    update: false,
  })
  varSources: unknown;
}
