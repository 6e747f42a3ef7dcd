import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { rootCertificates } from 'node:tls';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { ResourceFailure, type CheckContext } from '../../src/resources/contract.js';

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: HttpBody;
  /** Default 5. One for a body that can be sent only once. */
  readonly attempts?: number;
}

export interface HttpBody {
  readonly sizeBytes: number;
  /** Called once per attempt. */
  open(): AsyncIterable<Uint8Array>;
}

/** An answer whose body is not read yet; whoever gets it reads or destroys it. */
export interface HttpAnswer {
  /** Who answered, at the end of all redirects. */
  readonly url: URL;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readable;
}

/** No byte for this long and the connection counts as broken. */
const IDLE_TIMEOUT_MS = 60_000;
const MAX_WAIT_MS = 60_000;
const FIRST_WAIT_MS = 250;
const READ_ATTEMPTS = 3;
const MAX_DROPPED_BYTES = 64 * 1024;
const MAX_REDIRECTS = 5;

/** The connection ended before the answer did. */
class BrokenAnswer extends Error {}

/** Certificates and time-outs of connections, and how often one is tried again. One for each check, get or put. */
export class HttpClient {
  private readonly agents: { readonly 'http:': http.Agent; readonly 'https:': https.Agent };
  private readonly debug: boolean;

  constructor(
    private readonly context: CheckContext,
    options: {
      readonly caCerts?: readonly string[];
      readonly skipsVerification?: boolean;
      readonly debug?: boolean;
    },
  ) {
    this.debug = options.debug === true;
    this.agents = {
      'http:': new http.Agent({ keepAlive: true }),
      'https:': new https.Agent({
        keepAlive: true,
        rejectUnauthorized: options.skipsVerification !== true,
        ...(options.caCerts === undefined ? {} : { ca: [...rootCertificates, ...options.caCerts] }),
      }),
    };
  }

  close(): void {
    for (const agent of Object.values(this.agents)) agent.destroy();
  }

  /**
   * Sends until there is an answer other than "busy" (429 and some 5xx), with growing pauses or those that the server asks
   * for. @throws the signal's reason after an abort; an error with the host's name when no connection holds.
   */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    const attempts = request.attempts ?? 5;
    for (let attempt = 1; ; attempt++) {
      const isLast = attempt >= attempts;
      let waitMs = FIRST_WAIT_MS * 2 ** (attempt - 1);
      try {
        const answer = await this.once(request);
        if (isLast || ![408, 429, 500, 502, 503, 504].includes(answer.status)) return answer;
        drop(answer);
        waitMs = this.askedWaitMs(answer) ?? waitMs;
        if (waitMs > MAX_WAIT_MS) return answer;
      } catch (error) {
        this.context.signal.throwIfAborted();
        if (isLast || isHopeless(error)) throw unreachable(request.url, error);
      }
      await this.pause(waitMs);
    }
  }

  /**
   * As {@link send}, going where the answer points to. Headers named in `secret` go to the first host only, and a secured
   * connection is never left for an open one.
   */
  async follow(request: HttpRequest, secret: readonly string[]): Promise<HttpAnswer> {
    let { url, headers = {} } = request;
    for (let hops = 0; ; hops++) {
      const answer = await this.send({ ...request, url, headers });
      const location = answer.headers['location'];
      if (![301, 302, 303, 307, 308].includes(answer.status) || location === undefined) return answer;
      drop(answer);
      if (hops === MAX_REDIRECTS) throw new ResourceFailure(`${nameOf(url)} redirects again and again`);
      if (!URL.canParse(location, url.href)) throw new ResourceFailure(`${nameOf(url)} redirects to no address`);
      const next = new URL(location, url);
      if (!['http:', 'https:'].includes(next.protocol) || (url.protocol === 'https:' && next.protocol === 'http:')) {
        throw new ResourceFailure(`${nameOf(url)} redirects to ${nameOf(next)}, which is not secured`);
      }
      if (next.origin !== url.origin) {
        headers = Object.fromEntries(Object.entries(headers).filter(([name]) => !secret.includes(name.toLowerCase())));
      }
      url = next;
    }
  }

  /** Does the work again when a connection broke while an answer was read. */
  async unbroken<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        this.context.signal.throwIfAborted();
        if (attempt === READ_ATTEMPTS || !(error instanceof BrokenAnswer)) throw error;
        await this.pause(FIRST_WAIT_MS * 2 ** attempt);
      }
    }
  }

  /** Waits. @throws the signal's reason after an abort. */
  async pause(ms: number): Promise<void> {
    const { signal } = this.context;
    await delay(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
  }

  private async once(request: HttpRequest): Promise<HttpAnswer> {
    this.context.signal.throwIfAborted();
    const message = await this.exchange(request);
    const status = message.statusCode ?? 0;
    if (this.debug) this.context.log(`${request.method} ${nameOf(request.url)} ${status}\n`);
    const headers = Object.entries(message.headers).map(([name, value]) => [name, [value].flat().join(', ')]);
    return { url: request.url, status, headers: Object.fromEntries(headers) as Record<string, string>, body: message };
  }

  private exchange({ method, url, headers, body }: HttpRequest): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const isSecure = url.protocol === 'https:';
      const request = (isSecure ? https : http).request(url, {
        method,
        agent: this.agents[isSecure ? 'https:' : 'http:'],
        signal: this.context.signal,
        timeout: IDLE_TIMEOUT_MS,
        headers: { 'user-agent': 'weir', ...headers, ...(body && { 'content-length': String(body.sizeBytes) }) },
      });
      request.on('timeout', () => request.destroy(new Error('it did not answer in time')));
      request.on('error', reject);
      request.on('response', (response) => {
        response.on('error', () => undefined); // whoever reads it sees the error; nobody may be reading
        resolve(response);
      });
      if (body === undefined) request.end();
      else void pour(body.open(), request).catch((error: Error) => request.destroy(error));
    });
  }

  /** What `Retry-After` asks for; undefined when it does not. */
  private askedWaitMs({ headers }: HttpAnswer): number | undefined {
    const asked = headers['retry-after'];
    if (asked === undefined) return undefined;
    if (/^\d+$/.test(asked)) return Number(asked) * 1000;
    const at = Date.parse(asked);
    return Number.isNaN(at) ? undefined : Math.max(0, at - this.context.now().getTime());
  }
}

