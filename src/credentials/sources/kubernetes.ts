import { readFile } from 'node:fs/promises';
import { messageOf } from '../../platform/index.js';
import { isPassingStatus, JsonHttp, type JsonAnswer } from '../json-http.js';
import {
  isPathPart,
  SourceError,
  type Secret,
  type SecretOwner,
  type SecretSource,
  type SourceHealth,
} from '../secret-source.js';

/** Where the API is and how to come in. */
export interface KubernetesConfig {
  readonly url: string;
  /** PEM; else the usual certificates are trusted. */
  readonly ca_cert?: string | undefined;
  /** Read at each use: the tokens of pods change every hour. */
  readonly token_file?: string | undefined;
  readonly namespace_prefix?: string | undefined;
}

/** Secrets of Kubernetes, in a namespace for each team: `<pipeline>.<var>`, then `<var>`. */
export class KubernetesSource implements SecretSource {
  readonly isRemote = true;
  readonly title: string;
  readonly settings: Readonly<Record<string, unknown>>;
  private readonly http: JsonHttp;
  private readonly prefix: string;

  constructor(
    private readonly config: KubernetesConfig,
    timeoutMs: number,
  ) {
    this.http = new JsonHttp(config.url, { ca: config.ca_cert }, timeoutMs);
    this.prefix = config.namespace_prefix ?? 'concourse-';
    this.title = `Kubernetes at ${config.url}`;
    this.settings = { url: config.url, namespace_prefix: this.prefix };
  }

  places(name: string, { teamName, pipelineName }: SecretOwner): string[] {
    const names = pipelineName === undefined ? [name] : [`${pipelineName}.${name}`, name];
    const namespace = `${this.prefix}${teamName}`;
    return isPathPart(namespace) && isPathPart(name) ? names.map((secret) => `${namespace}/${secret}`) : [];
  }

  async read(place: string): Promise<Secret | undefined> {
    const [namespace = '', secret = ''] = place.split('/').map(encodeURIComponent);
    const answer = await this.get(`/api/v1/namespaces/${namespace}/secrets/${secret}`);
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) throw refused(answer);
    const { data } = answer.body as { data?: Readonly<Record<string, string>> | null };
    const fields = Object.entries(data ?? {}).map(([key, value]) => [
      key,
      Buffer.from(value, 'base64').toString('utf8'),
    ]);
    const value = Object.fromEntries(fields) as Record<string, string>;
    return { value: Object.hasOwn(value, 'value') ? (value['value'] ?? '') : value };
  }

  async health(): Promise<SourceHealth> {
    const method = '/version';
    try {
      const answer = await this.get(method);
      if (answer.status === 200) return { method, response: answer.body };
      return { method, error: refused(answer).message };
    } catch (error) {
      return { method, error: messageOf(error) };
    }
  }

  private async get(path: string): Promise<JsonAnswer> {
    const { token_file: file } = this.config;
    const authorization = file === undefined ? {} : { authorization: `Bearer ${await readToken(file)}` };
    return this.http.ask({ method: 'GET', path, headers: authorization });
  }
}

function refused({ status, body }: JsonAnswer): SourceError {
  const said = (body as { message?: unknown } | undefined)?.message;
  const words = typeof said === 'string' ? `: ${said.slice(0, 300)}` : '';
  return new SourceError(`Kubernetes refuses to read (${status}${words})`, isPassingStatus(status));
}

async function readToken(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    throw new SourceError(`the file of its token cannot be read: ${messageOf(error)}`, false, { cause: error });
  }
}
