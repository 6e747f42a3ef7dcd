import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, Unique, type Relation } from 'typeorm';
import { Build } from './build.entity.js';
import { RuntimeRow } from './runtime.entity.js';

/** A step that waits for a slot of a runtime, or has one. Gone when the step or its build has ended. */
@Unique('a_slot_is_taken_once', ['runtimeId', 'slot'])
@Check('a_taken_slot_has_a_time', `((slot IS NULL) = (taken_at IS NULL))`)
@Check('a_step_has_a_runtime_or_a_reason', `((runtime_id IS NULL) = (no_runtime_because IS NOT NULL))`)
@Check('a_slot_is_of_a_runtime', `((slot IS NULL) OR (runtime_id IS NOT NULL))`)
@Index('steps_that_wait_for_a_slot', ['runtimeId', 'buildId', 'askedAt'], { where: '(slot IS NULL)' })
@Entity('step_slots')
export class StepSlot {
  @PrimaryColumn({ name: 'build_id', type: 'bigint', primaryKeyConstraintName: 'step_slots_pkey' })
  buildId: number;

  @ManyToOne(() => Build, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'build_id', foreignKeyConstraintName: 'step_slots_build_id_fkey' })
  build: Relation<Build>;

  @PrimaryColumn({ name: 'step_id', type: 'text', primaryKeyConstraintName: 'step_slots_pkey' })
  stepId: string;

  @Column({ name: 'runtime_id', type: 'bigint', nullable: true })
  runtimeId: number | null;

  @ManyToOne(() => RuntimeRow, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'runtime_id', foreignKeyConstraintName: 'step_slots_runtime_id_fkey' })
  runtime: Relation<RuntimeRow | null>;

  /** Why no runtime can take the step, in words. */
  @Column({ name: 'no_runtime_because', type: 'text', nullable: true })
  noRuntimeBecause: string | null;

  /** From 1. */
  @Column({ type: 'integer', nullable: true })
  slot: number | null;

  @Column({ name: 'asked_at', type: 'timestamptz', default: () => 'now()' })
  askedAt: Date;

  @Column({ name: 'taken_at', type: 'timestamptz', nullable: true })
  takenAt: Date | null;

  /** Ids of the task caches that the step uses, of which some may have been cleared. */
  @Column({ type: 'bigint', array: true, default: () => "'{}'" })
  caches: number[];
}
