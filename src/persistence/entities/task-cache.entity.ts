import { Column, Entity, JoinColumn, ManyToOne, PrimaryGeneratedColumn, Unique, type Relation } from 'typeorm';
import { Job } from './job.entity.js';

/** A folder that the tasks of one name in one job find as the one before left it. */
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
}
