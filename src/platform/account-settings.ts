import { isIP } from 'node:net';
import { JobSettings } from './job-settings.js';
import { contentsOfFile, names, oneOf, text, wholeNumber, type Parser } from './setting-parsers.js';

/** Settings of who may come in, and from where. Part of the settings of the server. */
export class AccountSettings extends JobSettings {
  /** Addresses and networks of proxies whose `X-Forwarded-…` headers are believed. */
  readonly trustedProxies: readonly string[] = [];
  /** Requests a second that a token, or an address without one, may make on the long run; 0: any number. */
  readonly rateLimit: number = 200;

  /** Empty: nobody logs in by OpenID Connect. */
  readonly oidcIssuer: string = '';
  readonly oidcClientId: string = '';
  readonly oidcClientSecret: string = '';
  /** Asked for beside `openid`. */
  readonly oidcScopes: readonly string[] = ['profile', 'email'];
  /** The claim with a user's groups. */
  readonly oidcGroupsKey: string = 'groups';
  /** The claim with a user's name. */
  readonly oidcUserNameKey: string = 'preferred_username';
  readonly oidcDisplayName: string = 'OpenID Connect';

  /** Empty: nobody logs in by GitHub. */
  readonly githubClientId: string = '';
  readonly githubClientSecret: string = '';
  /** Where GitHub is, without a trailing slash: another one is an Enterprise server. */
  readonly githubHost: string = 'https://github.com';

  /** `host` or `host:port`; empty: nobody logs in by LDAP. */
  readonly ldapHost: string = '';
  readonly ldapDisplayName: string = 'LDAP';
  readonly ldapTls: 'tls' | 'start-tls' | 'none' = 'tls';
  /** Certificates (PEM) of whoever signs the directory's; empty: those that Node trusts. */
  readonly ldapCaCert: string = '';
  /** Who searches; empty: anonymously. */
  readonly ldapBindDn: string = '';
  readonly ldapBindPassword: string = '';
  readonly ldapUserSearchBaseDn: string = '';
  /** What an entry must be beside having the user's name. */
  readonly ldapUserSearchFilter: string = '(objectClass=person)';
  readonly ldapUserSearchScope: LdapScope = 'sub';
  /** The attribute that people give as their name. */
  readonly ldapUserSearchUsername: string = 'uid';
  /** The attribute that never changes and is given to nobody else. */
  readonly ldapUserSearchIdAttr: string = 'uid';
  readonly ldapUserSearchEmailAttr: string = 'mail';
  /** Empty: nobody has groups. */
  readonly ldapGroupSearchBaseDn: string = '';
  readonly ldapGroupSearchFilter: string = '(objectClass=groupOfNames)';
  readonly ldapGroupSearchScope: LdapScope = 'sub';
  /** The attribute of the user that groups list; `DN` is the entry's name. */
  readonly ldapGroupSearchUserAttr: string = 'DN';
  /** The attribute of a group that lists its users. */
  readonly ldapGroupSearchGroupAttr: string = 'member';
  readonly ldapGroupSearchNameAttr: string = 'cn';

  /** Local users who own the main team, and by that are administrators. */
  readonly mainTeamUsers: readonly string[] = [];
  readonly mainTeamOidcUsers: readonly string[] = [];
  readonly mainTeamOidcGroups: readonly string[] = [];
  readonly mainTeamGithubUsers: readonly string[] = [];
  readonly mainTeamGithubOrgs: readonly string[] = [];
  /** `org:team` each. */
  readonly mainTeamGithubTeams: readonly string[] = [];
  readonly mainTeamLdapUsers: readonly string[] = [];
  readonly mainTeamLdapGroups: readonly string[] = [];
}

type LdapScope = 'base' | 'one' | 'sub';

/** Who owns the main team by the settings, as teams name users and groups. Both empty: its owners stay as they are. */
export function mainTeamOwners(settings: AccountSettings): { readonly users: string[]; readonly groups: string[] } {
  const of = (connector: string, ...lists: (readonly string[])[]): string[] =>
    lists.flat().map((name) => `${connector}:${name}`);
  return {
    users: [
      ...of('local', settings.mainTeamUsers),
      ...of('oidc', settings.mainTeamOidcUsers),
      ...of('github', settings.mainTeamGithubUsers),
      ...of('ldap', settings.mainTeamLdapUsers),
    ],
    groups: [
      ...of('oidc', settings.mainTeamOidcGroups),
      ...of('github', settings.mainTeamGithubOrgs, settings.mainTeamGithubTeams),
      ...of('ldap', settings.mainTeamLdapGroups),
    ],
  };
}

