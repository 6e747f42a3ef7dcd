import { Inject, Injectable } from '@nestjs/common';
import { didYouMean, type Role, type TokenId } from '../model/index.js';
import {
  Db,
  deleteLastingToken,
  insertLastingToken,
  lastingTokens,
  recordAudit,
  type LastingTokenRow,
  type TokenOwners,
} from '../persistence/index.js';
import { CLOCK, ConflictError, NotFoundError, UserError, type Clock } from '../platform/index.js';
import type { Access } from './access.js';
import { auditOf, type Doer } from './doer.js';
import { Forbidden } from './refusals.js';
import { actionNames, isAction } from './role-policy.js';
import { newToken, tokenDigest } from './token.js';

/** What a new token shall be. */
export interface TokenRequest {
  readonly name: string;
  /** Belongs to the team instead of its maker, and lives on when they go. */
  readonly isRobot: boolean;
  /** The only team; robots need one. */
  readonly team?: string | undefined;
  /** The most it may do; of robots the role they have. */
  readonly role?: Role | undefined;
  /** Globs of the only pipelines. */
  readonly pipelines?: readonly string[] | undefined;
  /** The only actions. */
  readonly actions?: readonly string[] | undefined;
  readonly lifetimeSeconds: number;
}

/** Tokens that last: personal ones, which act for their user, and robots, which belong to a team. */
@Injectable()
export class TokensService {
  constructor(
    @Inject(Db) private readonly db: Db,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** The caller's own, and the robots of teams they own. */
  async list(access: Access): Promise<LastingTokenRow[]> {
    return lastingTokens(this.db, ownersOf(access));
  }

  /**
   * Makes a token and shows it this once.
   * @throws Forbidden for callers that are tokens of this kind themselves, for robots of teams they do not own;
   * UserError `unknown-action`; ConflictError `name-taken`.
   */
  async create(request: TokenRequest, doer: Doer): Promise<{ readonly token: string; readonly row: LastingTokenRow }> {
    const { access } = doer;
    if (access.token?.kind !== 'login') throw new Forbidden('forbidden: a token cannot make tokens; log in');
    const unknown = request.actions?.find((action) => !isAction(action));
    if (unknown !== undefined)
      throw new UserError('unknown-action', `there is no action "${unknown}"${didYouMean(unknown, actionNames())}`);
    const team = request.team === undefined ? undefined : access.visibleTeams.find(({ name }) => name === request.team);
    if (request.team !== undefined && !team)
      throw new Forbidden(`forbidden: you have no role in team "${request.team}"`);
    if (request.isRobot) demandRobotRights(access, request);
    const now = this.clock.now();
    const expiresAt = new Date(now.getTime() + request.lifetimeSeconds * 1000);
    const token = newToken(expiresAt);
    const limits = {
      role: request.role ?? null,
      pipelines: request.pipelines ?? null,
      actions: request.actions ?? null,
    };
    const kind = request.isRobot ? ('robot' as const) : ('personal' as const);
    const row = await this.db.tx(async (tx) => {
      const owner = { userId: request.isRobot ? null : (access.token?.user?.id ?? null), teamId: team?.id ?? null };
      const facts = { kind, name: request.name, createdBy: access.name, ...owner, ...limits };
      const id = await insertLastingToken(tx, facts, tokenDigest(token), now, expiresAt);
      if (id === undefined) throw new ConflictError('name-taken', `there is a token "${request.name}" already`);
      const after = { kind, name: request.name, ...limits, expires_at: expiresAt.toISOString() };
      await recordAudit(
        tx,
        { ...auditOf(doer), action: 'CreateToken', team: team?.name, target: `tokens/${id}`, after },
        now,
      );
      const shown = { kind, name: request.name, teamName: team?.name ?? null, createdBy: access.name, ...limits };
      return { id, ...shown, createdAt: now, expiresAt, lastUsedAt: null };
    });
    return { token, row };
  }

  /** Ends the token at once. @throws NotFoundError when the caller has none of that id. */
  async revoke(id: TokenId, doer: Doer): Promise<void> {
    if (doer.access.token?.kind !== 'login') throw new Forbidden('forbidden: a token cannot end tokens; log in');
    await this.db.tx(async (tx) => {
      const gone = await deleteLastingToken(tx, ownersOf(doer.access), id);
      if (!gone) throw new NotFoundError(`you have no token ${id}`);
      const entry = { action: 'RevokeToken', target: `tokens/${id}`, before: { ...gone } };
      await recordAudit(tx, { ...auditOf(doer), ...entry }, this.clock.now());
    });
  }
}

function demandRobotRights(access: Access, { team, role }: TokenRequest): void {
  if (team === undefined || role === undefined)
    throw new UserError('invalid-request', 'a robot needs a team and a role in it');
  if (!access.holds(team, 'owner')) throw new Forbidden(`forbidden: only owners of team "${team}" may make its robots`);
}

function ownersOf(access: Access): TokenOwners {
  if (access.token?.kind !== 'login') return { userId: access.token?.user?.id ?? null, teamIds: [] };
  const owned = access.visibleTeams.filter(({ name }) => access.holds(name, 'owner'));
  return { userId: access.token.user?.id ?? null, teamIds: owned.map(({ id }) => id) };
}
