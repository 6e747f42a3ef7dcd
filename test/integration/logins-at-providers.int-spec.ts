import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AuthService } from '../../src/auth/index.js';
import { ApiServer } from '../support/api-server.js';
import { Browser } from '../support/browser.js';
import { HttpDouble, type Answer, type SeenRequest } from '../support/http-double.js';
import { hasLdap, LdapServer } from '../support/ldap-server.js';
import { OidcIssuer } from '../support/oidc-issuer.js';

const HOME = 'https://ci.example/weir';
const CALLBACK = `${HOME}/sky/callback`;

const json = (body: unknown): Answer => ({
  body: JSON.stringify(body),
  headers: { 'content-type': 'application/json' },
});
/** A hundred organisations on the first page, one on the second: it asks on. */
const ORGS = Array.from({ length: 101 }, (_, number) => ({ login: number === 100 ? 'Acme' : `org-${number}` }));

/** GitHub's endpoints as far as a login needs them: of an Enterprise server, as that is another host. */
function github({ method, path, query, body, headers }: SeenRequest): Answer {
  const form = new URLSearchParams(body.toString());
  if (method === 'POST' && path === '/login/oauth/access_token') {
    const isOurs = form.get('client_id') === 'gh-id' && form.get('client_secret') === 'gh-secret';
    const isGood = form.get('code') === 'good' && /^[\w-]{43}$/.test(form.get('code_verifier') ?? '');
    return json(
      isOurs && isGood ? { access_token: 'gho_1', token_type: 'bearer' } : { error: 'bad_verification_code' },
    );
  }
  if (headers.authorization !== 'Bearer gho_1') return { status: 401 };
  const page = Number(query.get('page') ?? 1);
  if (path === '/api/v3/user') return json({ id: 583, login: 'Octo', email: null });
  if (path === '/api/v3/user/orgs') return json(ORGS.slice((page - 1) * 100, page * 100));
  if (path === '/api/v3/user/teams')
    return json([{ slug: 'the-core', name: 'The Core', organization: { login: 'Acme' } }]);
  return { status: 404 };
}

let server: ApiServer;
let issuer: OidcIssuer;
let hub: HttpDouble;
const isLdapHere = hasLdap();
let ldap: LdapServer | undefined;

const PEOPLE = `
dn: ou=people,${LdapServer.base}
objectClass: organizationalUnit
ou: people

dn: uid=lena,ou=people,${LdapServer.base}
objectClass: inetOrgPerson
uid: lena
cn: Lena
sn: L
mail: lena@example.org
userPassword: lena-secret

dn: uid=twin,ou=people,${LdapServer.base}
objectClass: inetOrgPerson
uid: twin
cn: Twin
sn: T
userPassword: twin-secret

dn: cn=second,ou=people,${LdapServer.base}
objectClass: inetOrgPerson
uid: twin
cn: second
sn: T
userPassword: twin-secret

dn: cn=builders,${LdapServer.base}
objectClass: groupOfNames
cn: builders
member: uid=lena,ou=people,${LdapServer.base}

dn: cn=others,${LdapServer.base}
objectClass: groupOfNames
cn: others
member: uid=twin,ou=people,${LdapServer.base}
`;

beforeAll(async () => {
  issuer = await OidcIssuer.start({ id: 'weir', secret: 'oidc-secret', callbackUrl: CALLBACK }, (login) => ({
    preferred_username: `${login}-name`,
    email: `${login}@example.org`,
    email_verified: login !== 'unverified',
    groups: login === 'single' ? 'Builders' : ['Builders', 'all'],
  }));
  hub = await HttpDouble.start(github);
  if (isLdapHere) ldap = await LdapServer.start(PEOPLE);
  server = await ApiServer.start({
    externalUrl: HOME,
    localUsers: [{ name: 'test', password: 'test' }],
    mainTeamUsers: ['test'],
    mainTeamOidcGroups: ['chiefs'],
    oidcIssuer: issuer.url,
    oidcClientId: 'weir',
    oidcClientSecret: 'oidc-secret',
    oidcDisplayName: 'Corp',
    githubHost: hub.url,
    githubClientId: 'gh-id',
    githubClientSecret: 'gh-secret',
    ldapHost: ldap?.host ?? '127.0.0.1:1',
    ldapTls: 'none',
    ldapBindDn: LdapServer.bindDn,
    ldapBindPassword: LdapServer.bindPassword,
    ldapUserSearchBaseDn: LdapServer.base,
    ldapGroupSearchBaseDn: LdapServer.base,
  });
  for (const [name, group] of [
    ['by-oidc', 'oidc:builders'],
    ['by-github-team', 'github:acme:the-core'],
    ['by-github-org', 'github:acme'],
    ['by-ldap', 'ldap:builders'],
  ])
    await server.ask('PUT', `/api/v1/teams/${name}`, { auth: { owner: { groups: [group] } } });
});
afterAll(async () => {
  await server?.stop();
  await ldap?.stop();
  await hub?.stop();
  await issuer?.stop();
});

