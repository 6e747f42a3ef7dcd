import { Check, Column, Entity, PrimaryColumn } from 'typeorm';

/** The one row that counts changes of teams and their roles; a trigger of `teams` writes it. */
@Check('one_role_version', 'only_one')
@Entity('role_version')
export class RoleVersion {
  @PrimaryColumn({ name: 'only_one', type: 'boolean', default: true, primaryKeyConstraintName: 'role_version_pkey' })
  onlyOne: boolean;

  @Column({ type: 'bigint', default: 0 })
  version: number;
}
