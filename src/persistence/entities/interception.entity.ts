import { Column, Entity, JoinColumn, OneToOne, PrimaryColumn, type Relation } from 'typeorm';
import { Build } from './build.entity.js';

/** Somebody is in a container of the build, or was a moment ago. */
@Entity('interceptions')
export class Interception {
  @PrimaryColumn({ name: 'build_id', type: 'bigint', primaryKeyConstraintName: 'interceptions_pkey' })
  buildId: number;

  @OneToOne(() => Build, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'build_id', foreignKeyConstraintName: 'interceptions_build_id_fkey' })
  build: Relation<Build>;

  @Column({ type: 'timestamptz' })
  until: Date;
}
