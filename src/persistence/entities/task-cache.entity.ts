import { Check, Column, Entity, JoinColumn, ManyToOne, PrimaryGeneratedColumn, Unique, type Relation } from 'typeorm';
import { Job } from './job.entity.js';

/** A folder that the tasks of one name in one job find as the one before left it. */
@Check('caches_live_a_second', `(ttl_ms >= 1000)`)
@Unique('task_caches_are_unique', ['jobId', 'stepName', 'path'])
@Entity('task_caches')
export class TaskCache {
  @PrimaryGeneratedColumn('identity', {
    type: 'bigint',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'task_caches_pkey',
  })
  id: number;

  @Column({ name: 'job_id', type: 'bigint' })
  jobId: number;

  @ManyToOne(() => Job, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'job_id', foreignKeyConstraintName: 'task_caches_job_id_fkey' })
  job: Relation<Job>;

  @Column({ name: 'step_name', type: 'text' })
  stepName: string;

  @Column({ type: 'text' })
  path: string;

  /** How long after its last use it ends; null: never. */
  @Column({ name: 'ttl_ms', type: 'bigint', nullable: true })
  ttlMs: number | null;

  /** When a step asked for it, or was over that had it, whichever was last. */
  @Column({ name: 'used_at', type: 'timestamptz', default: () => 'now()' })
  usedAt: Date;
}
