import { describe, expect, it } from '@jest/globals';
import { createLogger, Settings } from '../../platform/index.js';
import { providersOf } from './providers.js';

const ids = (settings: Partial<Settings>): string[] =>
  providersOf(new Settings(settings), createLogger('silent')).map(({ id }) => id);

describe('providers', () => {
  it('are those that the settings name', () => {
    expect(ids({})).toEqual([]);
    expect(ids({ ldapHost: 'l', ldapUserSearchBaseDn: 'dc=x', githubClientId: 'i', githubClientSecret: 's' })).toEqual([
      'github',
      'ldap',
    ]);
  });

  it.each([
    [{ oidcIssuer: 'https://i' }, '--oidc-issuer needs --oidc-client-id and --oidc-client-secret as well'],
    [{ githubClientSecret: 's' }, '--github-client-secret needs --github-client-id as well'],
    [{ ldapHost: 'l', ldapUserSearchBaseDn: 'dc=x', ldapUserSearchFilter: '(uid=' }, '"(uid=" is no LDAP filter'],
  ])('are refused when %j is all that is said', (settings, why) => {
    expect(() => ids(settings)).toThrow(why);
  });
});
