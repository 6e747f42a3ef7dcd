import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryGeneratedColumn, type Relation } from 'typeorm';
import { Build } from './build.entity.js';
import { Team } from './team.entity.js';

/** Files that a person brought for a one-off build, or that one left to be fetched. */
@Check('an_output_is_complete', `((build_id IS NULL) OR complete)`)
@Index('artifacts_of_a_build', ['buildId', 'id'], { where: '(build_id IS NOT NULL)' })
@Index('artifacts_by_expiry', ['expiresAt'])
@Index('artifacts_by_ref', ['ref'])
@Entity('artifacts')
export class Artifact {
  @PrimaryGeneratedColumn('identity', {
    type: 'bigint',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'artifacts_pkey',
  })
  id: number;

  @Column({ name: 'team_id', type: 'bigint' })
  teamId: number;

  @ManyToOne(() => Team, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'team_id', foreignKeyConstraintName: 'artifacts_team_id_fkey' })
  team: Relation<Team>;

  /** The build that made it; null for an upload. */
  @Column({ name: 'build_id', type: 'bigint', nullable: true })
  buildId: number | null;

  @ManyToOne(() => Build, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'build_id', foreignKeyConstraintName: 'artifacts_build_id_fkey' })
  build: Relation<Build | null>;

  @Column({ type: 'text' })
  name: string;

  /** The server that has the files. */
  @Column({ type: 'text' })
  instance: string;

  /** Its id in that server's store. */
  @Column({ type: 'text' })
  ref: string;

  /** All of an upload has arrived. */
  @Column({ type: 'boolean', default: false })
  complete: boolean;

  @Column({ name: 'created_by', type: 'text', nullable: true })
  createdBy: string | null;

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt: Date;

  @Column({ name: 'expires_at', type: 'timestamptz' })
  expiresAt: Date;
}
