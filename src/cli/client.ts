import { randomUUID } from 'node:crypto';
import { createParser } from 'eventsource-parser';
import { CliError } from './io.js';
import { pipelineRef } from './pipeline-ref.js';
import { tlsFetch, type TlsOptions } from './tls-fetch.js';

/** Builds a path, percent-escaping every value: names may hold slashes, spaces and any letter. */
export function route(parts: TemplateStringsArray, ...values: readonly (string | number)[]): string {
  return parts.map((part, i) => part + (i < values.length ? encodeURIComponent(String(values[i])) : '')).join('');
}

/** The server said no. */
export class Refused extends CliError {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export interface ServerSentEvent {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: string;
}

interface Call {
  readonly body?: string | ReadableStream<Uint8Array>;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** All that the CLI knows of a server: its public API. */
export class ApiClient {
  private readonly http: typeof fetch;

  constructor(
    /** Without a trailing slash; may have a path. */
    readonly url: string,
    readonly team: string,
    private readonly token: string | undefined,
    /** For servers whose certificate the machine does not know. */
    readonly tls?: TlsOptions,
  ) {
    this.http = tls ? tlsFetch(tls) : fetch;
  }

  /**
   * Path of a pipeline of the target's team.
   * @param written its name, perhaps with instance vars: `app/branch:main`
   * @param rest what follows in the path; may have a query
   */
  pipeline(written: string, rest = ''): string {
    const { name, instanceVars } = pipelineRef(written);
    const path = route`/api/v1/teams/${this.team}/pipelines/${name}` + rest;
    if (!instanceVars) return path;
    return path + (path.includes('?') ? '&' : '?') + route`vars=${JSON.stringify(instanceVars)}`;
  }

  /** The same server and login, for what belongs to another team. */
  ofTeam(team: string): ApiClient {
    return new ApiClient(this.url, team, this.token, this.tls);
  }

  /** Path of another team. */
  teamNamed(name: string): string {
    return route`/api/v1/teams/${name}`;
  }

  get teamPath(): string {
    return route`/api/v1/teams/${this.team}`;
  }

  /** Header that says who asks. */
  get authorization(): Record<string, string> {
    return this.token === undefined ? {} : { authorization: `Bearer ${this.token}` };
  }

  async get<Body>(path: string): Promise<Body> {
    return (await this.call('GET', path)).json() as Promise<Body>;
  }

  /** As {@link get}, but undefined when the server has no such thing. */
  async find<Body>(path: string): Promise<Body | undefined> {
    try {
      return await this.get<Body>(path);
    } catch (error) {
      if (error instanceof Refused && error.status === 404) return undefined;
      throw error;
    }
  }

  /** Sends JSON, or nothing at all. @returns the answer's JSON; undefined when it has none. */
  async send<Body>(method: 'PUT' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<Body> {
    const content = body === undefined ? {} : { body: JSON.stringify(body), contentType: 'application/json' };
    // By its key the server knows a request that comes twice.
    const headers: Record<string, string> = method === 'POST' ? { 'idempotency-key': randomUUID() } : {};
    return parsed<Body>(await (await this.call(method, path, { ...content, headers })).text());
  }

  /** One request. @throws {@link Refused} unless the answer is 2xx, {@link CliError} when there is no answer. */
  async call(method: string, path: string, { body, contentType, headers, signal }: Call = {}): Promise<Response> {
    const response = await this.fetch(method, path, {
      ...(body === undefined ? {} : { body }),
      // What comes piece by piece is sent before the answer begins.
      ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
      ...(signal ? { signal } : {}),
      headers: {
        accept: 'application/json',
        ...this.authorization,
        ...(contentType === undefined ? {} : { 'content-type': contentType }),
        ...headers,
      },
    });
    if (response.ok) return response;
    throw new Refused(response.status, refusalText(response.status, await response.text(), this.url));
  }

  /** Events of one connection, from the one after `lastEventId` on; ends when the connection does, in whatever way. */
  async *events(path: string, lastEventId: string | undefined, signal: AbortSignal): AsyncGenerator<ServerSentEvent> {
    const headers = {
      accept: 'text/event-stream',
      ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
    };
    const response = await this.call('GET', path, { headers, signal });
    const received: ServerSentEvent[] = [];
    const parser = createParser({
      onEvent: ({ id, event, data }) => received.push({ id, event: event ?? 'message', data }),
    });
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.body ?? []) {
        parser.feed(decoder.decode(chunk as Uint8Array, { stream: true }));
        yield* received.splice(0);
      }
    } catch {
      // Cut off: what was missed comes with the next connection.
    }
  }

  /** As {@link call}, but any answer is one. */
  async fetch(method: string, path: string, init: RequestInit = {}): Promise<Response> {
    try {
      return await this.http(this.url + path, { ...init, method });
    } catch (error) {
      if (init.signal?.aborted) throw error;
      const { cause } = error as { cause?: { code?: string; message?: string } };
      const reason =
        cause?.code === 'ECONNREFUSED' ? 'nothing listens there' : (cause?.message ?? (error as Error).message);
      throw new Refused(0, `no answer from ${this.url}: ${reason}; is the server running (\`weir serve\`)?`);
    }
  }
}

function parsed<Body>(text: string): Body {
  return (text === '' ? undefined : JSON.parse(text)) as Body;
}

/** The server's own words when it gave some. */
function refusalText(status: number, text: string, url: string): string {
  if (status === 401) return `not logged in to ${url}, or the login has expired: run \`weir login\``;
  try {
    const { message, stderr, error_description: description, errors } = JSON.parse(text) as Record<string, unknown>;
    if (Array.isArray(errors) && errors.length > 0 && errors.every((e) => typeof e === 'string'))
      return errors.join('\n');
    if (typeof message === 'string') return message;
    if (typeof stderr === 'string') return stderr;
    if (typeof description === 'string') return description;
  } catch {
    // Not JSON: a proxy's page, or plain words.
  }
  return text.length > 0 && text.length < 500 && !text.startsWith('<')
    ? text
    : `the server at ${url} answered with status ${status}`;
}