interface AccountDefinition extends Parser {
  readonly name: string;
  readonly field: keyof AccountSettings;
  readonly value?: string;
  readonly defaultText?: string;
  readonly help: string;
  readonly isSecret?: boolean;
}

/** Their lines of the settings table. */
export const ACCOUNT_DEFINITIONS: readonly AccountDefinition[] = [
  {
    name: 'main-team-local-user',
    field: 'mainTeamUsers',
    value: 'names',
    help: 'local users, with commas between, who own team main and administer the server',
    ...names(),
  },
  ...owners('oidc-user', 'mainTeamOidcUsers', 'users of the OIDC provider'),
  ...owners('oidc-group', 'mainTeamOidcGroups', 'groups of the OIDC provider'),
  ...owners('github-user', 'mainTeamGithubUsers', 'users of GitHub'),
  ...owners('github-org', 'mainTeamGithubOrgs', 'organisations of GitHub'),
  ...owners('github-team', 'mainTeamGithubTeams', 'teams of GitHub, as org:team'),
  ...owners('ldap-user', 'mainTeamLdapUsers', 'users of LDAP'),
  ...owners('ldap-group', 'mainTeamLdapGroups', 'groups of LDAP'),

  {
    name: 'oidc-issuer',
    field: 'oidcIssuer',
    value: 'url',
    help: 'OpenID Connect: where the provider is, as its discovery document says',
    expects: 'an https:// address (http:// only on this machine)',
    parse: issuer,
  },
  ...line('oidc-client-id', 'oidcClientId', 'id', 'what the provider calls this server'),
  ...secret('oidc-client-secret', 'oidcClientSecret', 'what this server proves itself with to the provider'),
  {
    name: 'oidc-scope',
    field: 'oidcScopes',
    value: 'names',
    defaultText: 'profile,email',
    help: 'what to ask for beside openid, with commas between',
    ...names(),
  },
  ...line('oidc-groups-key', 'oidcGroupsKey', 'claim', 'claim with the groups of a user', 'groups'),
  ...line('oidc-user-name-key', 'oidcUserNameKey', 'claim', 'claim with the name of a user', 'preferred_username'),
  ...line('oidc-display-name', 'oidcDisplayName', 'text', 'the button of the login page', 'OpenID Connect'),

  ...line('github-client-id', 'githubClientId', 'id', 'GitHub: what it calls this server as an OAuth app'),
  ...secret('github-client-secret', 'githubClientSecret', 'what this server proves itself with to GitHub'),
  {
    name: 'github-host',
    field: 'githubHost',
    value: 'host',
    defaultText: 'github.com',
    help: 'the host of a GitHub Enterprise server',
    expects: 'a host, such as github.example.com',
    parse: (given) => issuer(/^https?:\/\//.test(given) ? given : `https://${given}`)?.replace(/\/+$/, ''),
  },

  {
    name: 'ldap-host',
    field: 'ldapHost',
    value: 'host',
    help: 'LDAP: where the directory is, as host or host:port (else 636, or 389 without TLS)',
    expects: 'a host, such as ldap.example.com or ldap.example.com:636',
    parse: (given) => (/^([\w.-]+|\[[\da-f:]+\])(:\d{1,5})?$/i.test(given) ? given : undefined),
  },
  ...line('ldap-display-name', 'ldapDisplayName', 'text', 'what the login page calls the directory', 'LDAP'),
  {
    name: 'ldap-tls',
    field: 'ldapTls',
    value: 'how',
    defaultText: 'tls',
    help: 'tls, start-tls, or none: passwords go over the network as they are',
    ...oneOf(['tls', 'start-tls', 'none']),
  },
  {
    name: 'ldap-ca-cert',
    field: 'ldapCaCert',
    value: 'file',
    help: "PEM file of the authority that signs the directory's certificate (else the usual ones)",
    expects: 'a PEM file with a certificate that can be read',
    parse: certificates,
  },
  ...line('ldap-bind-dn', 'ldapBindDn', 'dn', 'who searches (else nobody in particular)'),
  ...secret('ldap-bind-pw', 'ldapBindPassword', 'their password'),
  ...line('ldap-user-search-base-dn', 'ldapUserSearchBaseDn', 'dn', 'below which users are searched'),
  ...line(
    'ldap-user-search-filter',
    'ldapUserSearchFilter',
    'filter',
    'what else users must be',
    '(objectClass=person)',
  ),
  ...scope('ldap-user-search-scope', 'ldapUserSearchScope'),
  ...line('ldap-user-search-username', 'ldapUserSearchUsername', 'attribute', 'what people give as their name', 'uid'),
  ...line('ldap-user-search-id-attr', 'ldapUserSearchIdAttr', 'attribute', 'what names a user for ever', 'uid'),
  ...line('ldap-user-search-email-attr', 'ldapUserSearchEmailAttr', 'attribute', 'their mail address', 'mail'),
  ...line('ldap-group-search-base-dn', 'ldapGroupSearchBaseDn', 'dn', 'below which groups are searched (else none)'),
  ...line(
    'ldap-group-search-filter',
    'ldapGroupSearchFilter',
    'filter',
    'what else groups must be',
    '(objectClass=groupOfNames)',
  ),
  ...scope('ldap-group-search-scope', 'ldapGroupSearchScope'),
  ...line('ldap-group-search-user-attr', 'ldapGroupSearchUserAttr', 'attribute', 'what of a user groups list', 'DN'),
  ...line('ldap-group-search-group-attr', 'ldapGroupSearchGroupAttr', 'attribute', 'where they list it', 'member'),
  ...line('ldap-group-search-name-attr', 'ldapGroupSearchNameAttr', 'attribute', 'the name of a group', 'cn'),

  {
    name: 'trusted-proxies',
    field: 'trustedProxies',
    value: 'addresses',
    help: 'addresses and networks (10.0.0.0/8) of proxies that say in X-Forwarded-For and -Proto who asks, and how',
    expects: 'addresses or networks with commas between, such as 127.0.0.1,10.0.0.0/8',
    parse: networks,
  },
  {
    name: 'rate-limit',
    field: 'rateLimit',
    value: 'number',
    defaultText: '200',
    help: 'requests a second of one token, or of one address without a token; ten times as many at once; 0 for no limit',
    ...wholeNumber(0, 1_000_000),
  },
];

function line(
  name: string,
  field: keyof AccountSettings,
  value: string,
  help: string,
  defaultText?: string,
): AccountDefinition[] {
  return [{ name, field, value, help, ...(defaultText === undefined ? {} : { defaultText }), ...text('a text') }];
}

function owners(what: string, field: keyof AccountSettings, who: string): AccountDefinition[] {
  return [{ name: `main-team-${what}`, field, value: 'names', help: `${who} who own team main, too`, ...names() }];
}

function scope(name: string, field: keyof AccountSettings): AccountDefinition[] {
  const help = 'base, one or sub: how deep below it';
  return [{ name, field, value: 'depth', defaultText: 'sub', help, ...oneOf(['base', 'one', 'sub']) }];
}

/** A secret and the file that holds it instead. */
function secret(name: string, field: keyof AccountSettings, help: string): AccountDefinition[] {
  return [
    { name, field, value: 'secret', help: `${help}; better in the file`, isSecret: true, ...text('a secret') },
    { name: `${name}-file`, field, value: 'file', help: 'file that holds it', ...contentsOfFile() },
  ];
}

function certificates(file: string): string | undefined {
  const read = contentsOfFile().parse(file) as string | undefined;
  return read?.includes('-----BEGIN CERTIFICATE-----') ? read : undefined;
}

/** Kept as it is, to the last slash: providers compare it letter by letter. */
function issuer(given: string): string | undefined {
  if (!URL.canParse(given)) return undefined;
  const { protocol, hostname, username, search, hash } = new URL(given);
  if (username !== '' || search !== '' || hash !== '') return undefined;
  const isHere = ['127.0.0.1', 'localhost', '[::1]'].includes(hostname);
  return protocol === 'https:' || (protocol === 'http:' && isHere) ? given : undefined;
}

function networks(given: string): string[] | undefined {
  const all = given.split(',').map((network) => network.trim());
  return all.every(isNetwork) ? all : undefined;
}

function isNetwork(given: string): boolean {
  const [address = '', bits, ...rest] = given.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
}
