/** A schema of JSON Schema draft 7, which is the one that editors know best. */
export type JsonSchema = Readonly<Record<string, unknown>>;

export const ANYTHING: JsonSchema = {};
/** Any step; stands for the definition, as steps hold steps. */
export const REF_STEP: JsonSchema = { $ref: '#/definitions/step' };
const VAR: JsonSchema = { $ref: '#/definitions/var' };

/** What `((x))` may become when a pipeline is set: it may stand for a value of any type. */
export const VAR_DEFINITION: JsonSchema = {
  description: 'a var, filled in when the pipeline is set',
  type: 'string',
  pattern: '^\\(\\(.+\\)\\)$',
};

export function anyOf(...schemas: readonly (JsonSchema | undefined)[]): JsonSchema {
  return { anyOf: schemas.map((schema) => schema ?? ANYTHING) };
}

/** The schema with the law that a field needs others. */
export function requiring(needs: Readonly<Record<string, readonly string[]>>, schema: JsonSchema): JsonSchema {
  return { ...schema, dependencies: needs };
}

export function arrayOf(item: JsonSchema | undefined): JsonSchema {
  return { type: 'array', items: orVar(item) };
}

export function mapWith(item: JsonSchema | undefined): JsonSchema {
  return { type: 'object', additionalProperties: orVar(item) };
}

/** A map with known fields, with what each means. One that is null counts as not given, so a required one may not be. */
export function objectOf(
  shapes: Readonly<Record<string, { readonly json?: JsonSchema }>>,
  rules: {
    readonly isOpen: boolean;
    readonly required: readonly string[];
    readonly meanings?: Readonly<Record<string, string>>;
  },
): JsonSchema {
  const names = rules.required;
  const properties = Object.entries(shapes).map(([name, { json }]) => {
    const schema = names.includes(name) ? orVar(json) : orNull(orVar(json));
    const description = rules.meanings?.[name];
    return [name, description === undefined ? schema : { ...schema, description }] as const;
  });
  return {
    type: 'object',
    properties: Object.fromEntries(properties),
    ...(names.length > 0 ? { required: names } : {}),
    ...(rules.isOpen ? {} : { additionalProperties: false }),
  };
}

/** Leaves alone what accepts any text anyway. */
function orVar(schema: JsonSchema = ANYTHING): JsonSchema {
  const { type } = schema;
  const isText = type === 'string' || (Array.isArray(type) && type.includes('string'));
  if (isText || schema === ANYTHING) return schema;
  return 'anyOf' in schema ? { ...schema, anyOf: [...(schema.anyOf as JsonSchema[]), VAR] } : anyOf(schema, VAR);
}

function orNull(schema: JsonSchema): JsonSchema {
  if ('anyOf' in schema) return { ...schema, anyOf: [...(schema.anyOf as JsonSchema[]), { type: 'null' }] };
  if (!('type' in schema)) return schema;
  return { ...schema, type: [schema.type, 'null'].flat() };
}
