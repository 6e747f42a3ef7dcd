import type { AuditRecord } from '../persistence/index.js';
import type { Access } from './access.js';
import type { Origin } from './auth.service.js';

/** Whoever changes something, from where and why: for the record. */
export interface Doer extends Origin {
  readonly access: Access;
  readonly reason?: string | undefined;
}

/** The part of an audit record that tells who did it. */
export function auditOf({ access, remoteAddress, requestId, reason }: Doer): Omit<AuditRecord, 'action'> {
  const { token } = access;
  return {
    userName: token ? access.name : undefined,
    connector: token && (token.user?.connector ?? 'robot'),
    tokenId: token?.id,
    tokenKind: token?.kind,
    remoteAddress,
    requestId,
    reason,
  };
}
