import { Entity, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from 'typeorm';
import { Build } from './build.entity.js';

/** The upstream builds that vouched for the inputs of a build. */
@Entity('build_pipes')
export class BuildPipe {
  @PrimaryColumn({ name: 'build_id', type: 'bigint', primaryKeyConstraintName: 'build_pipes_pkey' })
  buildId: number;

  @ManyToOne(() => Build, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'build_id', foreignKeyConstraintName: 'build_pipes_build_id_fkey' })
  build: Relation<Build>;

  @PrimaryColumn({ name: 'from_build_id', type: 'bigint', primaryKeyConstraintName: 'build_pipes_pkey' })
  fromBuildId: number;

  @ManyToOne(() => Build, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'from_build_id', foreignKeyConstraintName: 'build_pipes_from_build_id_fkey' })
  fromBuild: Relation<Build>;
}
