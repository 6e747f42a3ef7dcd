import { createHash, randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { Db, insertLoginFlow, takeLoginFlow } from '../persistence/index.js';
import { CLOCK, NotFoundError, UserError, type Clock } from '../platform/index.js';
import { AuthService, type IssuedToken, type Origin } from './auth.service.js';
import { CONNECTORS, type BrowserLogin, type Connector } from './connector.js';
import { localPath } from './redirect.js';
import { isSameText } from './session.js';

const FLOW_LIFETIME_MS = 3_600_000;

/** Logins at a provider's page: from the click, away, and back. */
@Injectable()
export class BrowserLogins {
  constructor(
    @Inject(Db) private readonly db: Db,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(AuthService) private readonly auth: AuthService,
    @Inject(CONNECTORS) private readonly connectors: readonly Connector[],
  ) {}

  /** Those that have a page of their own to log in. */
  get providers(): readonly Connector[] {
    return this.connectors.filter(({ browser }) => browser);
  }

  /**
   * @returns where to send the browser, and the state that it must keep in a cookie until it comes back.
   * @throws NotFoundError
   */
  async begin(id: string, redirect: string | undefined, callbackUrl: string): Promise<{ url: string; state: string }> {
    const state = randomBytes(32).toString('base64url');
    const { url, secret } = await this.loginAt(id).begin({ callbackUrl, state });
    const flow = { connector: id, redirectPath: localPath(redirect), secret };
    const now = this.clock.now();
    const until = new Date(now.getTime() + FLOW_LIFETIME_MS);
    await this.db.tx((tx) => insertLoginFlow(tx, digestOf(state), flow, now, until));
    return { url, state };
  }

  /**
   * @param kept the state of the browser's cookie: who did not begin the login cannot end it.
   * @throws UserError `login-flow-over` when it was ended before, is too old or is another browser's.
   */
  async finish(
    query: Readonly<Record<string, string>>,
    kept: string | undefined,
    callbackUrl: string,
    origin: Origin,
  ): Promise<{ issued: IssuedToken; redirectPath: string }> {
    const { state = '' } = query;
    const isOwn = kept !== undefined && isSameText(state, kept);
    const flow = isOwn ? await this.db.tx((tx) => takeLoginFlow(tx, digestOf(state), this.clock.now())) : undefined;
    if (!flow) throw new UserError('login-flow-over', 'this login is over or was begun elsewhere; log in again');
    const identity = await this.loginAt(flow.connector).finish({ callbackUrl, state, query, secret: flow.secret });
    return { issued: await this.auth.issue(identity, origin), redirectPath: flow.redirectPath };
  }

  private loginAt(id: string): BrowserLogin {
    const login = this.connectors.find((connector) => connector.id === id)?.browser;
    if (!login) throw new NotFoundError(`one cannot log in at "${id.slice(0, 50)}" here`);
    return login;
  }
}

function digestOf(state: string): string {
  return createHash('sha256').update(state).digest('hex');
}
