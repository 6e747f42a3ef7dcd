import https from 'node:https';
import { Readable } from 'node:stream';

/** How to trust a server, and how to show who we are. All PEM. */
export interface TlsOptions {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** False: whoever answers is believed. */
  readonly rejectUnauthorized?: boolean;
}

/** Statuses whose answers have no body at all. */
const BODILESS = [204, 205, 304];

/** `fetch`, for servers whose certificates the machine does not know: Node's own cannot be told of one more. */
export function tlsFetch(options: TlsOptions): typeof fetch {
  const agent = new https.Agent({ ...options, keepAlive: false });
  return (url, init = {}) =>
    new Promise((resolve, reject) => {
      const headers = Object.fromEntries(new Headers(init.headers));
      const { method = 'GET', body, signal } = init;
      const request = https.request(new URL(url instanceof Request ? url.url : url), {
        method,
        headers,
        agent,
        ...(signal ? { signal } : {}),
      });
      request.on('error', (cause) => reject(new TypeError('fetch failed', { cause })));
      request.on('response', (answer) => {
        const { statusCode: status = 0, rawHeaders } = answer;
        const pairs = rawHeaders.flatMap((name, i): [string, string][] =>
          i % 2 === 0 ? [[name, rawHeaders[i + 1] ?? '']] : [],
        );
        const content = BODILESS.includes(status) ? null : (Readable.toWeb(answer) as unknown as ReadableStream);
        resolve(new Response(content, { status, headers: pairs }));
      });
      if (body instanceof ReadableStream) {
        Readable.fromWeb(body)
          .on('error', (error) => request.destroy(error))
          .pipe(request);
      } else if (body instanceof URLSearchParams) {
        request.setHeader('content-type', 'application/x-www-form-urlencoded;charset=UTF-8');
        request.end(body.toString());
      } else request.end(body ?? undefined);
    });
}
