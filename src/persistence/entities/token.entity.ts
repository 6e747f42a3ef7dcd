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
import { Team } from './team.entity.js';
import { User } from './user.entity.js';

/** A bearer token, known by its digest only: of a login, of a person for programs (personal), of a team for robots. */
@Unique('token_digests_are_unique', ['digest'])
@Check('token_kinds_are_known', `kind in ('login', 'personal', 'robot')`)
@Check('token_roles_are_known', `role in ('viewer', 'pipeline-operator', 'member', 'owner')`)
@Check('a_robot_belongs_to_a_team_and_others_to_a_user', `(kind = 'robot') = (user_id is null)`)
@Check('a_robot_has_a_role_in_its_team', `kind <> 'robot' or (team_id is not null and role is not null)`)
@Check('a_lasting_token_has_a_name', `(kind = 'login') = (name is null)`)
@Index('names_of_personal_tokens_are_unique', { synchronize: false })
@Index('names_of_robots_are_unique_in_a_team', { synchronize: false })
@Index('tokens_by_expiry', ['expiresAt'])
@Entity('tokens')
export class Token {
  @PrimaryGeneratedColumn('identity', {
    type: 'bigint',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'tokens_pkey',
  })
  id: number;

  @Column({ name: 'user_id', type: 'bigint', nullable: true })
  userId: number | null;

  @ManyToOne(() => User, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'tokens_user_id_fkey' })
  user: Relation<User | null>;

  @Column({ type: 'text' })
  digest: string;

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt: Date;

  @Column({ name: 'expires_at', type: 'timestamptz' })
  expiresAt: Date;

  @Column({ type: 'text', default: 'login' })
  kind: string;

  @Column({ type: 'text', nullable: true })
  name: string | null;

  /** The only team it is good for; null: all of its user. */
  @Column({ name: 'team_id', type: 'bigint', nullable: true })
  teamId: number | null;

  @ManyToOne(() => Team, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'team_id', foreignKeyConstraintName: 'tokens_team_id_fkey' })
  team: Relation<Team | null>;

  /** The most it may do; null: what its user may. */
  @Column({ type: 'text', nullable: true })
  role: string | null;

  /** Globs of the only pipelines it is good for. */
  @Column({ type: 'jsonb', nullable: true })
  pipelines: unknown;

  /** The only actions it is good for. */
  @Column({ type: 'jsonb', nullable: true })
  actions: unknown;

  @Column({ name: 'created_by', type: 'text', nullable: true })
  createdBy: string | null;

  @Column({ name: 'last_used_at', type: 'timestamptz', nullable: true })
  lastUsedAt: Date | null;
}
