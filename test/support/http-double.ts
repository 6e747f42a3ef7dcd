import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

export type Answer = {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: string | Buffer;
  /** The connection breaks after so many bytes of the body. */
  readonly breakAfter?: number;
  /** It never comes. */
  readonly isSilent?: boolean;
};

/** A server on 127.0.0.1 that answers as the test says and remembers what it was asked. */
export class HttpDouble {
  readonly seen: SeenRequest[] = [];
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: http.Server,
    private readonly scheme: string,
  ) {
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
  }

  static async start(
    answer: (request: SeenRequest) => Answer,
    tls?: { readonly key: string; readonly cert: string },
  ): Promise<HttpDouble> {
    const listen = (request: IncomingMessage, response: ServerResponse) =>
      void double.handle(request, response, answer);
    const server = tls === undefined ? http.createServer(listen) : https.createServer(tls, listen);
    const double = new HttpDouble(server, tls === undefined ? 'http' : 'https');
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return double;
  }

  get host(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get url(): string {
    return `${this.scheme}://${this.host}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async handle(
    request: IncomingMessage,
    response: ServerResponse,
    answer: (request: SeenRequest) => Answer,
  ): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const url = new URL(request.url ?? '/', this.url);
    const { method = '', headers } = request;
    const seen = { method, headers, path: url.pathname, query: url.searchParams, body: Buffer.concat(chunks) };
    this.seen.push(seen);
    const { status = 200, headers: more = {}, body = '', breakAfter, isSilent } = answer(seen);
    if (isSilent) return;
    const bytes = Buffer.from(body);
    response.writeHead(status, { 'content-length': String(bytes.length), ...more });
    if (breakAfter === undefined) {
      response.end(method === 'HEAD' ? undefined : bytes);
      return;
    }
    response.write(bytes.subarray(0, breakAfter), () => response.destroy());
  }
}

/** A certificate for 127.0.0.1 that only those trust who have it; undefined (said loudly) without openssl. */
export function selfSigned(): { readonly key: string; readonly cert: string } | undefined {
  const dir = mkdtempSync(join(tmpdir(), 'weir-test-tls-'));
  const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const options = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  try {
    execFileSync('openssl', ['req', '-x509', ...options, ...subject, '-keyout', key, '-out', cert], {
      stdio: 'ignore',
    });
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  } catch {
    console.warn('SKIPPED: tests of TLS need openssl');
    return undefined;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
