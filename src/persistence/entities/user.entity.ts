import { Check, Column, Entity, Index, PrimaryGeneratedColumn, Unique } from 'typeorm';

/** A person who has an account here or logged in through another connector. */
@Unique('users_are_unique_at_their_connector', ['connector', 'subject'])
@Check('only_local_users_have_a_password', `password_hash is null or connector = 'local'`)
@Index('users_by_last_login', ['lastLoginAt'])
@Entity('users')
export class User {
  @PrimaryGeneratedColumn('identity', {
    type: 'bigint',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'users_pkey',
  })
  id: number;

  @Column({ type: 'text' })
  name: string;

  @Column({ name: 'password_hash', type: 'text', nullable: true })
  passwordHash: string | null;

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt: Date;

  @Column({ type: 'text', default: 'local' })
  connector: string;

  /** The connector's own name for the user; of local users the name in lower case. */
  @Column({ type: 'text' })
  subject: string;

  @Column({ type: 'text', default: '' })
  email: string;

  @Column({ type: 'jsonb', default: () => `'[]'` })
  groups: unknown;

  @Column({ name: 'from_settings', type: 'boolean', default: false })
  fromSettings: boolean;

  @Column({ name: 'last_login_at', type: 'timestamptz', nullable: true })
  lastLoginAt: Date | null;
}
