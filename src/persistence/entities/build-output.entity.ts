import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryGeneratedColumn, type Relation } from 'typeorm';
import { Build } from './build.entity.js';
import { Resource } from './resource.entity.js';

/** A version that a build produced. */
@Index('build_outputs_by_version', ['resourceId', 'digest'])
@Index('build_outputs_of_a_build', ['buildId', 'id'])
@Entity('build_outputs')
export class BuildOutput {
  @PrimaryGeneratedColumn('identity', {
    type: 'bigint',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'build_outputs_pkey',
  })
  id: number;

  @Column({ name: 'build_id', type: 'bigint' })
  buildId: number;

  @ManyToOne(() => Build, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'build_id', foreignKeyConstraintName: 'build_outputs_build_id_fkey' })
  build: Relation<Build>;

  @Column({ type: 'text' })
  name: string;

  @Column({ name: 'resource_id', type: 'bigint' })
  resourceId: number;

  @ManyToOne(() => Resource, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'resource_id', foreignKeyConstraintName: 'build_outputs_resource_id_fkey' })
  resource: Relation<Resource>;

  @Column({ type: 'text' })
  digest: string;

  @Column({ type: 'jsonb' })
  version: unknown;
}
