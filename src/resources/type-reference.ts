import { z } from 'zod';
import type { ResourceType } from './contract.js';

/** What the tables of the reference need of a JSON Schema. */
export interface Schema {
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly $ref?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  /** Set for what no value satisfies: a key that is known and refused. */
  readonly not?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

interface Row {
  readonly key: string;
  readonly isRequired: boolean;
  readonly schema: Schema;
}

/** The page of a resource type, in Markdown, made from its schema: every key with its kind, default and meaning. */
export function typeReference(type: ResourceType): string {
  const { source, getParams, putParams } = type.schema;
  const extension = type.isExtension === true ? '\n**Extension of Weir**: Concourse has no type of this name.\n' : '';
  return `# ${type.name}

What the type does, with examples: [its page](../../../resource-types/${type.name}/readme.md).
${extension}
## source

${tableOf(source)}
## get params

${tableOf(getParams)}
## put params

${tableOf(putParams)}
*Made from the schema: \`npm run docs:types\`.*
`;
}

/** Every key that the schema of the source or the params takes; \`a.b\` for a key of a map, \`a[].b\` for one of a list of maps. */
export function keysOf(schema: z.ZodType): string[] {
  return rowsOf(schema).map(({ key }) => key);
}

function tableOf(schema: z.ZodType): string {
  return tableOfRows(rowsOf(schema));
}

/**
 * A table of the keys of a map, in Markdown.
 * @param isDeep tell the keys of its maps, too
 */
export function keyTable(schema: Schema, isDeep: boolean): string {
  return tableOfRows(rowsBelow(schema, '', isDeep));
}

function tableOfRows(rows: readonly Row[]): string {
  if (rows.length === 0) return 'None.\n';
  const lines = rows.map((row) => {
    const { meaning, byDefault } = describe(row);
    return `| \`${row.key}\` | ${[kindOf(row.schema), byDefault, meaning].map(cell).join(' | ')} |\n`;
  });
  return `| key | value | default | meaning |\n|---|---|---|---|\n${lines.join('')}`;
}

function rowsOf(schema: z.ZodType): Row[] {
  return rowsBelow(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Schema, '', true);
}

function rowsBelow(schema: Schema, prefix: string, isDeep: boolean): Row[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, value]) => {
    const key = `${prefix}${name}`;
    const row = { key, isRequired: schema.required?.includes(name) ?? false, schema: value };
    if (!isDeep) return [row];
    const nested = (value.anyOf ?? [value]).flatMap((choice) => [
      ...rowsBelow(choice, `${key}.`, true),
      ...(choice.items?.anyOf ?? [choice.items ?? {}]).flatMap((item) => rowsBelow(item, `${key}[].`, true)),
    ]);
    return [row, ...nested.filter((each, at) => nested.findIndex(({ key: same }) => same === each.key) === at)];
  });
}

/** The sentence that begins with "Default" is the default. */
function describe({ schema, isRequired }: Row): { readonly meaning: string; readonly byDefault: string } {
  const text = schema.description ?? '';
  const sentence = /(?:^|\s)Default:? (.+?)\.(?=\s|$)/.exec(text);
  const meaning = sentence === null ? text : text.replace(sentence[0], '').trim();
  if (isRequired) return { meaning, byDefault: '**required**' };
  return { meaning, byDefault: sentence?.[1] ?? (kindOf(schema) === FLAG ? '`false`' : '') };
}

const FLAG = '`true`, `false`';
/** A map with more keys is only called a map. */
const MAX_NAMED_KEYS = 8;

function kindOf({ type, anyOf, items, properties, not, enum: values, const: value, $ref }: Schema): string {
  if (not !== undefined) return 'refused';
  // `#/definitions/step`: a step.
  if ($ref !== undefined) return $ref.split('/').at(-1) ?? '';
  if (anyOf !== undefined) return oneOfKinds(anyOf);
  if (value !== undefined) return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
  if (values !== undefined) return values.map((each) => `\`${String(each)}\``).join(', ');
  if (type === 'array') return `list of ${items === undefined ? 'anything' : kindOf(items)}`;
  if (type === 'object') {
    const keys = Object.keys(properties ?? {});
    return keys.length === 0 || keys.length > MAX_NAMED_KEYS ? 'map' : `map of ${keys.join(', ')}`;
  }
  if (typeof type === 'object') return oneOfKinds(type.map((each) => ({ type: each })));
  return { string: 'text', integer: 'whole number', number: 'number', boolean: FLAG }[type ?? ''] ?? 'anything';
}

const oneOfKinds = (choices: readonly Schema[]): string => [...new Set(choices.map(kindOf))].join(' or ');

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
