import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { apiDocument } from '../../src/api/index.js';

let validators:
  ((method: string, route: string, status: number, type: string) => ValidateFunction | string) | undefined;

/**
 * Holds every answer of a server against the API's document: the status must be in it, the media type, and JSON must have the
 * shape, without unknown fields. `problems` is filled with what is not so, each kind once.
 */
export function watchConformance(server: FastifyInstance, problems: Set<string>): void {
  server.addHook('onSend', async (request: FastifyRequest, reply: FastifyReply, payload: unknown) => {
    const problem = problemOf(request, reply, payload);
    if (problem !== undefined) problems.add(problem);
    return payload;
  });
}

function problemOf(
  { method, routeOptions }: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
): string | undefined {
  const { url } = routeOptions;
  // Paths that are not served have no place in the document, and HEAD is answered as GET is.
  if (url === undefined || url.endsWith('*') || !['GET', 'POST', 'PUT', 'DELETE'].includes(method)) return undefined;
  const type = String(reply.getHeader('content-type') ?? '').split(';')[0] ?? '';
  const text = typeof payload === 'string' || Buffer.isBuffer(payload) ? payload.toString() : undefined;
  const isEmpty = payload === undefined || payload === null || text === '';
  const what = `${method} ${url} → ${reply.statusCode} ${isEmpty ? '' : type}`;
  validators ??= compile();
  const validate = validators(method, url, reply.statusCode, isEmpty ? '' : type);
  if (typeof validate === 'string') return `${what}: ${validate}`;
  if (type !== 'application/json' || text === undefined || validate(JSON.parse(text))) return undefined;
  const [error] = validate.errors ?? [];
  return `${what}: ${error?.instancePath.replace(/\d+/g, '#')} ${error?.message} ${JSON.stringify(error?.params)} in ${text.slice(0, 300)}`;
}

/** One compiler for all servers of a test file. */
function compile(): NonNullable<typeof validators> {
  const { paths, components } = apiDocument();
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema({ components }, 'api');
  const any = ajv.compile({});
  const known = new Map<object, ValidateFunction>();
  return (method, route, status, type) => {
    const operation = paths[route.replace(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()];
    if (!operation) return 'the route is not in the document';
    const stands = operation.responses[status];
    if (!stands) return 'the status is not in the document';
    const name = typeof stands['$ref'] === 'string' ? stands['$ref'].split('/').at(-1)! : undefined;
    const answer = name === undefined ? stands : (components['responses'] as Record<string, typeof stands>)[name]!;
    const content = (answer['content'] ?? {}) as Record<string, { schema?: object }>;
    if (type === '') return Object.keys(content).length === 0 || status >= 300 ? any : 'the body is missing';
    const media = content[type];
    if (!media) return 'the media type is not in the document';
    if (!media.schema) return any;
    let validate = known.get(media.schema);
    if (!validate) {
      const schema = JSON.parse(JSON.stringify(media.schema).replaceAll('"#/', '"api#/')) as object;
      known.set(media.schema, (validate = ajv.compile(schema)));
    }
    return validate;
  };
}
