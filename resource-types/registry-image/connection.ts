import { z } from 'zod';
import { ResourceFailure, type CheckContext } from '../../src/resources/contract.js';
import { Authenticator, type Credentials } from './auth.js';
import {
  drop,
  HttpClient,
  isNoTls,
  nameOf,
  parseJson,
  readBody,
  type HttpAnswer,
  type HttpBody,
  type HttpRequest,
} from './http.js';
import { isLoopback } from './reference.js';

export interface RegistryOptions {
  readonly host: string;
  /** Path of the repository. */
  readonly name: string;
  readonly credentials?: Credentials;
  readonly allowsPush?: boolean;
  /** Certificates are not verified, and plain HTTP is used when there is no TLS. */
  readonly insecure?: boolean;
  readonly caCerts?: readonly string[];
  readonly debug?: boolean;
}

const MAX_ERROR_BYTES = 1024 * 1024;

const errorAnswer = z.object({
  errors: z.array(z.object({ code: z.string().optional(), message: z.string().optional() })),
});

/** Requests to one repository, authenticated as the registry asks for. {@link close} it. */
export class Connection {
  readonly http: HttpClient;
  private readonly auth: Authenticator;
  private base: Promise<URL> | undefined;

  constructor(
    private readonly context: CheckContext,
    private readonly options: RegistryOptions,
  ) {
    this.http = new HttpClient(context, {
      skipsVerification: options.insecure === true,
      ...(options.caCerts && { caCerts: options.caCerts }),
      ...(options.debug === true && { debug: true }),
    });
    const actions = options.allowsPush === true ? 'pull,push' : 'pull';
    this.auth = new Authenticator(this.http, `repository:${options.name}:${actions}`, options.credentials);
  }

  /** The repository, for messages. */
  get title(): string {
    return `${this.options.host}/${this.options.name}`;
  }

  close(): void {
    this.http.close();
  }

  /** Asks for a path of the repository, and once more when credentials are wanted. */
  async request(
    method: HttpRequest['method'],
    path: string,
    more: { readonly headers?: Readonly<Record<string, string>>; readonly body?: HttpBody } = {},
  ): Promise<HttpAnswer> {
    const root = await this.root();
    const url = new URL(`${this.options.name}/${path}`, root);
    for (let isSecond = false; ; isSecond = true) {
      const { authorization } = this.auth;
      const headers = { ...more.headers, ...(authorization !== undefined && { authorization }) };
      const answer = await this.http.follow({ ...more, method, url, headers }, ['authorization']);
      if (answer.status !== 401 || answer.url.origin !== root.origin) return answer;
      drop(answer);
      if (isSecond) throw new ResourceFailure(`${this.title} refuses the credentials`);
      await this.auth.meet(answer.headers['www-authenticate'], root);
    }
  }

  /** Sends a body to a place that the registry named. Our credentials go there only if it is the registry's own. */
  async upload(url: URL, body: HttpBody): Promise<HttpAnswer> {
    const { authorization } = this.auth;
    const isOwn = url.origin === (await this.root()).origin;
    if (!isOwn && url.protocol !== 'https:') {
      throw new ResourceFailure(`${this.title} wants uploads at an unsecured place`);
    }
    const headers = { 'content-type': 'application/octet-stream', ...(isOwn && authorization && { authorization }) };
    return this.http.send({ method: 'PUT', url, headers, body, attempts: 1 });
  }

  /** Where the API is: over TLS, or plain where that is allowed and there is no TLS. */
  private root(): Promise<URL> {
    return (this.base ??= this.findRoot());
  }

  private async findRoot(): Promise<URL> {
    const { host, insecure } = this.options;
    const secured = new URL(`https://${host}/v2/`);
    if (insecure !== true && !isLoopback(host)) return secured;
    try {
      drop(await this.http.send({ method: 'GET', url: secured, attempts: 1 }));
      return secured;
    } catch (error) {
      this.context.signal.throwIfAborted();
      if (!isNoTls(error)) throw error;
      return new URL(`http://${host}/v2/`);
    }
  }

  /** Says what was refused, in the registry's own words. */
  async refusal(answer: HttpAnswer, what: string): Promise<Error> {
    const bytes = await readBody(answer, MAX_ERROR_BYTES, 'the answer').catch(() => Buffer.alloc(0));
    const errors = errorAnswer.safeParse(parseJson(bytes)).data?.errors ?? [];
    const words = errors.map(({ code, message }) => message ?? code ?? '').filter((text) => text !== '');
    return new ResourceFailure(
      `cannot ${what} in ${this.title}: ${nameOf(answer.url)} answers ${answer.status}${words.map((text) => `, ${text}`).join('')}`,
    );
  }
}
