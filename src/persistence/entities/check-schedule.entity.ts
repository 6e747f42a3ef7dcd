import { Column, Entity, Index, JoinColumn, OneToOne, PrimaryColumn, type Relation } from 'typeorm';
import { Resource } from './resource.entity.js';

/** When the search for due checks looks at a resource again; triggers say "now", the search puts it off. */
@Index('checks_to_look_at', ['lookAt'])
@Entity('check_schedule')
export class CheckSchedule {
  @PrimaryColumn({ name: 'resource_id', type: 'bigint', primaryKeyConstraintName: 'check_schedule_pkey' })
  resourceId: number;

  @OneToOne(() => Resource, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'resource_id', foreignKeyConstraintName: 'check_schedule_resource_id_fkey' })
  resource: Relation<Resource>;

  @Column({ name: 'look_at', type: 'timestamptz' })
  lookAt: Date;
}
