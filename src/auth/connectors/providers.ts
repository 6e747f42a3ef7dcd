import { messageOf, UserError, type AccountSettings, type Logger } from '../../platform/index.js';
import type { Connector } from '../connector.js';
import { GithubConnector } from './github.connector.js';
import { LdapConnector } from './ldap.connector.js';
import { OidcConnector } from './oidc.connector.js';
import { ProviderUnavailable } from './provider-failure.js';

/**
 * The providers that the settings name, in the order of the login page. None is asked anything before somebody logs in, so that
 * a server starts without them.
 * @throws UserError `bad-setting` for one that is named by half.
 */
export function providersOf(settings: AccountSettings, log: Logger): Connector[] {
  const { oidcIssuer, oidcClientId, oidcClientSecret, githubClientId, githubClientSecret } = settings;
  const providers: Connector[] = [];
  if (isWhole({ 'oidc-issuer': oidcIssuer, 'oidc-client-id': oidcClientId, 'oidc-client-secret': oidcClientSecret }))
    providers.push(new OidcConnector(settings));
  if (isWhole({ 'github-client-id': githubClientId, 'github-client-secret': githubClientSecret }))
    providers.push(new GithubConnector(settings));
  if (isWhole({ 'ldap-host': settings.ldapHost, 'ldap-user-search-base-dn': settings.ldapUserSearchBaseDn }))
    providers.push(new LdapConnector(settings));
  return providers.map((provider) => logged(provider, log));
}

/** Are they all given? False when none is. */
function isWhole(flags: Readonly<Record<string, string>>): boolean {
  const missing = Object.keys(flags).filter((flag) => flags[flag] === '');
  const given = Object.keys(flags).filter((flag) => flags[flag] !== '');
  if (given.length > 0 && missing.length > 0)
    throw new UserError('bad-setting', `--${given[0] ?? ''} needs --${missing.join(' and --')} as well`);
  return given.length > 0;
}

/** The same, telling the log why a provider does not answer: people are told only that. */
function logged({ id, title, password, browser }: Connector, log: Logger): Connector {
  const told = async <Result>(doing: Promise<Result>): Promise<Result> => {
    try {
      return await doing;
    } catch (error) {
      if (error instanceof ProviderUnavailable)
        log.warn({ connector: id, error: reasons(error.cause) }, 'a provider of logins does not answer as it should');
      throw error;
    }
  };
  return {
    id,
    title,
    ...(password && { password: { check: (...login) => told(password.check(...login)) } }),
    ...(browser && {
      browser: {
        begin: (request) => told(browser.begin(request)),
        finish: (request) => told(browser.finish(request)),
      },
    }),
  };
}

/** What went wrong and what was behind it. */
function reasons(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error ? `${messageOf(error)}: ${messageOf(cause)}` : messageOf(error);
}
