import { namesIn } from '../../auth/index.js';
import { exampleOf } from './examples.js';
import type { Operation } from './operations.js';
import { requestSchema, type Json } from './schemas.js';
import type { ServedRoute } from './served-routes.js';
import type { OpenApiParameter } from './types.js';
import { PARAMETERS } from './words.js';

/** What a request may bring beside its body. */
export function parametersOf(route: ServedRoute, { query = {} }: Operation): OpenApiParameter[] {
  const inPath = namesIn(route.path).map((name) => ({
    name,
    in: 'path' as const,
    required: true,
    description: PARAMETERS[name] ?? `Of the ${name}.`,
    schema: route.ids.includes(name) ? { type: 'integer', minimum: 0 } : { type: 'string' },
    example: route.ids.includes(name) ? 4711 : (EXAMPLE_NAMES[name] ?? 'unit'),
  }));
  const read = route.querySchema && requestSchema(route.querySchema);
  const fields = Object.entries((read?.['properties'] ?? {}) as Readonly<Record<string, Json>>);
  const described = fields.map(([name, schema]) => queryParameter(name, schema, PARAMETERS[name]));
  const known = new Set([...fields.map(([name]) => name), ...Object.keys(query)]);
  const bare = route.query.filter((name) => !known.has(name));
  const instance = /^\/api\/v1\/teams\/:\w+\/pipelines\/:\w+/.test(route.path) ? [INSTANCE_VARS] : [];
  const headers = route.headers.flatMap((name) => READ_HEADERS[name] ?? []);
  return [
    ...inPath,
    ...instance,
    ...described,
    ...Object.entries(query).map(([name, says]) => queryParameter(name, { type: 'string' }, says)),
    ...bare.map((name) => queryParameter(name, { type: 'string' }, PARAMETERS[name])),
    ...headers,
  ];
}

function queryParameter(name: string, schema: Json, description: string | undefined): OpenApiParameter {
  return {
    name,
    in: 'query',
    ...(description === undefined ? {} : { description }),
    schema: name === 'filter' || name === 'tags' ? { type: 'array', items: schema } : schema,
    example: name === 'filter' ? ['ref:3f78685'] : exampleOf(schema, () => ({}), name),
  };
}

const EXAMPLE_NAMES: Readonly<Record<string, string>> = {
  team: 'main',
  pipeline: 'shop',
  job: 'unit',
  build: '42',
  resource: 'repo',
  source: 'infra',
  worker: 'host',
};

const INSTANCE_VARS: OpenApiParameter = {
  name: 'vars',
  in: 'query',
  description:
    'Which instance of the pipeline: its vars as a JSON object. The same as `vars.<dotted name>=<JSON>`, as often as needed.',
  content: { 'application/json': { schema: { type: 'object' }, example: { branch: 'main' } } },
};

/** Of every POST that needs a caller. */
export const IDEMPOTENCY_KEY: OpenApiParameter = {
  name: 'Idempotency-Key',
  in: 'header',
  description:
    'Any text of its own for each request: sent again by the same token within 24 hours, the request is not done again but answered as the first time (`Idempotency-Replayed: true`).',
  schema: { type: 'string', pattern: '^[!-~]{1,255}$' },
  example: '7d1f0a4e-5f0a-4c1b-9c53-0d8a6c1b2f60',
};

const READ_HEADERS: Readonly<Record<string, OpenApiParameter>> = {
  'x-concourse-config-version': {
    name: 'X-Concourse-Config-Version',
    in: 'header',
    description:
      'The version that the sender believes to be stored; empty: there is none. Without it, whatever is there is replaced.',
    schema: { type: 'string', pattern: '^\\d{0,15}$' },
    example: '7',
  },
  'last-event-id': {
    name: 'Last-Event-ID',
    in: 'header',
    description: 'The last event that the client has; the stream goes on after it.',
    schema: { type: 'string', pattern: '^\\d{0,9}$' },
    example: '17',
  },
};
