import { Inject, Injectable } from '@nestjs/common';
import type { JsonObject } from '../model/index.js';
import { Db, findLocalUser } from '../persistence/index.js';
import type { Identity } from './access.js';
import { NOBODYS_HASH, PasswordQueue } from './password-queue.js';

/**
 * A way to know who somebody is: `local`, or a provider elsewhere. Its id stands before the colon of users and groups in a
 * team's roles. It has one of the two ways to log in, or both.
 */
export interface Connector {
  /** Lower case letters, digits and dashes. */
  readonly id: string;
  /** For the button of the login page. */
  readonly title: string;
  readonly password?: PasswordLogin;
  readonly browser?: BrowserLogin;
}

export interface PasswordLogin {
  /** @returns undefined for a wrong password and for an unknown name, after the same time. */
  check(name: string, password: string): Promise<Identity | undefined>;
}

/** Logging in at a provider's own page, as OAuth does. */
export interface BrowserLogin {
  /**
   * Where to send the browser.
   * @param state must come back unchanged; it is good once, for an hour, in that browser.
   */
  begin(request: { readonly callbackUrl: string; readonly state: string }): Promise<BegunLogin>;
  /**
   * Who came back.
   * @param query what the provider added to the address, `code` or `error` among it.
   * @throws UserError when the provider refused.
   */
  finish(request: {
    readonly callbackUrl: string;
    readonly state: string;
    readonly query: Readonly<Record<string, string>>;
    readonly secret: JsonObject;
  }): Promise<Identity>;
}

export interface BegunLogin {
  readonly url: string;
  /** Kept until the return and never shown: the verifier of PKCE, a nonce. */
  readonly secret: JsonObject;
}

/** Every connector of this server, in the order of the login page. */
export const CONNECTORS = Symbol('connectors');

/** Users with a password of ours. */
@Injectable()
export class LocalConnector implements Connector {
  readonly id = 'local';
  readonly title = 'Log in';
  readonly password: PasswordLogin = { check: (name, password) => this.check(name, password) };

  constructor(
    @Inject(Db) private readonly db: Db,
    @Inject(PasswordQueue) private readonly passwords: PasswordQueue,
  ) {}

  private async check(name: string, password: string): Promise<Identity | undefined> {
    const user = await findLocalUser(this.db, name);
    // An unknown name costs the same time as a wrong password.
    const isRight = await this.passwords.matches(password, user?.passwordHash ?? NOBODYS_HASH);
    return user?.passwordHash && isRight ? user : undefined;
  }
}
