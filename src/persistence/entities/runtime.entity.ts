import { Check, Column, Entity, PrimaryGeneratedColumn, Unique } from 'typeorm';

/** A place where steps of one server run, as that server last saw it. */
@Unique('runtime_names_are_unique_on_a_server', ['instance', 'name'])
@Check('a_runtime_has_slots', `(slots > 0)`)
@Check('an_unreachable_runtime_says_why', `((unreachable_since IS NULL) = (reason IS NULL))`)
@Entity('runtimes')
export class RuntimeRow {
  @PrimaryGeneratedColumn('identity', {
    type: 'bigint',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'runtimes_pkey',
  })
  id: number;

  @Column({ type: 'text' })
  instance: string;

  @Column({ type: 'text' })
  name: string;

  @Column({ type: 'text' })
  kind: string;

  @Column({ type: 'text', array: true })
  tags: string[];

  @Column({ type: 'integer' })
  slots: number;

  @Column({ type: 'jsonb' })
  capabilities: unknown;

  @Column({ name: 'unreachable_since', type: 'timestamptz', nullable: true })
  unreachableSince: Date | null;

  @Column({ type: 'text', nullable: true })
  reason: string | null;

  @Column({ name: 'started_at', type: 'timestamptz', default: () => 'now()' })
  startedAt: Date;

  @Column({ name: 'seen_at', type: 'timestamptz', default: () => 'now()' })
  seenAt: Date;

  /** Takes no more steps until its server starts again. */
  @Column({ type: 'boolean', default: false })
  landing: boolean;

  @Column({ name: 'server_seen_at', type: 'timestamptz', default: () => 'now()' })
  serverSeenAt: Date;
}
