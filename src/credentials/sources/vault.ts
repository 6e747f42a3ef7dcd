import type { JsonObject, JsonValue } from '../../model/index.js';
import { fillSecretTemplate } from '../../pipelines/index.js';
import { messageOf, type Clock } from '../../platform/index.js';
import { isPassingStatus, JsonHttp } from '../json-http.js';
import { isPlain, SourceError, type Secret, type SecretOwner, type SecretSource } from '../secret-source.js';
import { refused, VaultSession, type VaultLogin } from './vault-session.js';

/** The `config` of a var source of type `vault`. */
export interface VaultConfig extends VaultLogin {
  readonly url: string;
  readonly path_prefix?: string;
  readonly lookup_templates?: readonly string[];
  readonly shared_path?: string;
  readonly namespace?: string;
  readonly ca_cert?: string;
  readonly client_cert?: string;
  readonly client_key?: string;
  readonly server_name?: string;
  readonly insecure_skip_verify?: boolean;
}

interface Mount {
  readonly path: string;
  readonly isVersion2: boolean;
}

const TEMPLATES = ['/{{.Team}}/{{.Pipeline}}/{{.Secret}}', '/{{.Team}}/{{.Secret}}'];
/** A mount may be upgraded to version 2 at any time. */
const MOUNT_KEPT_MS = 5 * 60_000;

/** Secrets of HashiCorp Vault, or of OpenBao, in key-value mounts of both versions or any other that answers a read. */
export class VaultSource implements SecretSource {
  readonly isRemote = true;
  readonly title: string;
  readonly settings: Readonly<Record<string, unknown>>;
  private readonly http: JsonHttp;
  private readonly session: VaultSession;
  private readonly mounts = new Map<string, Mount & { readonly until: number }>();

  /** @param owner a pipeline's source may look at the root of the prefix; the server's own may be the machine it runs on. */
  constructor(
    private readonly config: VaultConfig,
    private readonly owner: 'pipeline' | 'server',
    timeoutMs: number,
    private readonly clock: Clock,
  ) {
    const { url, ca_cert: ca, client_cert: cert, client_key: key, server_name: serverName } = config;
    const isUnchecked = config.insecure_skip_verify === true;
    this.http = new JsonHttp(url, { ca, cert, key, serverName, isUnchecked }, timeoutMs);
    this.session = new VaultSession(this.http, config, config.namespace, clock, owner === 'server');
    this.title = `vault at ${url}`;
    const { path_prefix = '/concourse', lookup_templates = TEMPLATES, shared_path, namespace, auth_backend } = config;
    this.settings = {
      url,
      path_prefix,
      lookup_templates,
      shared_path,
      namespace,
      server_name: serverName,
      auth_backend,
    };
  }

  places(name: string, owner: SecretOwner): string[] {
    if (!isPlain(name, owner)) return [];
    const {
      path_prefix: prefix = '/concourse',
      lookup_templates: templates = TEMPLATES,
      shared_path: shared,
    } = this.config;
    const names = { team: owner.teamName, pipeline: owner.pipelineName, secret: name };
    const paths = [
      ...templates.flatMap((template) => fillSecretTemplate(`${prefix}/${template}`, names) ?? []),
      ...(shared ? [`${prefix}/${shared}/${name}`] : []),
      ...(this.owner === 'pipeline' ? [`${prefix}/${name}`] : []),
    ];
    return [...new Set(paths.map(clean))];
  }

  async read(place: string): Promise<Secret | undefined> {
    const mount = await this.mountOf(place);
    const rest = place.slice(mount.path.length);
    const answer = await this.session.get(`/v1/${encoded(mount.isVersion2 ? `${mount.path}data/${rest}` : place)}`);
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) throw refused('refuses to read', answer);
    const { data, lease_duration: seconds } = (answer.body ?? {}) as {
      data?: JsonObject | null;
      lease_duration?: number;
    };
    const fields = (mount.isVersion2 ? data?.['data'] : data) as JsonObject | null | undefined;
    if (!isObject(fields)) throw new SourceError('answers without data', false);
    const isLeased = !mount.isVersion2 && typeof seconds === 'number' && seconds > 0;
    return { value: valueOf(fields), ...(isLeased ? { keepMs: (seconds * 1_000) / 2 } : {}) };
  }

  async health(): Promise<{ method: string; response?: unknown; error?: string }> {
    const method = '/v1/sys/health';
    try {
      const { status, body } = await this.http.ask({ method: 'GET', path: method });
      // Standby nodes answer 429 and 473, and are well.
      if (![200, 429, 472, 473].includes(status)) return { method, error: `vault answers ${status}`, response: body };
      await this.session.token();
      return { method, response: body };
    } catch (error) {
      return { method, error: messageOf(error) };
    }
  }

  keepAlive(): Promise<void> {
    return this.session.keepAlive();
  }

  /** Where the mount of a path ends and whether it has versions, as Vault's own clients find out. */
  private async mountOf(place: string): Promise<Mount> {
    const now = this.clock.now().getTime();
    for (const mount of this.mounts.values()) if (mount.until > now && place.startsWith(mount.path)) return mount;
    const answer = await this.session.get(`/v1/sys/internal/ui/mounts/${encoded(place)}`);
    if (answer.status === 404) return { path: '', isVersion2: false }; // older than mounts with versions
    if (answer.status !== 200)
      throw refused(isPassingStatus(answer.status) ? 'does not answer' : 'refuses the path', answer);
    const { path = '', options } =
      (answer.body as { data?: { path?: string; options?: { version?: string } | null } } | undefined)?.data ?? {};
    const mount = { path, isVersion2: options?.version === '2', until: now + MOUNT_KEPT_MS };
    if (path !== '' && place.startsWith(path)) this.mounts.set(path, mount);
    return mount;
  }
}

function isObject(value: JsonValue | null | undefined): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** Most secrets are one value, kept under this key. */
function valueOf(fields: JsonObject): JsonValue {
  return Object.hasOwn(fields, 'value') && fields['value'] !== undefined ? fields['value'] : fields;
}

/** Without a slash at the front or two in a row. */
function clean(path: string): string {
  return path.split('/').filter(Boolean).join('/');
}

function encoded(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}