/** Reads all of the body; see {@link HttpClient.unbroken}. @throws ResourceFailure when it is longer. */
export async function readBody({ url, body }: HttpAnswer, maxBytes: number, what: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBytes) throw new ResourceFailure(`${what} is longer than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof ResourceFailure) throw error;
    throw new BrokenAnswer(`the answer of ${url.host} broke off: ${(error as Error).message}`, { cause: error });
  }
  return Buffer.concat(chunks);
}

/** The value of a JSON text; undefined when it is none. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString());
  } catch {
    return undefined;
  }
}

/** Lets go of an answer whose body nobody wants; the connection is kept if that costs little. */
export function drop({ body }: HttpAnswer): void {
  let size = 0;
  body.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > MAX_DROPPED_BYTES) body.destroy();
  });
}

/** How an address is called in messages: its query may hold secrets. */
export function nameOf(url: URL): string {
  return `${url.host}${url.pathname}`;
}

/** True when the other side did not speak TLS, or nobody listens there. */
export function isNoTls(error: unknown): boolean {
  return /^(?:EPROTO|ERR_SSL_\w+|ECONNREFUSED|ECONNRESET)$/.test(codeOf(error));
}

async function pour(bytes: AsyncIterable<Uint8Array>, request: http.ClientRequest): Promise<void> {
  for await (const chunk of bytes) {
    if (request.destroyed) return;
    if (request.write(chunk)) continue;
    await new Promise<void>((resolve) => {
      const go = () => {
        request.off('drain', go).off('close', go);
        resolve();
      };
      request.on('drain', go).on('close', go);
    });
  }
  request.end();
}

/** Trying again does not help when nobody has the name, nobody listens, or the certificate is not trusted. */
function isHopeless(error: unknown): boolean {
  return /^(?:ENOTFOUND|ECONNREFUSED|EPROTO|ERR_SSL_\w+|ERR_TLS_\w+|CERT_\w+|\w+_CERT\w*|\w+_SIGNATURE|HPE_\w+)$/.test(
    codeOf(error),
  );
}

function codeOf(error: unknown): string {
  const { code, cause } = error as { code?: string; cause?: unknown };
  return code ?? (cause === undefined ? '' : codeOf(cause));
}

function unreachable(url: URL, error: unknown): Error {
  if (error instanceof ResourceFailure) return error;
  return new Error(`cannot reach ${url.host}: ${(error as Error).message || codeOf(error)}`, { cause: error });
}
