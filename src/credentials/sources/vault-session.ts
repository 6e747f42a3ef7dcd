import { readFile } from 'node:fs/promises';
import { parseDurationMs, type JsonObject } from '../../model/index.js';
import { messageOf, type Clock } from '../../platform/index.js';
import { isPassingStatus, type JsonAnswer, type JsonHttp } from '../json-http.js';
import { SourceError } from '../secret-source.js';

/** How to come in; keys are those of the `config` of a var source. */
export interface VaultLogin {
  readonly client_token?: string;
  readonly auth_backend?: string;
  readonly auth_params?: Readonly<Record<string, string>>;
  readonly auth_max_ttl?: string;
  readonly auth_retry_max?: string;
  readonly auth_retry_initial?: string;
}

interface Grant {
  readonly token: string;
  readonly loggedInAt: number;
  /** The time it was first given for; Infinity when it does not end. */
  readonly leaseMs: number;
  /** When to renew it, and when it ends; Infinity when it does not end. */
  readonly renewAt: number;
  readonly endsAt: number;
}

interface Refusal {
  readonly error: SourceError;
  readonly until: number;
  readonly waitMs: number;
}

/** The name stands in the path of the login, not only in its body. */
const WITH_USERNAME = ['userpass', 'ldap', 'okta', 'radius'];
const POD_TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token';
/** Soon enough to have several tries before the end. */
const RENEW_AFTER = 0.5;
/** What a renewal must give of the first lease to count. */
const FULL_LEASE = 0.75;

/**
 * A token of Vault, got when it is first needed and kept good: renewed after half of its time, got anew by logging in when it
 * cannot be renewed or is older than `auth_max_ttl`. After a refused login nobody asks again for a while, so that no account
 * is locked by us.
 */
export class VaultSession {
  private grant: Grant | undefined;
  private refusal: Refusal | undefined;
  private pending: Promise<Grant> | undefined;

  constructor(
    private readonly http: JsonHttp,
    private readonly login: VaultLogin,
    private readonly namespace: string | undefined,
    private readonly clock: Clock,
    /** The server's own manager may come in as the pod that the server runs in. */
    private readonly mayUseMachine: boolean,
  ) {}

  /** @throws SourceError when there is no way in. */
  async token(): Promise<string> {
    const grant = this.grant;
    if (grant !== undefined && this.now() < grant.renewAt && !this.isTooOld(grant)) return grant.token;
    this.pending ??= this.refresh().finally(() => (this.pending = undefined));
    return (await this.pending).token;
  }

  /** Renews what is due, if anybody has come in at all. */
  async keepAlive(): Promise<void> {
    if (this.grant !== undefined) await this.token().catch(() => undefined); // whoever reads next is told
  }

  /** Asks with the token. What Vault calls forbidden with a token that is no longer good is asked again with a new one. */
  async get(path: string): Promise<JsonAnswer> {
    const token = await this.token();
    const answer = await this.send('GET', path, { token });
    if (answer.status !== 403 || this.fixedToken !== undefined) return answer;
    const self = await this.send('GET', '/v1/auth/token/lookup-self', { token });
    if (self.status !== 403) return answer;
    if (this.grant?.token === token) this.grant = undefined;
    return this.send('GET', path, { token: await this.token() });
  }

  private get fixedToken(): string | undefined {
    const { client_token: token, auth_backend: backend, auth_params: params } = this.login;
    return token ?? (backend === 'token' ? params?.['token'] : undefined);
  }

  private async refresh(): Promise<Grant> {
    const { grant } = this;
    if (grant === undefined || this.now() >= grant.endsAt || this.isTooOld(grant)) return this.enter();
    try {
      const answer = await this.send('POST', '/v1/auth/token/renew-self', { token: grant.token, body: {} });
      const renewed = answer.status === 200 ? this.grantOf(authOf(answer), grant.loggedInAt) : undefined;
      // Near its last day a token gets less and less: then another is due.
      if (renewed !== undefined && renewed.endsAt - this.now() >= grant.leaseMs * FULL_LEASE)
        return (this.grant = { ...renewed, leaseMs: grant.leaseMs });
      if (isPassingStatus(answer.status)) throw refused('does not renew the token', answer);
    } catch {
      // It is still good: whoever needs it next tries again.
      const soon = Math.min(grant.endsAt, this.now() + this.ms('auth_retry_initial', 1_000));
      return (this.grant = { ...grant, renewAt: soon });
    }
    if (this.fixedToken === undefined) return this.enter();
    return (this.grant = { ...grant, renewAt: grant.endsAt }); // as long as it lasts
  }

