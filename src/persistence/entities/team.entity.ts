import { Column, Entity, PrimaryGeneratedColumn, Unique } from 'typeorm';

/** Whoever shares pipelines. */
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
}