interface UserView {
  readonly sub: string;
  readonly user_id: string;
  readonly name: string;
  readonly email: string;
  readonly teams: Readonly<Record<string, string[]>>;
  readonly connector: string;
  readonly is_admin: boolean;
}

async function userOf(token: string): Promise<UserView> {
  const answer = await server.fetch('GET', '/api/v1/user', undefined, { authorization: `Bearer ${token}` });
  return (await answer.json()) as UserView;
}

const browser = (): Browser => new Browser({ [HOME]: server.url });

/** The token of the browser's session. */
function sessionOf(own: Browser): string {
  const value = own.cookie('https://ci.example', 'skymarshal_auth') ?? '';
  return value.replace(/^"bearer |"$/g, '');
}

describe('the page to log in', () => {
  it('has a button for every provider, which keeps where one wanted to go', async () => {
    const { text } = await browser().visit(`${HOME}/sky/login?redirect_uri=/teams/main`);
    expect(text).toContain('href="/weir/sky/login/oidc?redirect_uri=%2Fteams%2Fmain">Log in with Corp</a>');
    expect(text).toContain('href="/weir/sky/login/github?redirect_uri=%2Fteams%2Fmain">Log in with GitHub</a>');
  });
});

describe('OpenID Connect', () => {
  /** Through the provider's own pages, up to where it sends the browser back. */
  async function logIn(own: Browser, login: string, path = '/'): Promise<Awaited<ReturnType<Browser['visit']>>> {
    let page = await own.visit(`${HOME}/sky/login/oidc?redirect_uri=${encodeURIComponent(path)}`);
    for (let shown = 0; page.address.startsWith(issuer.url) && shown < 4; shown++) {
      const [, action = ''] = /action="([^"]+)"/.exec(page.text) ?? [];
      const [, prompt = ''] = /name="prompt" value="(\w+)"/.exec(page.text) ?? [];
      page = await own.visit(new URL(action, page.address).href, { prompt, login, password: 'x' });
    }
    return page;
  }

  it('lets somebody in whom the provider knows, with name, mail and groups, to where they wanted', async () => {
    const own = browser();
    const page = await logIn(own, 'ana', '/fly_success?fly_port=9');
    expect(page.address).toMatch(/^https:\/\/ci\.example\/weir\/fly_success\?fly_port=9&csrf_token=/);
    expect(await userOf(sessionOf(own))).toMatchObject({
      user_id: 'ana',
      name: 'ana-name',
      email: 'ana@example.org',
      connector: 'oidc',
      teams: { 'by-oidc': ['owner'] },
      is_admin: false,
    });
  });

  it('takes one group that is no list, and no address that was not verified', async () => {
    const [one, other] = [browser(), browser()];
    await logIn(one, 'single');
    expect((await userOf(sessionOf(one))).teams).toEqual({ 'by-oidc': ['owner'] });
    await logIn(other, 'unverified');
    expect((await userOf(sessionOf(other))).email).toBe('');
  });

  it('asks the provider with PKCE, nonce and a state that no other browser has', async () => {
    const asked = new URL((await browser().ask(`${HOME}/sky/login/oidc`)).headers.get('location')!);
    expect(Object.fromEntries(asked.searchParams)).toMatchObject({
      client_id: 'weir',
      redirect_uri: CALLBACK,
      response_type: 'code',
      scope: 'openid profile email',
      code_challenge_method: 'S256',
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      nonce: expect.stringMatching(/^[\w-]{20,}$/),
      state: expect.stringMatching(/^[\w-]{43}$/),
    });
  });

  it('tells who did not want to on the page to log in, and lets nobody in', async () => {
    const own = browser();
    const page = await own.visit(`${HOME}/sky/login/oidc`);
    const [, abort = ''] = /href="([^"]+\/abort)"/.exec(page.text) ?? [];
    const back = await own.visit(new URL(abort, page.address).href);
    expect([back.answer.status, back.text]).toEqual([401, expect.stringContaining('Corp did not let you in')]);
    expect(sessionOf(own)).toBe('');
  });

  it('takes no code that another login got, nor one for another login’s state', async () => {
    const [attacker, victim] = [browser(), browser()];
    const start = (own: Browser): Promise<Response> => own.ask(`${HOME}/sky/login/oidc`);
    const state = new URL((await start(victim)).headers.get('location')!).searchParams.get('state')!;
    await start(attacker);
    const back = await attacker.visit(`${CALLBACK}?code=stolen&state=${state}`);
    expect([back.answer.status, sessionOf(attacker)]).toEqual([400, '']);
    const wrong = await victim.visit(`${CALLBACK}?code=stolen&state=${state}&iss=${encodeURIComponent(issuer.url)}`);
    expect([wrong.answer.status, sessionOf(victim)]).toEqual([401, '']);
  });
});

