import { z } from 'zod';
import { ResourceFailure } from '../../src/resources/contract.js';
import { drop, nameOf, parseJson, readBody, type HttpClient } from './http.js';

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

interface Challenge {
  /** In lower case. */
  readonly scheme: string;
  readonly params: Readonly<Record<string, string>>;
}

const tokenAnswer = z.object({ token: z.string().optional(), access_token: z.string().optional() });
const MAX_TOKEN_BYTES = 1024 * 1024;

/**
 * Answers the challenges of one registry. Credentials go only to the registry itself (Basic) or to the token server that
 * the registry names (Bearer), which must be reached over TLS unless the registry is not either.
 */
export class Authenticator {
  private answer: string | undefined;

  constructor(
    private readonly http: HttpClient,
    private readonly scope: string,
    private readonly credentials: Credentials | undefined,
  ) {}

  /** The value of the `Authorization` header as of the last challenge; undefined before the first. */
  get authorization(): string | undefined {
    return this.answer;
  }

  /**
   * Makes a new `Authorization` for a refused request.
   * @throws ResourceFailure when the registry wants what we do not have, or the token server refuses.
   */
  async meet(header: string | undefined, registry: URL): Promise<void> {
    const challenges = parseChallenges(header ?? '');
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
    if (bearer !== undefined) {
      this.answer = `Bearer ${await this.http.unbroken(() => this.fetchToken(bearer, registry))}`;
      return;
    }
    if (!challenges.some(({ scheme }) => scheme === 'basic')) {
      throw new ResourceFailure(`${registry.host} wants an authentication that is not supported`);
    }
    if (this.credentials === undefined) {
      throw new ResourceFailure(`${registry.host} wants credentials: set username and password`);
    }
    this.answer = basic(this.credentials);
  }

  private async fetchToken({ params }: Challenge, registry: URL): Promise<string> {
    const realm = params['realm'] ?? '';
    const url = URL.canParse(realm) ? new URL(realm) : undefined;
    if (
      url === undefined ||
      !(url.protocol === 'https:' || (url.protocol === 'http:' && registry.protocol === 'http:'))
    ) {
      throw new ResourceFailure(`${registry.host} names a token server that is not secured`);
    }
    url.username = url.password = '';
    if (params['service'] !== undefined) url.searchParams.set('service', params['service']);
    url.searchParams.set('scope', this.scope);
    const answer = await this.http.follow(
      { method: 'GET', url, ...(this.credentials && { headers: { authorization: basic(this.credentials) } }) },
      ['authorization'],
    );
    if (answer.status !== 200) {
      drop(answer);
      const who = this.credentials === undefined ? 'anonymous access' : `user ${this.credentials.username}`;
      throw new ResourceFailure(`${nameOf(url)} refuses ${who} (${answer.status})`);
    }
    const found = tokenAnswer.safeParse(parseJson(await readBody(answer, MAX_TOKEN_BYTES, 'the token')));
    const token = found.data?.token ?? found.data?.access_token;
    if (token === undefined || !/^[\x21-\x7e]+$/.test(token))
      throw new ResourceFailure(`${nameOf(url)} gives no token`);
    return token;
  }
}

/** The challenges of a `WWW-Authenticate` header, which may hold several. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: { scheme: string; params: Record<string, string> }[] = [];
  const parts = /([!#$%&'*+.^`|~\w-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))|(?=\s|,|$))/g;
  for (const [, name = '', quoted, plain] of header.matchAll(parts)) {
    const value = quoted?.replaceAll(/\\(.)/g, '$1') ?? plain;
    if (value === undefined) challenges.push({ scheme: name.toLowerCase(), params: {} });
    else Object.assign(challenges.at(-1)?.params ?? {}, { [name.toLowerCase()]: value });
  }
  return challenges;
}

function basic({ username, password }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}
