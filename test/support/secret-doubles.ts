import { HttpDouble, type Answer, type SeenRequest } from './http-double.js';

const json = (body: unknown, status = 200): Answer => ({
  status,
  body: JSON.stringify(body),
  headers: { 'content-type': 'application/json' },
});

/** A server of secrets that can be made to fail: the next answers are those in `troubles`, before any other. */
abstract class SecretDouble {
  readonly troubles: Answer[] = [];
  readonly secrets = new Map<string, unknown>();
  protected double: HttpDouble | undefined;

  async start(tls?: { readonly key: string; readonly cert: string }): Promise<this> {
    this.double = await HttpDouble.start((request) => this.troubles.shift() ?? this.answer(request), tls);
    return this;
  }

  get url(): string {
    return this.double!.url;
  }

  get seen(): readonly SeenRequest[] {
    return this.double!.seen;
  }

  stop(): Promise<void> {
    return this.double!.stop();
  }

  protected abstract answer(request: SeenRequest): Answer;
}

interface VaultToken {
  endsAtMs: number;
  /** It cannot be renewed beyond this. */
  readonly lastDayMs: number;
  readonly renewable: boolean;
}

/**
 * Vault as its HTTP API is documented: `concourse/` is a mount of version 1, `v2/` one of version 2. Time is the test's, so
 * that tokens end when it says.
 */
export class VaultDouble extends SecretDouble {
  readonly tokens = new Map<string, VaultToken>();
  /** Login path to what must be sent. */
  readonly logins = new Map<string, Readonly<Record<string, string>>>();
  readonly forbidden = new Set<string>();
  lease = { ttlSeconds: 600, maxSeconds: 1_200, renewable: true };
  leaseOfSecrets = 2_764_800;
  private logged = 0;

  constructor(private readonly now: () => number) {
    super();
  }

  /** How often somebody asked for this. */
  asked(path: string): number {
    return this.seen.filter((request) => request.path === path).length;
  }

