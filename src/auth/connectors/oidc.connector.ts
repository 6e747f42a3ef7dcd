import * as oidc from 'openid-client';
import type { AccountSettings } from '../../platform/index.js';
import type { Identity } from '../access.js';
import type { BegunLogin, BrowserLogin, Connector } from '../connector.js';
import { PROVIDER_TIMEOUT_MS, ProviderRefused, ProviderUnavailable } from './provider-failure.js';

type Claims = Readonly<Record<string, unknown>>;
type Returned = Parameters<BrowserLogin['finish']>[0];

/**
 * Users of an OpenID Connect provider: authorization code with PKCE and nonce; the signature of the ID token is checked. Groups
 * and names are claims of the ID token, or of the provider's user info, which counts more.
 */
export class OidcConnector implements Connector {
  readonly id = 'oidc';
  readonly title: string;
  readonly browser: BrowserLogin = {
    begin: (request) => this.begin(request),
    finish: (request) => this.finish(request),
  };
  private known: Promise<oidc.Configuration> | undefined;

  constructor(private readonly settings: AccountSettings) {
    this.title = `Log in with ${settings.oidcDisplayName}`;
  }

  private async begin({ callbackUrl, state }: { callbackUrl: string; state: string }): Promise<BegunLogin> {
    const config = await this.discover();
    const [verifier, nonce] = [oidc.randomPKCECodeVerifier(), oidc.randomNonce()];
    const url = oidc.buildAuthorizationUrl(config, {
      redirect_uri: callbackUrl,
      scope: ['openid', ...this.settings.oidcScopes].join(' '),
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
    });
    return { url: url.href, secret: { verifier, nonce } };
  }

  private async finish({ callbackUrl, state, query, secret }: Returned): Promise<Identity> {
    const config = await this.discover();
    const returned = new URL(`${callbackUrl}?${new URLSearchParams(query).toString()}`);
    try {
      const tokens = await oidc.authorizationCodeGrant(config, returned, {
        expectedState: state,
        expectedNonce: secret.nonce as string,
        pkceCodeVerifier: secret.verifier as string,
        idTokenExpected: true,
      });
      const claims = tokens.claims();
      if (!claims) throw new Error('there is no ID token');
      const more = config.serverMetadata().userinfo_endpoint
        ? await oidc.fetchUserInfo(config, tokens.access_token, claims.sub)
        : {};
      return this.identityOf({ ...claims, ...more });
    } catch (error) {
      if (error instanceof oidc.AuthorizationResponseError || error instanceof oidc.ResponseBodyError)
        throw new ProviderRefused(this.settings.oidcDisplayName, error.error);
      throw new ProviderUnavailable(this.settings.oidcDisplayName, error);
    }
  }

  private identityOf(claims: Claims & { readonly sub: string }): Identity {
    const { oidcGroupsKey, oidcUserNameKey } = this.settings;
    const { sub, email, email_verified: isVerified } = claims;
    const name = textOf(claims[oidcUserNameKey]);
    const groups = [claims[oidcGroupsKey] ?? []].flat();
    return {
      connector: this.id,
      subject: sub,
      // Some providers let people write any address as theirs.
      name: name === '' || (oidcUserNameKey === 'email' && isVerified !== true) ? sub : name,
      email: isVerified === false ? '' : textOf(email),
      groups: groups.map(textOf).filter((group) => group !== ''),
    };
  }

  /** Asked once; after a failure, again with the next login. */
  private async discover(): Promise<oidc.Configuration> {
    const { oidcIssuer, oidcClientId, oidcClientSecret, oidcDisplayName } = this.settings;
    const isPlain = oidcIssuer.startsWith('http:');
    this.known ??= oidc.discovery(new URL(oidcIssuer), oidcClientId, oidcClientSecret, undefined, {
      timeout: PROVIDER_TIMEOUT_MS / 1000,
      execute: [oidc.enableNonRepudiationChecks, ...(isPlain ? [oidc.allowInsecureRequests] : [])],
    });
    try {
      return await this.known;
    } catch (error) {
      this.known = undefined;
      throw new ProviderUnavailable(oidcDisplayName, error);
    }
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
