import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A login that was sent on to a provider and has not come back yet. */
@Entity('login_flows')
export class LoginFlow {
  @PrimaryColumn({ name: 'state_digest', type: 'text', primaryKeyConstraintName: 'login_flows_pkey' })
  stateDigest: string;

  @Column({ type: 'text' })
  connector: string;

  @Column({ name: 'redirect_path', type: 'text' })
  redirectPath: string;

  /** What the connector must remember until the return. */
  @Column({ type: 'jsonb', default: () => `'{}'` })
  secret: unknown;

  @Column({ name: 'expires_at', type: 'timestamptz' })
  expiresAt: Date;
}
