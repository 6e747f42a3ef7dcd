import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from 'typeorm';
import { Build } from './build.entity.js';

/** The journal: one row per step that began. */
@Check('a_finished_step_has_an_end', `((outcome IS NULL) = (ended_at IS NULL))`)
@Check(
  'build_steps_outcome_check',
  `(outcome = ANY (ARRAY['succeeded'::text, 'failed'::text, 'errored'::text, 'aborted'::text, 'skipped'::text]))`,
)
@Index('build_steps_by_handle', ['handle'], { where: '(handle IS NOT NULL)' })
@Entity('build_steps')
export class BuildStep {
  @PrimaryColumn({ name: 'build_id', type: 'bigint', primaryKeyConstraintName: 'build_steps_pkey' })
  buildId: number;

  @ManyToOne(() => Build, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'build_id', foreignKeyConstraintName: 'build_steps_build_id_fkey' })
  build: Relation<Build>;

  @PrimaryColumn({ name: 'step_id', type: 'text', primaryKeyConstraintName: 'build_steps_pkey' })
  stepId: string;

  @Column({ type: 'text', nullable: true })
  handle: string | null;

  /** The server on whose runtime the step was begun. */
  @Column({ type: 'text', nullable: true })
  instance: string | null;

  @Column({ type: 'text', nullable: true })
  outcome: string | null;

  @Column({ type: 'jsonb', nullable: true })
  result: unknown;

  @Column({ name: 'log_cursor', type: 'text', nullable: true })
  logCursor: string | null;

  @Column({ name: 'started_at', type: 'timestamptz', default: () => 'now()' })
  startedAt: Date;

  @Column({ name: 'deadline_at', type: 'timestamptz', nullable: true })
  deadlineAt: Date | null;

  @Column({ name: 'ended_at', type: 'timestamptz', nullable: true })
  endedAt: Date | null;

  /** Of a step that has a process, so that people can find its container: what it is and is called. */
  @Column({ type: 'text', nullable: true })
  kind: string | null;

  @Column({ type: 'text', nullable: true })
  name: string | null;

  /** `1`, or `1.2` in a retry within a retry. */
  @Column({ type: 'text', nullable: true })
  attempt: string | null;
}
