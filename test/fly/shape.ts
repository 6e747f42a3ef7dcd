/** A part by its path, such as `0.id`. */
export function partOf(value: unknown, path: string): unknown {
  return path.split('.').reduce((part, key) => (part as Record<string, unknown> | undefined)?.[key], value);
}

/** `int`, `string`, …; a name of a shape; `A|null`; a list of one shape; keys to shapes, `key?` being optional. */
export type Shape = string | readonly [Shape] | { readonly [key: string]: Shape };

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const everyValue = (value: unknown, is: (inner: unknown) => boolean): boolean =>
  isObject(value) && Object.values(value).every(is);
const isText = (value: unknown): boolean => typeof value === 'string';

/** What Go's decoder takes for the types that it has. */
const KINDS: Readonly<Record<string, (value: unknown) => boolean>> = {
  any: () => true,
  string: isText,
  bool: (value) => typeof value === 'boolean',
  int: (value) => Number.isInteger(value) && Math.abs(value as number) < 2 ** 63,
  object: isObject,
  version: (value) => everyValue(value, isText),
  flags: (value) => everyValue(value, (inner) => typeof inner === 'boolean'),
  roles: (value) => everyValue(value, (inner) => Array.isArray(inner) && inner.every(isText)),
  auth: (value) =>
    everyValue(value, (inner) => isObject(inner) && Array.isArray(inner.users) && Array.isArray(inner.groups)),
  semver: (value) => isText(value) && /^\d+\.\d+\.\d+(-.*)?$/.test(String(value)),
  rfc3339: (value) => isText(value) && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(String(value)),
  status: (value) => /^(pending|started|succeeded|failed|errored|aborted)$/.test(String(value)),
};

/** Where the value is not of the shape, in words; empty when it is. */
export function misfits(
  value: unknown,
  shape: Shape,
  named: Readonly<Record<string, Shape>>,
  at = 'body',
): readonly string[] {
  if (typeof shape === 'string') {
    if (shape.endsWith('|null')) return value === null ? [] : misfits(value, shape.slice(0, -5), named, at);
    const inner = named[shape];
    if (inner !== undefined) return misfits(value, inner, named, at);
    const kind = KINDS[shape];
    if (!kind) throw new Error(`there is no shape "${shape}"`);
    return kind(value) ? [] : [`${at} is not ${shape}: ${JSON.stringify(value)}`];
  }
  if (Array.isArray(shape)) {
    if (!Array.isArray(value)) return [`${at} is no list: ${JSON.stringify(value)}`];
    return value.flatMap((item, index) => misfits(item, shape[0] as Shape, named, `${at}[${index}]`));
  }
  if (!isObject(value)) return [`${at} is no object: ${JSON.stringify(value)}`];
  return Object.entries(shape).flatMap(([key, inner]) => {
    const name = key.replace(/\?$/, '');
    if (name in value) return misfits(value[name], inner, named, `${at}.${name}`);
    return key.endsWith('?') ? [] : [`${at}.${name} is missing`];
  });
}
