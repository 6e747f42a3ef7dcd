import type { Type } from '@nestjs/common';
import { matrixRow, type MatrixRow } from '../../auth/index.js';
import { VERSION } from '../../platform/index.js';
import { reasonBody } from '../http/validate.js';
import { exampleOf } from './examples.js';
import { OPERATIONS, type Operation } from './operations.js';
import { IDEMPOTENCY_KEY, parametersOf } from './parameters.js';
import { isRepeatable, refusal, responsesOf } from './responses.js';
import { answerSchemas, requestSchema, type Json } from './schemas.js';
import { servedRoutes, type ServedRoute } from './served-routes.js';
import type { OpenApiDocument, OpenApiOperation } from './types.js';
import { DESCRIPTION, GATES, HEADERS, REFUSALS, TAGS } from './words.js';

/** One served route with its row of the role matrix and its words. */
interface Entry {
  readonly route: ServedRoute;
  readonly row: MatrixRow;
  readonly operation: Operation;
  readonly operationId: string;
}

/**
 * The API as the code has it: routes and what they read from the controllers, who may ask from the role matrix, answers from
 * the shapes.
 * @throws when a route has no row in the role matrix or no words in {@link OPERATIONS}.
 */
export function openApiDocument(controllers: readonly Type[]): OpenApiDocument {
  const schemas = answerSchemas();
  const find = (ref: string): Json => schemas[ref.split('/').at(-1) ?? ''] ?? {};
  const withExamples = Object.entries(schemas).map(
    ([id, schema]) => [id, { ...schema, examples: [exampleOf(schema, find)] }] as const,
  );
  const paths: Record<string, Record<string, OpenApiOperation>> = {};
  for (const entry of entriesOf(controllers)) {
    const { route } = entry;
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(entry) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Weir',
      version: VERSION,
      description: DESCRIPTION,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: TAGS,
    paths,
    components: {
      schemas: Object.fromEntries(withExamples),
      responses: Object.fromEntries(
        Object.entries(REFUSALS).map(([status, [name, says]]) => [name, refusal(Number(status), says)]),
      ),
      headers: HEADERS,
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'A token of a login, a personal or a robot token.' },
        cookie: {
          type: 'apiKey',
          in: 'cookie',
          name: 'skymarshal_auth',
          description: 'A session of a browser. Whatever is no GET needs the header X-Csrf-Token as well.',
        },
      },
    },
  };
}

function entriesOf(controllers: readonly Type[]): Entry[] {
  const actions = new Map<string, number>();
  const entries = servedRoutes(controllers).flatMap((route) => {
    if (route.method === 'ALL') return [];
    const served = `${route.method} ${route.path}`;
    const row = matrixRow(route.method, route.path);
    if (!row) throw new Error(`${served} has no row in the role matrix`);
    const { action } = row.rule;
    const operation = OPERATIONS[row.route] ?? OPERATIONS[action];
    if (!operation) throw new Error(`${served} has no words for the API's document: add "${action}" to OPERATIONS`);
    const count = (actions.get(action) ?? 0) + 1;
    actions.set(action, count);
    return [{ route, row, operation, operationId: count === 1 ? action : action + count }];
  });
  return entries.sort((a, b) => (a.route.path < b.route.path ? -1 : Number(a.route.path > b.route.path)));
}

function operationOf({ route, row, operation, operationId }: Entry): OpenApiOperation {
  const { gate, role, record } = row.rule;
  const takesBody = route.method !== 'GET' && (record !== 'none' || operation.body || route.bodySchema);
  return {
    operationId,
    summary: operation.says,
    description: GATES[gate](role),
    tags: [tagOf(route)],
    ...(operation.isOurs ? { 'x-weir-extension': true } : {}),
    security: gate === 'free' ? [] : [...(gate === 'open' ? [{}] : []), { bearer: [] }, { cookie: [] }],
    parameters: [...parametersOf(route, operation), ...(isRepeatable(route, gate) ? [IDEMPOTENCY_KEY] : [])],
    ...(takesBody ? { requestBody: requestBody(route, operation) } : {}),
    responses: responsesOf(route, row, operation),
  };
}

/** `BuildsController` → `builds`. */
function tagOf({ controller }: ServedRoute): string {
  const name = controller.replace(/Controller$/, '').replace(/(?!^)([A-Z])/g, '-$1');
  return name.toLowerCase();
}

function requestBody({ bodySchema }: ServedRoute, { body, type }: Operation): { content: Record<string, Json> } & Json {
  if (body) {
    const content = body.types.map((one) => [one, one === 'application/json' ? { schema: {} } : {}] as const);
    return { description: body.says, required: true, content: Object.fromEntries(content) };
  }
  const schema = requestSchema(bodySchema ?? reasonBody);
  const fields = (schema['required'] ?? []) as readonly string[];
  const media = type === 'text/html' ? 'application/x-www-form-urlencoded' : 'application/json';
  return {
    required: fields.length > 0 || schema['type'] === 'array',
    content: { [media]: { schema, example: exampleOf(schema, () => ({})) } },
  };
}
