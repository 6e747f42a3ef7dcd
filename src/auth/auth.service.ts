import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { UserId } from '../model/index.js';
import {
  Db,
  deleteToken,
  findTokenUser,
  findUser,
  forgetLoginAttempts,
  hasUsers,
  insertFirstUser,
  saveToken,
  takeLoginAttempt,
} from '../persistence/index.js';
import { CLOCK, UserError, type Clock } from '../platform/index.js';
import { hashPassword, matchesPassword, randomPassword } from './password.js';
import { newToken, tokenDigest } from './token.js';

const TOKEN_LIFETIME_MS = 24 * 3_600_000;
const FIRST_USER = 'admin';
/** Checked when the name is unknown, so that the answer takes as long as for a known one. */
const NOBODYS_HASH = ['scrypt', 2 ** 15, 8, 3, 'AA==', Buffer.alloc(32).toString('base64')].join('$');
/** Hashing takes a core for 150 ms; a flood of logins must not starve everything else. */
const LONGEST_QUEUE = 20;

/** A person with an account. In this edition each is owner of team main and administrator. */
export interface User {
  readonly id: UserId;
  readonly name: string;
}

export interface IssuedToken {
  readonly token: string;
  readonly expiresInSeconds: number;
}

/** Accounts and bearer tokens. */
@Injectable()
export class AuthService {
  private hashing: Promise<unknown> = Promise.resolve();
  private queued = 0;

  constructor(
    @Inject(Db) private readonly db: Db,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /**
   * Makes user `admin` with a random password while there is no user at all.
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
   * A new token, good for 24 hours, for a right name and password.
   * @throws {@link LoginRefused} when they are wrong, {@link TooManyLogins} while guessing is slowed down.
   */
  async login(name: string, password: string): Promise<IssuedToken> {
    const key = attemptKey(name);
    const waitSeconds = await this.db.tx((tx) => takeLoginAttempt(tx, key, this.clock.now()));
    if (waitSeconds > 0) throw new TooManyLogins(waitSeconds);
    const user = await findUser(this.db, name);
    const isRight = await this.oneAtATime(() => matchesPassword(password, user?.password_hash ?? NOBODYS_HASH));
    if (!user || !isRight) throw new LoginRefused();
    const now = this.clock.now();
    const expiresAt = new Date(now.getTime() + TOKEN_LIFETIME_MS);
    const token = newToken(expiresAt);
    await this.db.tx(async (tx) => {
      await forgetLoginAttempts(tx, key);
      await saveToken(tx, user.id, tokenDigest(token), now, expiresAt);
    });
    return { token, expiresInSeconds: TOKEN_LIFETIME_MS / 1000 };
  }

  /** Whose token this is; undefined when unknown, expired or logged out. */
  async tokenUser(token: string): Promise<User | undefined> {
    return findTokenUser(this.db, tokenDigest(token), this.clock.now());
  }

  /** Ends the token at once. @returns false when it was none. */
  async logout(token: string): Promise<boolean> {
    return this.db.tx((tx) => deleteToken(tx, tokenDigest(token)));
  }

  private async oneAtATime<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.queued >= LONGEST_QUEUE) throw new TooManyLogins(1);
    this.queued++;
    const mine = this.hashing.then(work);
    this.hashing = mine.catch(() => undefined);
    return mine.finally(() => this.queued--);
  }
}

/** One of 65,536 keys per name: guessing with made-up names cannot fill the table, nor tell which names exist. */
function attemptKey(name: string): string {
  return createHash('sha256').update(name.toLowerCase()).digest('hex').slice(0, 4);
}

export class LoginRefused extends UserError {
  constructor() {
    super('login-refused', 'wrong user name or password', 401);
  }
}

export class TooManyLogins extends UserError {
  constructor(readonly retryAfterSeconds: number) {
    super('too-many-logins', `too many failed logins; try again in ${retryAfterSeconds} s`, 429, { retryAfterSeconds });
  }
}

/** No token, or one that is unknown, expired or logged out. */
export class NotAuthorized extends UserError {
  constructor() {
    super('not-authorized', 'not authorized', 401);
  }
}
