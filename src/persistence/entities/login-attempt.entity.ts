import { Column, Entity, PrimaryColumn } from 'typeorm';

/** Failed logins of late, by which guessing is slowed down. */
@Entity('login_attempts')
export class LoginAttempt {
  @PrimaryColumn({ type: 'text', primaryKeyConstraintName: 'login_attempts_pkey' })
  key: string;

  @Column({ type: 'integer' })
  failures: number;

  @Column({ name: 'failed_at', type: 'timestamptz' })
  failedAt: Date;

  @Column({ name: 'not_before', type: 'timestamptz' })
  notBefore: Date;
}
