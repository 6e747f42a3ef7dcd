import { pipelineJsonSchema } from '../../src/pipelines/index.js';
import { keyTable, type Schema } from '../../src/resources/type-reference.js';

/**
 * The tables of keys in docs/reference, by the name in their mark: `<!-- keys: get -->` … `<!-- end of keys -->`. Made from
 * the schema with which the server reads pipelines.
 */
export function languageTables(): ReadonlyMap<string, string> {
  const pipeline = withoutVars(pipelineJsonSchema()) as Schema & {
    readonly definitions: { readonly step: Schema; readonly passed: Schema };
  };
  const kinds = new Map((pipeline.definitions.step.anyOf ?? []).map((step) => [step.required?.[0] ?? '', step]));
  const modifiers = without(kinds.get('do'), ['do']);
  const common = Object.keys(modifiers.properties ?? {});
  const across = itemOf(modifiers.properties?.['across']);
  const task = kinds.get('task')?.properties?.['config'];
  const section = (name: string): Schema => itemOf(pipeline.properties?.[name]);
  return new Map([
    ['pipeline', keyTable(pipeline, false)],
    ['job', keyTable(section('jobs'), true)],
    ['resource', keyTable(section('resources'), false)],
    ['resource_type', keyTable(section('resource_types'), false)],
    ['var_source', keyTable(section('var_sources'), false)],
    ...sourceTypes(section('var_sources')),
    ['group', keyTable(section('groups'), false)],
    ['display', keyTable(pipeline.properties?.['display'] ?? {}, false)],
    ['task config', keyTable(task ?? {}, true)],
    ['modifiers', keyTable(modifiers, false)],
    ['across', keyTable(across, false)],
    ['passed', keyTable(pipeline.definitions.passed, false)],
    ...[...kinds].map(([kind, step]) => [kind, keyTable(without(step, common), kind === 'in_parallel')] as const),
  ]);
}

/** What each type of var source takes: the conclusions of the laws that tell the types apart. */
function sourceTypes({ allOf = [] }: Laws): (readonly [string, string])[] {
  return allOf.map(({ if: { properties }, then }) => [
    `var_source ${String(properties?.['type']?.const)}`,
    keyTable(then.properties?.['config'] ?? {}, false),
  ]);
}

/** In short; it has a table of its own. */
const PASSED: Schema = { type: 'object', properties: { all: {}, any: {} } };

/** Everything may be a var and most may be null: said once in the text and not in each row. */
function withoutVars(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutVars);
  if (value === null || typeof value !== 'object') return value;
  if ((value as Schema).$ref === '#/definitions/passed') return PASSED;
  const { anyOf, type, properties, ...rest } = value as Schema;
  const fields = Object.entries(properties ?? {}).map(([key, field]) => [key, withoutVars(field)] as const);
  const others = {
    ...Object.fromEntries(Object.entries(rest).map(([key, item]) => [key, withoutVars(item)])),
    ...(properties === undefined ? {} : { properties: Object.fromEntries(fields) }),
  };
  const types = Array.isArray(type) ? type.filter((each) => each !== 'null') : [type];
  const kept = anyOf?.filter((choice) => choice.$ref !== '#/definitions/var' && choice.type !== 'null');
  const [only, ...more] = kept ?? [];
  if (only !== undefined && more.length === 0) return { ...(withoutVars(only) as object), ...others };
  return {
    ...others,
    ...(kept === undefined ? {} : { anyOf: withoutVars(kept) }),
    ...(type === undefined ? {} : { type: 'pattern' in rest ? 'string' : looseType(types) }),
  };
}

/** Numbers and booleans count as text in many places, which is said in the text, too. */
function looseType(types: readonly unknown[]): unknown {
  if (types.includes('string') && types.includes('number')) return 'string';
  return types.length === 1 ? types[0] : types;
}

function itemOf(schema: Schema | undefined): Schema {
  return schema?.items ?? schema?.anyOf?.find(({ items }) => items !== undefined)?.items ?? {};
}

interface Laws extends Schema {
  readonly allOf?: readonly { readonly if: Schema; readonly then: Schema }[];
}

function without(schema: Schema | undefined, keys: readonly string[]): Schema {
  const properties = Object.entries(schema?.properties ?? {}).filter(([key]) => !keys.includes(key));
  return { ...schema, properties: Object.fromEntries(properties) };
}
