import { Check, Column, Entity, PrimaryColumn } from 'typeorm';

/** The message for everybody; at most one row. */
@Check('there_is_one_wall', 'id')
@Check('a_wall_says_something', `(message <> ''::text)`)
@Entity('wall')
export class Wall {
  @PrimaryColumn({ type: 'boolean', default: true, primaryKeyConstraintName: 'wall_pkey' })
  id: boolean;

  @Column({ type: 'text' })
  message: string;

  @Column({ name: 'expires_at', type: 'timestamptz', nullable: true })
  expiresAt: Date | null;
}
