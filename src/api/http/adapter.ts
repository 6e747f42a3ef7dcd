import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import type { IncomingMessage } from 'node:http';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { VERSION, type Settings } from '../../platform/index.js';
import { misfitOf } from './fit-text.js';
import { InvalidRequest } from './validate.js';
import { routeUpgrades } from './web-sockets.js';

/** A pipeline config of thousands of jobs is about 2 MB. */
const LARGEST_BODY_BYTES = 16 * 1024 * 1024;

const SECURITY_HEADERS = {
  'x-frame-options': 'deny',
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-download-options': 'noopen',
  'cache-control': 'no-store, private',
  'referrer-policy': 'no-referrer',
};

/**
 * The web server as the wire contract wants it: bodies of any type or none, a request id on every answer, security headers,
 * and `application/json` without a charset, by which `fly` knows a config answer.
 */
export function createHttpAdapter(settings: Settings): FastifyAdapter {
  const adapter = new FastifyAdapter({
    bodyLimit: LARGEST_BODY_BYTES,
    routerOptions: { maxParamLength: 2_000 },
    genReqId: requestId,
    trustProxy: settings.trustedProxies.length > 0 && [...settings.trustedProxies],
    // Open requests end in order; the event streams, which never end, cut their own sockets.
    forceCloseConnections: 'idle',
    return503OnClosing: true,
  });
  const server = adapter.getInstance();
  const headers = { ...SECURITY_HEADERS, 'x-concourse-version': settings.concourseVersion, 'x-weir-version': VERSION };
  server.addHook('onRequest', async (request: FastifyRequest, reply: FastifyReply) => {
    reply.headers({ ...headers, 'x-request-id': request.id });
  });
  server.addHook('preValidation', async ({ params, query, body }: FastifyRequest) => {
    for (const [what, value] of Object.entries({ 'the path': params, 'the query': query, 'the request body': body })) {
      const misfit = Buffer.isBuffer(value) || value instanceof Readable ? undefined : misfitOf(value);
      if (misfit !== undefined) throw new InvalidRequest(what, [{ path: '', message: misfit }]);
    }
  });
  server.addHook('onSend', async (_request: FastifyRequest, reply: FastifyReply, payload: unknown) => {
    const type = reply.getHeader('content-type');
    if (type === 'application/json; charset=utf-8') reply.header('content-type', 'application/json');
    return payload;
  });
  routeUpgrades(server);
  server.removeAllContentTypeParsers();
  // Through the adapter, so that Nest adds no parsers of its own.
  adapter.useBodyParser('application/json', false, {}, (_request, body, done) => parseJson(body.toString(), done));
  adapter.useBodyParser('application/x-www-form-urlencoded', false, {}, (_request, body, done) => {
    done(null, Object.fromEntries(new URLSearchParams(body.toString())));
  });
  // Files that people bring: whoever wants them reads them as they come.
  server.addContentTypeParser('application/octet-stream', (_request, body, done) => done(null, body));
  adapter.useBodyParser('*', false, {}, (_request, body, done) => done(null, body));
  return adapter;
}

/** The id that a proxy or client gave the request, if it is one that can stand in logs and headers. */
function requestId({ headers }: IncomingMessage): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && /^[\w.:-]{8,128}$/.test(given) ? given : randomUUID();
}

/** An empty body is none, whatever its type says. */
function parseJson(text: string, done: (error: Error | null, body?: unknown) => void): void {
  if (text.trim() === '') return done(null, undefined);
  try {
    done(null, JSON.parse(text));
  } catch (error) {
    done(Object.assign(new Error(`the request body is not JSON: ${(error as Error).message}`), { statusCode: 400 }));
  }
}
