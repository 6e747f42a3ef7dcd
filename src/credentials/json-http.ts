import http, { type OutgoingHttpHeaders } from 'node:http';
import https, { type AgentOptions } from 'node:https';
import { SourceError } from './secret-source.js';

/** Whom to trust, and as whom to come. All certificates and keys are PEM. */
export interface TlsSettings {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly serverName?: string | undefined;
  readonly isUnchecked?: boolean;
}

export interface JsonAnswer {
  readonly status: number;
  /** Undefined when the answer is no JSON. */
  readonly body: unknown;
}

interface JsonRequest {
  readonly method: 'GET' | 'POST';
  /** Below the base, already encoded. */
  readonly path: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: unknown;
}

/** No secret is this long; who sends more is not whom we wanted. */
const MAX_BYTES = 4 * 1024 * 1024;
const MAX_REDIRECTS = 2;

/** JSON over HTTP to one server, on connections that are kept. */
export class JsonHttp {
  private readonly base: URL;
  private readonly agent: http.Agent;

  constructor(
    base: string,
    tls: TlsSettings,
    private readonly timeoutMs: number,
  ) {
    this.base = new URL(base);
    const options: AgentOptions = {
      keepAlive: true,
      maxSockets: 16,
      ...(tls.ca === undefined ? {} : { ca: tls.ca }),
      ...(tls.cert === undefined ? {} : { cert: tls.cert }),
      ...(tls.key === undefined ? {} : { key: tls.key }),
      ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
      rejectUnauthorized: tls.isUnchecked !== true,
    };
    try {
      this.agent = this.base.protocol === 'https:' ? new https.Agent(options) : new http.Agent(options);
    } catch (error) {
      throw new SourceError('its certificates cannot be used', false, { cause: error });
    }
  }

  /**
   * Any status is an answer. Redirects of servers that stand by (307, 308) are followed, but never to one without TLS.
   * @throws SourceError when there is none: passing, unless the certificate is to blame.
   */
  async ask(request: JsonRequest): Promise<JsonAnswer> {
    let url = new URL(this.base.origin + this.base.pathname.replace(/\/+$/, '') + request.path);
    for (let redirects = 0; ; redirects++) {
      const answer = await this.send(url, request);
      if (![307, 308].includes(answer.status) || redirects === MAX_REDIRECTS) return answer;
      const to = answer.location === undefined ? undefined : new URL(answer.location, url);
      if (to?.protocol !== this.base.protocol)
        throw new SourceError(`${this.base.host} redirects to where it may not`, false);
      url = to;
    }
  }

  private send(url: URL, { method, headers, body }: JsonRequest): Promise<JsonAnswer & { location?: string }> {
    const { request } = url.protocol === 'https:' ? https : http;
    const signal = AbortSignal.timeout(this.timeoutMs);
    const sent = body === undefined ? undefined : JSON.stringify(body);
    const type = sent === undefined ? {} : { 'content-type': 'application/json' };
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => reject(signal.aborted ? this.tooSlow() : this.asSourceError(error));
      const call = request(
        url,
        { method, agent: this.agent, signal, headers: { accept: 'application/json', ...type, ...headers } },
        (answer) => {
          const chunks: Buffer[] = [];
          let bytes = 0;
          answer.on('data', (chunk: Buffer) => {
            bytes += chunk.length;
            chunks.push(chunk);
            if (bytes <= MAX_BYTES) return;
            reject(new SourceError(`${this.base.host} answers with too much`, false));
            call.destroy();
          });
          answer.on('error', fail);
          answer.on('end', () => {
            const { location } = answer.headers;
            const body = parsed(Buffer.concat(chunks).toString('utf8'));
            resolve({ status: answer.statusCode ?? 0, body, ...(location === undefined ? {} : { location }) });
          });
        },
      );
      call.on('error', fail);
      call.end(sent);
    });
  }

  private tooSlow(): SourceError {
    return new SourceError(`${this.base.host} gave no answer within ${this.timeoutMs / 1000} s`, true);
  }

  private asSourceError(error: Error): SourceError {
    if (error instanceof SourceError) return error;
    const { code = error.message } = error as NodeJS.ErrnoException;
    return new SourceError(`${this.base.host} cannot be reached: ${code}`, isConnectionTrouble(error), {
      cause: error,
    });
  }
}

/** Is it the network, which may be better soon, and not the certificate or the request? */
export function isConnectionTrouble(error: unknown): boolean {
  const codes = ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EAI_AGAIN', 'ENOTFOUND', 'EHOSTUNREACH'];
  const { code } = error as NodeJS.ErrnoException;
  return code !== undefined && [...codes, 'ENETUNREACH', 'ECONNABORTED'].includes(code);
}

/** Does a status tell that another try may do? */
export function isPassingStatus(status: number): boolean {
  return status >= 500 || status === 429;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