  private async enter(): Promise<Grant> {
    if (this.refusal !== undefined && this.now() < this.refusal.until) throw this.refusal.error;
    try {
      this.grant = this.fixedToken === undefined ? await this.logIn() : await this.lookUp(this.fixedToken);
      this.refusal = undefined;
      return this.grant;
    } catch (error) {
      this.grant = undefined;
      if (error instanceof SourceError && !error.isPassing) this.noteRefusal(error);
      throw error;
    }
  }

  private noteRefusal(error: SourceError): void {
    const [first, most] = [this.ms('auth_retry_initial', 1_000), this.ms('auth_retry_max', 300_000)];
    const waitMs = Math.min(this.refusal === undefined ? first : this.refusal.waitMs * 2, most);
    this.refusal = { error, waitMs, until: this.now() + waitMs };
  }

  private async logIn(): Promise<Grant> {
    const backend = this.login.auth_backend ?? '';
    const params = { ...this.login.auth_params };
    if (backend === 'kubernetes' && params['jwt'] === undefined && this.mayUseMachine)
      params['jwt'] = await readPodToken();
    const name = WITH_USERNAME.includes(backend) ? `/${encodeURIComponent(params['username'] ?? '')}` : '';
    const path = `/v1/auth/${backend.split('/').map(encodeURIComponent).join('/')}/login${name}`;
    const answer = await this.send('POST', path, { body: params });
    if (answer.status !== 200) throw refused(`refuses the login by ${backend}`, answer);
    return this.grantOf(authOf(answer), this.now());
  }

  /** How long a given token lasts. One that may not ask that about itself is used as it is. */
  private async lookUp(token: string): Promise<Grant> {
    const answer = await this.send('GET', '/v1/auth/token/lookup-self', { token });
    if (isPassingStatus(answer.status)) throw refused('does not answer', answer);
    const { ttl = 0, renewable = false } =
      (answer.body as { data?: { ttl?: number; renewable?: boolean } })?.data ?? {};
    return this.grantOf({ client_token: token, lease_duration: ttl, renewable }, this.now());
  }

  private grantOf({ client_token: token, lease_duration: seconds, renewable }: VaultAuth, loggedInAt: number): Grant {
    const leaseMs = seconds > 0 ? seconds * 1_000 : Infinity;
    const endsAt = this.now() + leaseMs;
    return { token, loggedInAt, leaseMs, endsAt, renewAt: renewable ? this.now() + leaseMs * RENEW_AFTER : endsAt };
  }

  private isTooOld({ loggedInAt }: Grant): boolean {
    return this.fixedToken === undefined && this.now() - loggedInAt >= this.ms('auth_max_ttl', Infinity);
  }

  private send(
    method: 'GET' | 'POST',
    path: string,
    { token, body }: { readonly token?: string; readonly body?: unknown },
  ): Promise<JsonAnswer> {
    const headers = {
      'x-vault-request': 'true',
      ...(token === undefined ? {} : { 'x-vault-token': token }),
      ...(this.namespace ? { 'x-vault-namespace': this.namespace } : {}),
    };
    return this.http.ask({ method, path, headers, body });
  }

  private ms(key: 'auth_max_ttl' | 'auth_retry_max' | 'auth_retry_initial', fallback: number): number {
    return parseDurationMs(this.login[key] ?? '') ?? fallback;
  }

  private now(): number {
    return this.clock.now().getTime();
  }
}

interface VaultAuth {
  readonly client_token: string;
  readonly lease_duration: number;
  readonly renewable: boolean;
}

/** Vault's own words about an answer that is an error; they hold no secret. */
export function refused(what: string, { status, body }: JsonAnswer): SourceError {
  const errors = (body as JsonObject | undefined)?.['errors'];
  const said = Array.isArray(errors) ? errors.map(String).join('; ').replaceAll(/\s+/g, ' ').trim().slice(0, 300) : '';
  return new SourceError(`${what} (${status}${said === '' ? '' : `: ${said}`})`, isPassingStatus(status));
}

function authOf({ body }: JsonAnswer): VaultAuth {
  const {
    client_token: token,
    lease_duration: seconds,
    renewable,
  } = (body as { auth?: Partial<VaultAuth> } | undefined)?.auth ?? {};
  if (typeof token !== 'string' || token === '') throw new SourceError('answers a login without a token', false);
  return { client_token: token, lease_duration: Number(seconds) || 0, renewable: renewable === true };
}

async function readPodToken(): Promise<string> {
  try {
    return (await readFile(POD_TOKEN, 'utf8')).trim();
  } catch (error) {
    throw new SourceError(
      `auth_params has no jwt, and this machine has no token of Kubernetes: ${messageOf(error)}`,
      false,
    );
  }
}
