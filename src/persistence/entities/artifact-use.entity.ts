import { Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from 'typeorm';
import { Artifact } from './artifact.entity.js';
import { Build } from './build.entity.js';

/** An artifact that a one-off build was posted with. */
@Index('uses_of_an_artifact', ['artifactId'])
@Entity('artifact_uses')
export class ArtifactUse {
  @PrimaryColumn({ name: 'build_id', type: 'bigint', primaryKeyConstraintName: 'artifact_uses_pkey' })
  buildId: number;

  @ManyToOne(() => Build, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'build_id', foreignKeyConstraintName: 'artifact_uses_build_id_fkey' })
  build: Relation<Build>;

  @PrimaryColumn({ name: 'artifact_id', type: 'bigint', primaryKeyConstraintName: 'artifact_uses_pkey' })
  artifactId: number;

  @ManyToOne(() => Artifact, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'artifact_id', foreignKeyConstraintName: 'artifact_uses_artifact_id_fkey' })
  artifact: Relation<Artifact>;
}
