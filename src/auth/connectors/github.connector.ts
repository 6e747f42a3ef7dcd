import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { AccountSettings } from '../../platform/index.js';
import type { Identity } from '../access.js';
import type { BegunLogin, BrowserLogin, Connector } from '../connector.js';
import { PROVIDER_TIMEOUT_MS, ProviderRefused, ProviderUnavailable } from './provider-failure.js';

const PROVIDER = 'GitHub';
const PAGE = 100;
/** Nobody is in so many teams; a server that never ends its list must not hold us. */
const MOST_PAGES = 50;

const tokenAnswer = z.object({ access_token: z.string().optional(), error: z.string().optional() });
const userAnswer = z.object({ id: z.int(), login: z.string().min(1), email: z.string().nullish() });
const orgsAnswer = z.array(z.object({ login: z.string() }));
const teamsAnswer = z.array(z.object({ slug: z.string(), organization: z.object({ login: z.string() }) }));

/**
 * Users of GitHub or of an Enterprise server. Their groups are `org` for each organisation and `org:team` for each team, by its
 * slug. A user is named by login, and by the number that stays theirs when they take another login.
 */
export class GithubConnector implements Connector {
  readonly id = 'github';
  readonly title = `Log in with ${PROVIDER}`;
  readonly browser: BrowserLogin = {
    begin: (request) => this.begin(request),
    finish: (request) => this.finish(request),
  };
  private readonly api: string;

  constructor(private readonly settings: AccountSettings) {
    const { githubHost } = settings;
    this.api = githubHost === 'https://github.com' ? 'https://api.github.com' : `${githubHost}/api/v3`;
  }

  private async begin({ callbackUrl, state }: { callbackUrl: string; state: string }): Promise<BegunLogin> {
    const verifier = randomBytes(32).toString('base64url');
    const url = new URL(`${this.settings.githubHost}/login/oauth/authorize`);
    url.search = new URLSearchParams({
      client_id: this.settings.githubClientId,
      redirect_uri: callbackUrl,
      scope: 'read:org',
      state,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    }).toString();
    return { url: url.href, secret: { verifier } };
  }

  private async finish({ callbackUrl, query, secret }: Parameters<BrowserLogin['finish']>[0]): Promise<Identity> {
    if (!query.code) throw new ProviderRefused(PROVIDER, query.error ?? 'no code came back');
    try {
      const token = await this.exchange(query.code, callbackUrl, secret.verifier as string);
      const { id, login, email } = userAnswer.parse(await this.read('/user', token));
      const orgs = await this.readAll('/user/orgs', token, orgsAnswer);
      const teams = await this.readAll('/user/teams', token, teamsAnswer);
      return {
        connector: this.id,
        subject: String(id),
        name: login,
        email: email ?? '',
        groups: [
          ...new Set([...orgs.map((org) => org.login), ...teams.map((t) => `${t.organization.login}:${t.slug}`)]),
        ],
      };
    } catch (error) {
      if (error instanceof ProviderRefused) throw error;
      throw new ProviderUnavailable(PROVIDER, error);
    }
  }

  private async exchange(code: string, callbackUrl: string, verifier: string): Promise<string> {
    const { githubHost, githubClientId, githubClientSecret } = this.settings;
    const answer = await fetch(`${githubHost}/login/oauth/access_token`, {
      method: 'POST',
      headers: { accept: 'application/json' },
      body: new URLSearchParams({
        client_id: githubClientId,
        client_secret: githubClientSecret,
        redirect_uri: callbackUrl,
        code_verifier: verifier,
        code,
      }),
      redirect: 'error',
      signal: AbortSignal.timeout(PROVIDER_TIMEOUT_MS),
    });
    // It refuses with status 200.
    const { access_token: token, error } = tokenAnswer.parse(await jsonOf(answer));
    if (!token) throw new ProviderRefused(PROVIDER, error ?? 'it gave no token');
    return token;
  }

  private async readAll<Row>(path: string, token: string, schema: z.ZodType<Row[]>): Promise<Row[]> {
    const rows: Row[] = [];
    for (let page = 1; page <= MOST_PAGES; page++) {
      const some = schema.parse(await this.read(`${path}?per_page=${PAGE}&page=${page}`, token));
      rows.push(...some);
      if (some.length < PAGE) break;
    }
    return rows;
  }

  private async read(path: string, token: string): Promise<unknown> {
    const headers = { authorization: `Bearer ${token}`, accept: 'application/vnd.github+json', 'user-agent': 'weir' };
    const signal = AbortSignal.timeout(PROVIDER_TIMEOUT_MS);
    return jsonOf(await fetch(this.api + path, { headers, redirect: 'error', signal }));
  }
}

async function jsonOf(answer: Response): Promise<unknown> {
  if (!answer.ok) throw new Error(`${new URL(answer.url).pathname} answered ${answer.status}`);
  return answer.json();
}
