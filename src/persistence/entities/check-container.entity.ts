import { Column, Entity, JoinColumn, ManyToOne, PrimaryColumn, Unique, type Relation } from 'typeorm';
import { Resource } from './resource.entity.js';

/** A container in which one server checks one resource, with what the check before has left there. */
@Unique('check_containers_are_unique', ['handle'])
@Entity('check_containers')
export class CheckContainer {
  @PrimaryColumn({ name: 'resource_id', type: 'bigint', primaryKeyConstraintName: 'check_containers_pkey' })
  resourceId: number;

  @ManyToOne(() => Resource, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'resource_id', foreignKeyConstraintName: 'check_containers_resource_id_fkey' })
  resource: Relation<Resource>;

  @PrimaryColumn({ type: 'text', primaryKeyConstraintName: 'check_containers_pkey' })
  instance: string;

  @Column({ type: 'text' })
  handle: string;

  @Column({ type: 'text' })
  digest: string;

  @Column({ type: 'bigint', nullable: true })
  epoch: number | null;

  @Column({ name: 'used_at', type: 'timestamptz', default: () => 'now()' })
  usedAt: Date;
}
