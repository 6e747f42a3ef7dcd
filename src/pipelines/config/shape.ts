import { didYouMean } from '../../model/index.js';
import { MAX_FINDINGS, type Finding, type Path } from './finding.js';
import { ANYTHING, arrayOf, mapWith, objectOf, type JsonSchema } from './json-schema.js';
import type { Warning } from './problem.js';

/** What reading a config finds on the way. Reading goes on after a problem, so that all of them are told at once. */
export class Findings {
  readonly problems: Finding[] = [];
  readonly warnings: (Finding & { readonly type: Warning['type'] })[] = [];

  /** No further finding would be kept. */
  get isFull(): boolean {
    return this.problems.length >= MAX_FINDINGS || this.warnings.length >= MAX_FINDINGS;
  }

  problem(path: Path, message: string, more: Pick<Finding, 'hint' | 'onKey'> = {}): void {
    if (this.problems.length < MAX_FINDINGS) this.problems.push({ path, message, ...more });
  }

  warn(type: Warning['type'], path: Path, message: string, more: Pick<Finding, 'hint' | 'onKey'> = {}): void {
    if (this.warnings.length < MAX_FINDINGS) this.warnings.push({ type, path, message, ...more });
  }
}

/**
 * Reads one value: notes what is wrong and gives what can be used, undefined if nothing can. A field that is null counts
 * as not given and never gets here. The rules of coercion are Concourse's (pipeline-language §1).
 */
export interface Shape<Value = unknown> {
  (value: unknown, at: Path, found: Findings): Value | undefined;
  /** The same for editors; it may accept more than the shape does, never less. Absent: anything. */
  readonly json?: JsonSchema;
}

type Read<Value> = (value: unknown, at: Path, found: Findings) => Value | undefined;

/** A shape with its JSON Schema. */
export function described<Value>(json: JsonSchema, read: Read<Value>): Shape<Value> {
  // A function of its own, so that one shape may be described in several ways.
  return Object.assign((...given: Parameters<Read<Value>>) => read(...given), { json });
}

/** A shape that Concourse does not know, told as such. */
export function extension<Value>(what: string, shape: Shape<Value>): Shape<Value> {
  const json = { ...shape.json, 'x-weir-extension': true, description: `${what} Extension of Weir.` };
  return described(json, shape);
}

export interface MapRules {
  /** What becomes of keys that are not known. @default 'error' */
  readonly unknown?: 'error' | 'warn';
  /** Field name to what is said when it is missing. */
  readonly required?: Readonly<Record<string, string>>;
  /** Field name to what it means, for editors and the reference. */
  readonly meanings?: Readonly<Record<string, string>>;
}

/** A map with known fields. Gives a map whatever the value, without the fields that are absent, null or wrong. */
export function fields(shapes: Readonly<Record<string, Shape>>, rules: MapRules = {}): Shape<object> {
  const { unknown, required = {}, meanings } = rules;
  const json = objectOf(shapes, { isOpen: unknown === 'warn', required: Object.keys(required), meanings });
  return described(json, (value, at, found) => {
    if (!isMap(value)) {
      found.problem(at, `must be a map, not ${kindOf(value)}`);
      return {};
    }
    const known = Object.keys(shapes);
    const missing = Object.entries(rules.required ?? {}).filter(([name]) => (value[name] ?? null) === null);
    for (const [, message] of missing) found.problem(at, message);
    const entries: [string, unknown][] = [];
    for (const [name, item] of Object.entries(value)) {
      const shape = Object.hasOwn(shapes, name) ? shapes[name] : undefined;
      if (shape === undefined) {
        if (found.isFull) break;
        const more = { onKey: true, ...hint(name, known) };
        if (rules.unknown === 'warn')
          found.warn('unknown_field', [...at, name], `unknown field '${name}' is ignored`, more);
        else found.problem([...at, name], `unknown field '${name}'`, more);
      } else if (item !== null && item !== undefined) {
        const read = shape(item, [...at, name], found);
        if (read !== undefined) entries.push([name, read]);
      }
    }
    return Object.fromEntries(entries);
  });
}

/** A list. Items of which nothing can be used are left out. */
export function list<Item>(shape: Shape<Item>): Shape<Item[]> {
  return described(arrayOf(shape.json), (value, at, found) => {
    if (!Array.isArray(value)) {
      found.problem(at, `must be a list, not ${kindOf(value)}`);
      return undefined;
    }
    return value.flatMap((item: unknown, index) => {
      const read = shape(item, [...at, index], found);
      return read === undefined ? [] : [read];
    });
  });
}

/** A map with any keys. */
export function mapOf<Item>(shape: Shape<Item>): Shape<Record<string, Item>> {
  return described(mapWith(shape.json), (value, at, found) => {
    if (!isMap(value)) {
      found.problem(at, `must be a map, not ${kindOf(value)}`);
      return undefined;
    }
    const entries = Object.entries(value).flatMap(([key, item]) => {
      const read = shape(item, [...at, key], found);
      return read === undefined ? [] : [[key, read] as const];
    });
    return Object.fromEntries(entries);
  });
}

/** Text as it is; numbers and booleans must be quoted. */
export const text: Shape<string> = described({ type: 'string' }, (value, at, found) => {
  if (typeof value === 'string') return value;
  const hint = typeof value === 'object' ? {} : { hint: 'put it in quotes' };
  found.problem(at, `must be text, not ${kindOf(value)}`, hint);
  return undefined;
});

/** Text; numbers and booleans become text, as everywhere outside steps and task configs. */
export const looseText: Shape<string> = described({ type: ['string', 'number', 'boolean'] }, (value, at, found) =>
  typeof value === 'number' || typeof value === 'boolean' ? String(value) : text(value, at, found),
);

export const flag: Shape<boolean> = described({ type: 'boolean' }, (value, at, found) => {
  if (typeof value === 'boolean') return value;
  found.problem(at, `must be true or false, not ${kindOf(value)}`);
  return undefined;
});

export const integer: Shape<number> = described({ type: 'integer' }, (value, at, found) => {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  found.problem(at, `must be a whole number, not ${typeof value === 'number' ? String(value) : kindOf(value)}`);
  return undefined;
});

/** Anything JSON can hold, kept as it is. */
export const anything: Shape<unknown> = described(ANYTHING, (value) => value);

/** A map whose content is not ours to judge. */
export const opaqueMap: Shape<object> = described({ type: 'object' }, (value, at, found) => {
  if (isMap(value)) return value;
  found.problem(at, `must be a map, not ${kindOf(value)}`);
  return undefined;
});

export function oneOf(...allowed: readonly string[]): Shape<string> {
  return described({ enum: allowed }, (value, at, found) => {
    if (typeof value === 'string' && allowed.includes(value)) return value;
    const shown = typeof value === 'string' ? `'${value}'` : kindOf(value);
    const more = typeof value === 'string' ? hint(value, allowed) : {};
    found.problem(at, `must be one of ${allowed.join(', ')}, not ${shown}`, more);
    return undefined;
  });
}

export function isMap(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** What a value is, in the words of YAML. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  if (typeof value === 'boolean') return 'a boolean';
  return typeof value === 'number' ? 'a number' : 'text';
}

/** `{hint: "did you mean 'x'?"}` when a known name is near. */
export function hint(wrong: string, known: readonly string[]): { readonly hint?: string } {
  const words = didYouMean(wrong, known).replace(/^; /, '').replaceAll('"', "'");
  return words === '' ? {} : { hint: words };
}
