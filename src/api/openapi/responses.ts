import { namesIn, type Gate, type MatrixRow } from '../../auth/index.js';
import type { Operation, ResponseHeader } from './operations.js';
import { reference, requestSchema, type Json } from './schemas.js';
import type { ServedRoute } from './served-routes.js';
import type { Answer } from './shapes.js';
import { REFUSALS } from './words.js';

/** Every answer that a route may give, by status. */
export function responsesOf(
  route: ServedRoute,
  { rule: { gate } }: MatrixRow,
  operation: Operation,
): Record<string, Json> {
  const { statuses = [route.status], refuses = [], odd = {} } = operation;
  const hasParameters = namesIn(route.path).length > 0;
  const refused = [
    400, // whatever is sent: no route takes a NUL character
    ...(gate === 'free' ? [] : [401, 403]),
    ...(hasParameters ? [404] : []),
    ...(route.method === 'GET' ? [] : [413]),
    ...(isRepeatable(route, gate) ? [409, 422] : []),
    ...refuses,
    ...[429, 500, 503],
  ];
  return Object.fromEntries([
    ...statuses.map((status) => [status, success(status, route, operation)] as const),
    ...[...new Set(refused)].map((status) => {
      const [name, says] = REFUSALS[status] ?? [];
      if (name === undefined || says === undefined) throw new Error(`REFUSALS has no words for ${status}`);
      const isPage = operation.type === 'text/html';
      return [status, isPage ? refusal(status, says, isPage) : { $ref: `#/components/responses/${name}` }] as const;
    }),
    ...Object.entries(odd).map(([status, shape]) => {
      const says = REFUSALS[Number(status)]?.[1] ?? '';
      return [
        status,
        { description: says, content: { ...errorContent(), 'application/json': { schema: either(shape) } } },
      ] as const;
    }),
  ]);
}

/** Does it look at `Idempotency-Key`? */
export function isRepeatable({ method }: ServedRoute, gate: Gate): boolean {
  return method === 'POST' && gate !== 'free';
}

/** The odd shape, or the common one where something else is wrong. */
function either(shape: Answer): Json {
  return { anyOf: [answerSchema(shape), reference('Error')] };
}

function answerSchema(shape: Answer): Json {
  return typeof shape === 'string' ? reference(shape) : { type: 'array', items: reference(shape[0]) };
}

function success(status: number, route: ServedRoute, { answers, type = route.type, headers = [] }: Operation): Json {
  const content =
    status >= 300 || status === 204
      ? undefined
      : answers !== undefined
        ? { 'application/json': { schema: answerSchema(answers) }, ...jsonLines(route) }
        : type !== undefined
          ? { [type]: {} }
          : undefined;
  return {
    description: SUCCESS[status] ?? 'Done.',
    headers: headersOf(headers),
    ...(content ? { content } : {}),
  };
}

const SUCCESS: Readonly<Record<number, string>> = {
  101: 'The connection is a web socket from now on.',
  201: 'Made.',
  204: 'Done; there is nothing to say.',
  301: 'Elsewhere, for good.',
  302: 'Elsewhere.',
  303: 'Elsewhere.',
  307: 'Elsewhere.',
};

function jsonLines({ querySchema }: ServedRoute): Json {
  const fields = querySchema ? requestSchema(querySchema)['properties'] : undefined;
  return typeof fields === 'object' && fields !== null && 'format' in fields ? { 'application/jsonl': {} } : {};
}

function headersOf(names: readonly ResponseHeader[]): Json {
  return Object.fromEntries(['X-Request-Id', ...names].map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

/** An error in the common shape; routes that are pages may show it as one. */
export function refusal(status: number, description: string, isPage = false): Json {
  return {
    description,
    headers: { ...headersOf([]), ...(status === 429 || status === 503 ? { 'Retry-After': RETRY_AFTER } : {}) },
    content: { ...errorContent(), ...(isPage ? { 'text/html': {} } : {}) },
  };
}

const RETRY_AFTER: Json = { $ref: '#/components/headers/Retry-After' };

function errorContent(): Json {
  return { 'application/json': { schema: reference('Error') }, 'text/plain': {} };
}
