import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import {
  Db,
  deleteToken,
  findToken,
  forgetLoginAttempts,
  hasUsers,
  insertFirstUser,
  readRoles,
  recordAudit,
  recordLogin,
  saveToken,
  takeLoginAttempt,
  touchToken,
  type TeamRow,
  type TokenRow,
} from '../persistence/index.js';
import { CLOCK, type Clock } from '../platform/index.js';
import { Access, type Identity } from './access.js';
import { CONNECTORS, type Connector } from './connector.js';
import { hashPassword, randomPassword } from './password.js';
import { LoginRefused, TooManyLogins } from './refusals.js';
import { RolePolicy } from './role-policy.js';
import { newToken, tokenDigest } from './token.js';

const TOKEN_LIFETIME_MS = 24 * 3_600_000;
const FIRST_USER = 'admin';
/** The last use of a token is noted at most this often. */
const NOTE_USE_EVERY_MS = 60_000;

export interface IssuedToken {
  readonly token: string;
  readonly expiresInSeconds: number;
}

/** Where a request comes from, for the record. */
export interface Origin {
  readonly remoteAddress?: string | undefined;
  readonly requestId?: string | undefined;
}

/** Logging in and out, and who somebody is by their token. */
@Injectable()
export class AuthService {
  private roles: { readonly version: number; readonly teams: readonly TeamRow[] } | undefined;

  constructor(
    @Inject(Db) private readonly db: Db,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(CONNECTORS) private readonly connectors: readonly Connector[],
    @Inject(RolePolicy) private readonly policy: RolePolicy,
  ) {}

  /**
   * Makes user `admin` with a random password while there is no local user at all.
   * @returns the login, which cannot be shown again, or undefined when there are users.
   */
  async createFirstUser(): Promise<{ readonly name: string; readonly password: string } | undefined> {
    if (await hasUsers(this.db)) return undefined;
    const password = randomPassword();
    const hash = await hashPassword(password);
    const created = await this.db.tx((tx) => insertFirstUser(tx, FIRST_USER, hash));
    return created ? { name: FIRST_USER, password } : undefined;
  }

  /**
   * A new token, good for 24 hours, for a name and password that are right at one of the connectors.
   * @throws {@link LoginRefused} when they are wrong, {@link TooManyLogins} while guessing is slowed down.
   */
  async login(name: string, password: string, origin: Origin = {}): Promise<IssuedToken> {
    const key = attemptKey(name);
    const waitSeconds = await this.db.tx((tx) => takeLoginAttempt(tx, key, this.clock.now()));
    if (waitSeconds > 0) throw new TooManyLogins(waitSeconds);
    const identity = await this.identify(name, password);
    if (!identity) throw new LoginRefused();
    return this.issue(identity, origin, key);
  }

  /** A new token, good for 24 hours, for somebody whom a connector knows. */
  async issue(identity: Identity, origin: Origin = {}, attempts?: string): Promise<IssuedToken> {
    const now = this.clock.now();
    const expiresAt = new Date(now.getTime() + TOKEN_LIFETIME_MS);
    const token = newToken(expiresAt);
    await this.db.tx(async (tx) => {
      if (attempts !== undefined) await forgetLoginAttempts(tx, attempts);
      const userId = await recordLogin(tx, identity, now);
      const tokenId = await saveToken(tx, userId, tokenDigest(token), now, expiresAt);
      const { name, connector } = identity;
      await recordAudit(
        tx,
        { ...origin, action: 'LogIn', userName: name, connector, tokenId, tokenKind: 'login' },
        now,
      );
    });
    return { token, expiresInSeconds: TOKEN_LIFETIME_MS / 1000 };
  }

  /** Whoever has this token, with what they may do now; undefined when it is unknown, expired or logged out. */
  async access(token: string): Promise<Access | undefined> {
    const now = this.clock.now();
    const found = await findToken(this.db, tokenDigest(token), now);
    if (!found) return undefined;
    if (found.token.kind !== 'login') await this.noteUse(found.token, now);
    return new Access(found.token, await this.teamsAt(found.roleVersion), this.policy);
  }

  /** All teams with their roles, read again only when the database says that they have changed. */
  private async teamsAt(version: number): Promise<readonly TeamRow[]> {
    if (this.roles?.version === version) return this.roles.teams;
    const roles = await readRoles(this.db);
    this.roles = roles;
    return roles.teams;
  }

  /** Whoever has no token. */
  nobody(): Access {
    return new Access(undefined, [], this.policy);
  }

  /** Ends the token at once. @returns false when it was none. */
  async logout(token: string): Promise<boolean> {
    return this.db.tx((tx) => deleteToken(tx, tokenDigest(token)));
  }

  private async identify(name: string, password: string): Promise<Identity | undefined> {
    for (const connector of this.connectors) {
      const identity = await connector.password?.check(name, password);
      if (identity) return identity;
    }
    return undefined;
  }

  private async noteUse({ id, lastUsedAt }: TokenRow, now: Date): Promise<void> {
    const noted = new Date(now.getTime() - NOTE_USE_EVERY_MS);
    if (lastUsedAt === null || lastUsedAt < noted) await this.db.tx((tx) => touchToken(tx, id, now, noted));
  }
}

/** One of 65,536 keys per name: guessing with made-up names cannot fill the table, nor tell which names exist. */
function attemptKey(name: string): string {
  return createHash('sha256').update(name.toLowerCase()).digest('hex').slice(0, 4);
}