describe('GitHub', () => {
  async function logIn(own: Browser, code: string): Promise<Awaited<ReturnType<Browser['visit']>>> {
    const asked = new URL((await own.ask(`${HOME}/sky/login/github`)).headers.get('location')!);
    expect([asked.origin + asked.pathname, asked.searchParams.get('scope')]).toEqual([
      `${hub.url}/login/oauth/authorize`,
      'read:org',
    ]);
    return own.visit(`${CALLBACK}?code=${code}&state=${asked.searchParams.get('state')}`);
  }

  it('gives organisations and teams as groups, over all pages', async () => {
    const own = browser();
    await logIn(own, 'good');
    expect(await userOf(sessionOf(own))).toMatchObject({
      user_id: '583',
      name: 'Octo',
      email: '',
      connector: 'github',
      teams: { 'by-github-team': ['owner'], 'by-github-org': ['owner'] },
    });
  });

  it('lets nobody in by a code that it does not take', async () => {
    const own = browser();
    const back = await logIn(own, 'bad');
    expect([back.answer.status, back.text]).toEqual([401, expect.stringContaining('bad_verification_code')]);
    expect(sessionOf(own)).toBe('');
  });
});

(isLdapHere ? describe : describe.skip)('LDAP (needs slapd)', () => {
  /** As `fly login -u -p` does it. */
  async function grant(username: string, password: string): Promise<[number, string]> {
    const answer = await fetch(`${server.url}/sky/issuer/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'password',
        username,
        password,
        client_id: 'fly',
        client_secret: 'Zmx5',
      }),
    });
    const { access_token: token, error_description: why } = (await answer.json()) as Record<string, string>;
    return [answer.status, token ?? why ?? ''];
  }

  it('lets somebody in by password, with mail and groups', async () => {
    const [status, token] = await grant('lena', 'lena-secret');
    expect(status).toBe(200);
    expect(await userOf(token)).toMatchObject({
      user_id: 'lena',
      name: 'lena',
      email: 'lena@example.org',
      connector: 'ldap',
      teams: { 'by-ldap': ['owner'] },
    });
  });

  it.each([
    ['a wrong password', 'lena', 'wrong'],
    ['no password, by which a directory binds nobody', 'lena', ''],
    ['an unknown name', 'nobody', 'lena-secret'],
    ['a name that is a filter', '*', 'lena-secret'],
    ['a name that ends the filter', 'lena)(uid=*))(|(uid=*', 'lena-secret'],
    ['a name that two entries have', 'twin', 'twin-secret'],
  ])('lets nobody in with %s', async (_title, name, password) => {
    expect(await grant(name, password)).toEqual([401, 'wrong user name or password']);
  });

  it('is slowed down by failures as local users are', async () => {
    for (let failure = 0; failure < 6; failure++) expect((await grant('slow', 'x'))[0]).toBe(401);
    expect((await grant('slow', 'x'))[0]).toBe(429);
  });
});

describe('a provider that is away', () => {
  it('is told on the page, and keeps nobody else out', async () => {
    await issuer.stop();
    await ldap?.stop();
    const away = await ApiServer.start({
      localUsers: [{ name: 'test', password: 'test' }],
      mainTeamUsers: ['test'],
      oidcIssuer: issuer.url,
      oidcClientId: 'weir',
      oidcClientSecret: 'x',
      ldapHost: ldap?.host ?? '127.0.0.1:1',
      ldapTls: 'none',
      ldapUserSearchBaseDn: LdapServer.base,
    });
    try {
      const page = await new Browser({ [HOME]: away.url }).visit(`${HOME}/sky/login/oidc`);
      expect([page.answer.status, page.text]).toEqual([502, expect.stringContaining('does not answer as it should')]);
      const auth = away.app.get(AuthService);
      await expect(auth.login('lena', 'lena-secret')).rejects.toMatchObject({ code: 'provider-unavailable' });
      expect((await auth.login('test', 'test')).token).toBeTruthy();
    } finally {
      await away.stop();
    }
  });
});
