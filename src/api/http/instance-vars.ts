import type { JsonObject, JsonValue } from '../../model/index.js';
import { InvalidRequest } from './validate.js';

/**
 * Instance vars of a query: `vars=<JSON object>` and `vars.<dotted ref>=<JSON>` together; undefined when there are none.
 * @throws InvalidRequest
 */
export function instanceVarsOf(query: Readonly<Record<string, string | string[]>>): JsonObject | undefined {
  let vars: JsonObject | undefined;
  for (const [key, given] of Object.entries(query)) {
    if (key !== 'vars' && !key.startsWith('vars.')) continue;
    const value = jsonOf(key, Array.isArray(given) ? (given.at(-1) ?? '') : given);
    if (key !== 'vars') vars = withPath(vars ?? {}, segments(key.slice('vars.'.length)), value);
    else if (isObject(value)) vars = { ...vars, ...value };
    else throw malformed('vars must be a JSON object');
  }
  return vars;
}

function jsonOf(key: string, text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    throw malformed(`${key} is not JSON`);
  }
}

/** `a."b.c".d` → a, b.c, d. */
function segments(ref: string): string[] {
  const parts = [...ref.matchAll(/"([^"]*)"|([^."]+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
  if (parts.length === 0) throw malformed('vars. needs a name after the dot');
  return parts;
}

function withPath(vars: JsonObject, [head = '', ...rest]: readonly string[], value: JsonValue): JsonObject {
  const present = Object.hasOwn(vars, head) ? vars[head] : undefined;
  const inner = rest.length === 0 ? value : withPath(isObject(present) ? present : {}, rest, value);
  return { ...vars, [head]: inner };
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function malformed(message: string): InvalidRequest {
  return new InvalidRequest('the query', [{ path: '', message: `malformed instance vars: ${message}` }]);
}
