import { z } from 'zod';
import { SHAPES } from './shapes.js';

/** A part of the document. */
export type Json = Readonly<Record<string, unknown>>;

const IN_COMPONENTS = '#/components/schemas/';

/** The name by which a part refers to a shape. */
export function reference(shape: string): Json {
  return { $ref: IN_COMPONENTS + shape };
}

/** Schemas of all answers by name, referring to each other. */
export function answerSchemas(): Record<string, Json> {
  const registry = z.registry<{ id: string }>();
  for (const [id, shape] of Object.entries<z.ZodType>(SHAPES)) registry.add(shape, { id });
  const { schemas } = z.toJSONSchema(registry, { uri: (id) => IN_COMPONENTS + id });
  return Object.fromEntries(Object.entries(schemas).map(([id, schema]) => [id, tidy(schema)]));
}

/** What a request may hold. The schema that reads it is where this comes from. */
export function requestSchema(schema: z.ZodType): Json {
  return tidy(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }));
}

/** Without what the library adds and no reader needs. What refers to itself is any JSON value, which is anything here. */
function tidy(schema: object): Json {
  return JSON.parse(
    JSON.stringify(schema, (key, value: unknown) => {
      if (key === '$schema' || key === '$id' || key === '$defs') return undefined;
      if (key === 'minimum' && value === Number.MIN_SAFE_INTEGER) return undefined;
      if (key === 'maximum' && value === Number.MAX_SAFE_INTEGER) return undefined;
      if (key === 'propertyNames' && JSON.stringify(value) === '{"type":"string"}') return undefined;
      return isOfItself(value) ? {} : value;
    }),
  ) as Json;
}

function isOfItself(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    '$ref' in value &&
    typeof value.$ref === 'string' &&
    value.$ref.startsWith('#/$defs/')
  );
}
