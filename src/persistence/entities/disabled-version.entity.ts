import { Column, Entity, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from 'typeorm';
import { Resource } from './resource.entity.js';

/** A version that no build of the pipeline may use. Names a digest, so it survives a new history. */
@Entity('disabled_versions')
export class DisabledVersion {
  @PrimaryColumn({ name: 'resource_id', type: 'bigint', primaryKeyConstraintName: 'disabled_versions_pkey' })
  resourceId: number;

  @ManyToOne(() => Resource, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'resource_id', foreignKeyConstraintName: 'disabled_versions_resource_id_fkey' })
  resource: Relation<Resource>;

  @PrimaryColumn({ type: 'text', primaryKeyConstraintName: 'disabled_versions_pkey' })
  digest: string;

  @Column({ name: 'disabled_by', type: 'text', nullable: true })
  disabledBy: string | null;

  @Column({ name: 'disabled_at', type: 'timestamptz', default: () => 'now()' })
  disabledAt: Date;

  @Column({ type: 'text', nullable: true })
  reason: string | null;
}
