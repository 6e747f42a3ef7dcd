import { Check, Column, Entity, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from 'typeorm';
import { Resource } from './resource.entity.js';

/** The only version of a resource that may be used. */
@Check('pins_origin_check', `(origin = ANY (ARRAY['config'::text, 'api'::text]))`)
@Entity('pins')
export class Pin {
  @PrimaryColumn({ name: 'resource_id', type: 'bigint', primaryKeyConstraintName: 'pins_pkey' })
  resourceId: number;

  @ManyToOne(() => Resource, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'resource_id', foreignKeyConstraintName: 'pins_resource_id_fkey' })
  resource: Relation<Resource>;

  @Column({ type: 'jsonb' })
  version: unknown;

  @Column({ type: 'text' })
  origin: string;

  @Column({ type: 'text', default: '' })
  comment: string;

  @Column({ name: 'pinned_by', type: 'text', nullable: true })
  pinnedBy: string | null;

  @Column({ name: 'pinned_at', type: 'timestamptz', default: () => 'now()' })
  pinnedAt: Date;
}
