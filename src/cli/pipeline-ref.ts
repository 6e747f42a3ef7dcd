import { InvalidArgumentError } from 'commander';
import { parse } from 'yaml';
import type { JsonObject, JsonValue } from '../model/index.js';

/** A pipeline as it is named on a command line. */
export interface PipelineRef {
  readonly name: string;
  readonly instanceVars?: JsonObject;
}

/**
 * Reads `name` or `name/branch:main,cloud.region:"eu/1"`: instance vars follow the first slash, their values are YAML, quotes
 * keep commas and slashes together.
 * @throws InvalidArgumentError
 */
export function pipelineRef(written: string): PipelineRef {
  const slash = written.indexOf('/');
  if (slash < 0) return { name: written };
  const vars = written.slice(slash + 1).match(/(?:"[^"]*"|'[^']*'|[^,"'])+/g) ?? [];
  let instanceVars: JsonObject = {};
  for (const pair of vars) {
    const colon = pair.indexOf(':');
    if (colon <= 0) throw new InvalidArgumentError(`"${written}": expected PIPELINE or PIPELINE/VAR:VALUE,...`);
    instanceVars = withField(instanceVars, pair.slice(0, colon), parse(pair.slice(colon + 1)) as JsonValue);
  }
  return { name: written.slice(0, slash), instanceVars };
}

/** The inverse of {@link pipelineRef}. */
export function writtenRef(name: string, instanceVars: JsonObject | undefined): string {
  const vars = instanceVars === undefined ? [] : fields(instanceVars, '');
  return vars.length === 0 ? name : `${name}/${vars.join(',')}`;
}

function fields(vars: JsonObject, prefix: string): string[] {
  return Object.entries(vars).flatMap(([name, value]) => {
    if (isMap(value)) return fields(value, `${prefix}${name}.`);
    // What reads back as the same text needs no quotes.
    const isPlain = typeof value === 'string' && /^[^,/"':#{}[\]]+$/.test(value) && parse(value) === value;
    return [`${prefix}${name}:${isPlain ? value : JSON.stringify(value)}`];
  });
}

/** Sets a var; a dotted name (`a.b`) is a field of a map. */
export function withField(vars: JsonObject, name: string, value: JsonValue): JsonObject {
  const dot = name.indexOf('.');
  if (dot <= 0) return { ...vars, [name]: value };
  const head = name.slice(0, dot);
  const present = vars[head];
  return { ...vars, [head]: withField(isMap(present) ? present : {}, name.slice(dot + 1), value) };
}

export function isMap(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
