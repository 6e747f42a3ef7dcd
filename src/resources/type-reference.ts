import { z } from 'zod';
import type { ResourceType } from './contract.js';

interface Schema {
  readonly description?: string;
  readonly type?: string;
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
  const rows = rowsOf(schema);
  if (rows.length === 0) return 'None.\n';
  const lines = rows.map((row) => {
    const { meaning, byDefault } = describe(row);
    return `| \`${row.key}\` | ${[kindOf(row.schema), byDefault, meaning].map(cell).join(' | ')} |\n`;
  });
  return `| key | value | default | meaning |\n|---|---|---|---|\n${lines.join('')}`;
}

function rowsOf(schema: z.ZodType): Row[] {
  return rowsBelow(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Schema, '');
}

function rowsBelow(schema: Schema, prefix: string): Row[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, value]) => {
    const key = `${prefix}${name}`;
    const row = { key, isRequired: schema.required?.includes(name) ?? false, schema: value };
    const nested = (value.anyOf ?? [value]).flatMap((choice) => [
      ...rowsBelow(choice, `${key}.`),
      ...(choice.items?.anyOf ?? [choice.items ?? {}]).flatMap((item) => rowsBelow(item, `${key}[].`)),
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
  return { meaning, byDefault: sentence?.[1] ?? (schema.type === 'boolean' ? '`false`' : '') };
}

function kindOf({ type, anyOf, items, properties, not, enum: values, const: value }: Schema): string {
  if (not !== undefined) return 'refused';
  if (anyOf !== undefined) return [...new Set(anyOf.map(kindOf))].join(' or ');
  if (value !== undefined) return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
  if (values !== undefined) return values.map((each) => `\`${String(each)}\``).join(', ');
  if (type === 'array') return `list of ${items === undefined ? 'anything' : kindOf(items)}`;
  if (type === 'object') return properties === undefined ? 'map' : `map of ${Object.keys(properties).join(', ')}`;
  return (
    { string: 'text', integer: 'whole number', number: 'number', boolean: '`true`, `false`' }[type ?? ''] ?? 'anything'
  );
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
