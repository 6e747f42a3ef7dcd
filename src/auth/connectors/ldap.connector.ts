import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import {
  AndFilter,
  Client,
  EqualityFilter,
  FilterParser,
  InvalidCredentialsError,
  type Entry,
  type Filter,
} from 'ldapts';
import { UserError, type AccountSettings } from '../../platform/index.js';
import type { Identity } from '../access.js';
import type { Connector, PasswordLogin } from '../connector.js';
import { PROVIDER_TIMEOUT_MS, ProviderUnavailable, ProviderUntrusted } from './provider-failure.js';

const PORTS = { tls: 636, 'start-tls': 389, none: 389 };

/**
 * Users of an LDAP directory: their entry is searched by name, and whoever can bind as that entry is let in. Groups are the
 * entries that list the user.
 */
export class LdapConnector implements Connector {
  readonly id = 'ldap';
  readonly title: string;
  readonly password: PasswordLogin = { check: (name, password) => this.check(name, password) };

  /** @throws UserError when a filter of the settings cannot be read. */
  constructor(private readonly settings: AccountSettings) {
    this.title = settings.ldapDisplayName;
    filterOf(settings.ldapUserSearchFilter);
    filterOf(settings.ldapGroupSearchFilter);
  }

  private async check(name: string, password: string): Promise<Identity | undefined> {
    // A bind without a password succeeds for everybody: it asks for nobody's rights.
    if (name === '' || password === '') return undefined;
    try {
      return await this.connected(async (client) => {
        await this.bindSearcher(client);
        const user = await this.findUser(client, name);
        // An unknown name asks for a bind, too, so that it takes as long as a wrong password.
        const dn = user?.dn ?? `uid=nobody-${'0'.repeat(16)},${this.settings.ldapUserSearchBaseDn}`;
        const isRight = await this.connected((other) => canBind(other, dn, password));
        return user && isRight ? await this.identityOf(client, user) : undefined;
      });
    } catch (error) {
      if (error instanceof UserError) throw error;
      const fault = certificateFault(error);
      throw fault === undefined
        ? new ProviderUnavailable(this.title, error)
        : new ProviderUntrusted(this.title, fault, '--ldap-ca-cert');
    }
  }

  private async bindSearcher(client: Client): Promise<void> {
    const { ldapBindDn, ldapBindPassword } = this.settings;
    if (ldapBindDn !== '') await client.bind(ldapBindDn, ldapBindPassword);
  }

  /** The one entry with the name; undefined for none and for several, of whom nobody could tell which is meant. */
  private async findUser(client: Client, name: string): Promise<Entry | undefined> {
    const { ldapUserSearchBaseDn, ldapUserSearchFilter, ldapUserSearchScope, ldapUserSearchUsername } = this.settings;
    const { searchEntries } = await client.search(ldapUserSearchBaseDn, {
      scope: ldapUserSearchScope,
      filter: both(ldapUserSearchFilter, ldapUserSearchUsername, name),
    });
    return searchEntries.length === 1 ? searchEntries[0] : undefined;
  }

  private async identityOf(client: Client, user: Entry): Promise<Identity> {
    const { ldapUserSearchUsername, ldapUserSearchIdAttr, ldapUserSearchEmailAttr } = this.settings;
    const subject = valueOf(user, ldapUserSearchIdAttr);
    if (!subject) throw new Error(`${user.dn} has no ${ldapUserSearchIdAttr}`);
    return {
      connector: this.id,
      subject,
      name: valueOf(user, ldapUserSearchUsername) ?? subject,
      email: valueOf(user, ldapUserSearchEmailAttr) ?? '',
      groups: await this.groupsOf(client, user),
    };
  }

  private async groupsOf(client: Client, user: Entry): Promise<string[]> {
    const { settings } = this;
    const listed = valueOf(user, settings.ldapGroupSearchUserAttr);
    if (settings.ldapGroupSearchBaseDn === '' || !listed) return [];
    const { searchEntries } = await client.search(settings.ldapGroupSearchBaseDn, {
      scope: settings.ldapGroupSearchScope,
      filter: both(settings.ldapGroupSearchFilter, settings.ldapGroupSearchGroupAttr, listed),
      attributes: [settings.ldapGroupSearchNameAttr],
    });
    return searchEntries.flatMap((group) => valueOf(group, settings.ldapGroupSearchNameAttr) ?? []);
  }

  /** Which certificate the directory must show: one for its name, by an authority that is trusted. */
  private trust(): ConnectionOptions {
    const { ldapHost, ldapCaCert } = this.settings;
    const host = ldapHost.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
    return {
      ...(isIP(host) === 0 ? { servername: host } : { host }),
      ...(ldapCaCert === '' ? {} : { ca: ldapCaCert }),
    };
  }

  private async connected<Result>(use: (client: Client) => Promise<Result>): Promise<Result> {
    const { ldapHost, ldapTls } = this.settings;
    const host = /:\d+$/.test(ldapHost) ? ldapHost : `${ldapHost}:${PORTS[ldapTls]}`;
    const url = `${ldapTls === 'tls' ? 'ldaps' : 'ldap'}://${host}`;
    const trust = this.trust();
    const client = new Client({
      url,
      timeout: PROVIDER_TIMEOUT_MS,
      connectTimeout: PROVIDER_TIMEOUT_MS,
      ...(ldapTls === 'tls' ? { tlsOptions: trust } : {}),
    });
    try {
      if (ldapTls === 'start-tls') await client.startTLS(trust);
      return await use(client);
    } finally {
      await client.unbind().catch(() => undefined); // the answer is known, or the failure of before counts
    }
  }
}

/** What TLS calls a certificate that it does not take, in words; undefined for any other failure. */
function certificateFault(error: unknown): string | undefined {
  const { code, message, cause } = error as { code?: unknown; message?: string; cause?: unknown };
  if (/^(CERT_|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_|ERR_TLS_CERT_)/.test(String(code))) return message;
  return cause === undefined || cause === null ? undefined : certificateFault(cause);
}

async function canBind(client: Client, dn: string, password: string): Promise<boolean> {
  try {
    await client.bind(dn, password);
    return true;
  } catch (error) {
    if (error instanceof InvalidCredentialsError) return false;
    throw error;
  }
}

/** What the operator asks of an entry, and that the attribute has this value, which is never read as a filter. */
function both(filter: string, attribute: string, value: string): Filter {
  return new AndFilter({ filters: [filterOf(filter), new EqualityFilter({ attribute, value })] });
}

function filterOf(text: string): Filter {
  try {
    return FilterParser.parseString(text);
  } catch {
    throw new UserError('bad-setting', `"${text}" is no LDAP filter; write it as in (objectClass=person)`);
  }
}

/** The first value of an attribute, whose name may be written in any case. */
function valueOf(entry: Entry, attribute: string): string | undefined {
  const name = Object.keys(entry).find((key) => key.toLowerCase() === attribute.toLowerCase());
  const [first] = [name === undefined ? [] : (entry[name] ?? [])].flat();
  const text = first === undefined ? undefined : first.toString();
  return text === '' ? undefined : text;
}
