import { Check, Column, Entity, PrimaryGeneratedColumn, Unique } from 'typeorm';

/** Whoever shares pipelines, and who may do what with them. */
@Check('team_auth_is_an_object', `jsonb_typeof(auth) = 'object'`)
@Unique('team_names_are_unique', ['name'])
@Entity('teams')
export class Team {
  @PrimaryGeneratedColumn('identity', {
    type: 'bigint',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'teams_pkey',
  })
  id: number;

  @Column({ type: 'text' })
  name: string;

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt: Date;

  /** Its owners are administrators. */
  @Column({ type: 'boolean', default: false })
  admin: boolean;

  @Column({ type: 'jsonb', default: () => `'{}'` })
  auth: unknown;
}