  protected answer({ method, path, headers, body }: SeenRequest): Answer {
    if (path === '/v1/sys/health') return json({ initialized: true, sealed: false, version: '1.18.0' });
    const wanted = this.logins.get(path);
    if (wanted) {
      const given = JSON.parse(body.toString() || '{}') as Record<string, string>;
      const isGood = Object.entries(wanted).every(([key, value]) => given[key] === value);
      return isGood ? json({ auth: this.grant(`s.login-${++this.logged}`) }) : errors(400, 'invalid credentials');
    }
    const name = String(headers['x-vault-token'] ?? '');
    const token = this.tokens.get(name);
    if (!token || token.endsAtMs <= this.now()) return errors(403, 'permission denied', 'invalid token');
    if (path === '/v1/auth/token/lookup-self')
      return json({ data: { ttl: (token.endsAtMs - this.now()) / 1_000, renewable: token.renewable } });
    if (path === '/v1/auth/token/renew-self' && method === 'POST') {
      if (!token.renewable) return errors(400, 'lease is not renewable');
      token.endsAtMs = Math.min(this.now() + this.lease.ttlSeconds * 1_000, token.lastDayMs);
      const seconds = Math.floor((token.endsAtMs - this.now()) / 1_000);
      return json({ auth: { client_token: name, lease_duration: seconds, renewable: true } });
    }
    return this.read(path.replace(/^\/v1\//, ''));
  }

  /** A new token. */
  grant(name: string): Record<string, unknown> {
    const { ttlSeconds, maxSeconds, renewable } = this.lease;
    const lastDayMs = this.now() + maxSeconds * 1_000;
    this.tokens.set(name, { endsAtMs: this.now() + ttlSeconds * 1_000, lastDayMs, renewable });
    return { client_token: name, lease_duration: ttlSeconds, renewable };
  }

  private read(path: string): Answer {
    const mounts = 'sys/internal/ui/mounts/';
    if (path.startsWith(mounts)) {
      const version = path.startsWith(`${mounts}v2/`) ? '2' : '1';
      return json({ data: { path: version === '2' ? 'v2/' : 'concourse/', type: 'kv', options: { version } } });
    }
    const secret = path.replace(/^v2\/data\//, 'v2/');
    if (this.forbidden.has(secret)) return errors(403, '1 error occurred:\n\t* permission denied\n\n');
    const data = this.secrets.get(secret);
    if (data === undefined) return json({ errors: [] }, 404);
    if (path.startsWith('v2/data/')) return json({ lease_duration: 0, data: { data, metadata: { version: 1 } } });
    return path.startsWith('v2/') ? json({ errors: [] }, 404) : json({ lease_duration: this.leaseOfSecrets, data });
  }
}

const errors = (status: number, ...said: readonly string[]): Answer => json({ errors: said }, status);

/** AWS Systems Manager and Secrets Manager as their HTTP API is documented. Names to text, or to bytes in Secrets Manager. */
export class AwsDouble extends SecretDouble {
  readonly forbidden = new Set<string>();

  protected answer({ headers, body }: SeenRequest): Answer {
    const target = String(headers['x-amz-target']);
    if (!String(headers.authorization).startsWith('AWS4-HMAC-SHA256 Credential=AKIATEST/'))
      return awsError('UnrecognizedClientException', 'The security token included in the request is invalid.');
    const given = JSON.parse(body.toString()) as Record<string, string>;
    const name = given['Name'] ?? given['Path'] ?? given['SecretId'] ?? '';
    if (this.forbidden.has(name)) return awsError('AccessDeniedException', 'User: ci is not authorized to read it');
    if (target === 'secretsmanager.GetSecretValue') return this.secretValue(name);
    if (target === 'AmazonSSM.GetParameter') return this.parameter(name);
    if (target === 'AmazonSSM.GetParametersByPath') return this.parametersBelow(name, Number(given['NextToken'] ?? 0));
    return awsError('UnknownOperationException', target);
  }

  private secretValue(name: string): Answer {
    const secret = this.secrets.get(name);
    if (secret === undefined) return awsError('ResourceNotFoundException', 'there is no such secret');
    if (Buffer.isBuffer(secret)) return json({ Name: name, SecretBinary: secret.toString('base64') });
    return json({ Name: name, SecretString: secret });
  }

  private parameter(name: string): Answer {
    const value = this.secrets.get(name);
    if (value === undefined) return awsError('ParameterNotFound', '');
    return json({ Parameter: { Name: name, Type: 'SecureString', Value: value } });
  }

  /** Two to a page. */
  private parametersBelow(path: string, from: number): Answer {
    const all = [...this.secrets].filter(([name]) => name.startsWith(`${path}/`));
    const page = all.slice(from, from + 2).map(([Name, Value]) => ({ Name, Value }));
    return json({ Parameters: page, ...(all.length > from + 2 ? { NextToken: String(from + 2) } : {}) });
  }
}

function awsError(name: string, message: string): Answer {
  return { ...json({ __type: name, message }, 400), headers: { 'content-type': 'application/x-amz-json-1.1' } };
}

/** The API of Kubernetes as documented: `<namespace>/<name>` to the fields of a secret. */
export class KubernetesDouble extends SecretDouble {
  readonly forbidden = new Set<string>();
  token = 'pod-token';

  protected answer({ path, headers }: SeenRequest): Answer {
    if (headers.authorization !== `Bearer ${this.token}`) return status(401, 'Unauthorized');
    if (path === '/version') return json({ major: '1', minor: '33' });
    const [, namespace = '', name = ''] = /^\/api\/v1\/namespaces\/([^/]+)\/secrets\/([^/]+)$/.exec(path) ?? [];
    const place = `${namespace}/${name}`;
    if (this.forbidden.has(place)) return status(403, `secrets "${name}" is forbidden: User "ci" cannot get it`);
    const fields = this.secrets.get(place) as Record<string, string> | undefined;
    if (fields === undefined) return status(404, `secrets "${name}" not found`);
    const data = Object.entries(fields).map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
    return json({ kind: 'Secret', data: Object.fromEntries(data) });
  }
}

function status(code: number, message: string): Answer {
  return json({ kind: 'Status', status: 'Failure', message, code }, code);
}
