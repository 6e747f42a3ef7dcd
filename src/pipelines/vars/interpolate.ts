import type { JsonObject, JsonValue } from '../../model/index.js';
import { parseReference, REFERENCE, type VarReference } from './reference.js';

/**
 * Gives the value of a var, before its fields are taken; undefined when there is none. Called at most once per
 * reference of a value, so it may be slow, but not asynchronous: see {@link varsIn} to fetch beforehand.
 */
export type VarLookup = (reference: VarReference) => JsonValue | undefined;

/** `template`: unknown vars stay as they are written. `run`: they are an error. */
export type InterpolationMode = 'template' | 'run';

export interface Interpolated<Value> {
  readonly value: Value;
  /** The vars that stay, as written between the brackets, each once. Always empty in `run` mode. */
  readonly undefinedVars: readonly string[];
}

/** A var is missing, lacks a field, or does not fit where it stands. The message holds names, never values. */
export class InterpolationError extends Error {
  override readonly name = 'InterpolationError';
  constructor(
    message: string,
    /** Vars without a value; empty when something else is wrong. */
    readonly undefinedVars: readonly string[] = [],
    /** Keys that lead to the text in which it stands; empty for undefined vars, which may stand in many. */
    readonly path: readonly (string | number)[] = [],
  ) {
    super(message);
  }
}

/**
 * Fills the `((vars))` of every text in `value`, keys of maps included. A text that is nothing but one var becomes its
 * value with type and structure; inside longer text a var must be text or a number. One pass: what is filled in is not
 * looked at again.
 * @throws InterpolationError
 */
export function interpolate<Value>(
  value: Value,
  lookup: VarLookup,
  options: { readonly mode: InterpolationMode },
): Interpolated<Value> {
  const pass = new Pass(lookup);
  const filled = pass.fill(value as JsonValue) as Value;
  const undefinedVars = [...pass.undefinedVars];
  if (options.mode === 'run' && undefinedVars.length > 0) {
    throw new InterpolationError(`undefined vars: ${undefinedVars.join(', ')}`, undefinedVars);
  }
  return { value: filled, undefinedVars };
}

/** Every var that `value` mentions, each once, in the order of the text. */
export function varsIn(value: unknown): VarReference[] {
  const found = new Map<string, VarReference>();
  const pass = new Pass((reference) => {
    found.set(reference.text, reference);
    return undefined;
  });
  pass.fill(value as JsonValue);
  return [...found.values()];
}

/** Looks vars up in maps; the first map that has the name wins. Vars with a source (`((vault:x))`) are in none. */
export function lookupIn(...maps: readonly (JsonObject | undefined)[]): VarLookup {
  return ({ source, path }) => {
    if (source !== undefined) return undefined;
    return maps.find((map) => map !== undefined && Object.hasOwn(map, path))?.[path];
  };
}

/** Tries each lookup in turn. */
export function firstOf(...lookups: readonly VarLookup[]): VarLookup {
  return (reference) => {
    for (const lookup of lookups) {
      const value = lookup(reference);
      if (value !== undefined) return value;
    }
    return undefined;
  };
}

type Path = readonly (string | number)[];

class Pass {
  readonly undefinedVars = new Set<string>();
  private readonly known = new Map<string, JsonValue | undefined>();

  constructor(private readonly lookup: VarLookup) {}

  fill(value: JsonValue, at: Path = []): JsonValue {
    if (typeof value === 'string') return this.fillText(value, at);
    if (Array.isArray(value)) return value.map((item: JsonValue, index) => this.fill(item, [...at, index]));
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [this.fillKey(key, at), this.fill(item, [...at, key])]),
    );
  }

  private fillText(text: string, at: Path): JsonValue {
    if (!text.includes('((')) return text;
    const whole = WHOLE.exec(text);
    if (whole?.[1] !== undefined) {
      const value = this.resolve(whole[1], at);
      return value === undefined ? text : value;
    }
    return text.replace(REFERENCE, (written, inner: string) => {
      const value = this.resolve(inner, at);
      if (value === undefined) return written;
      if (typeof value === 'string' || typeof value === 'number') return String(value);
      throw new InterpolationError(`cannot interpolate non-primitive value of var '${inner}' into text`, [], at);
    });
  }

  private fillKey(key: string, at: Path): string {
    const filled = this.fillText(key, [...at, key]);
    if (typeof filled === 'string' || typeof filled === 'number') return String(filled);
    throw new InterpolationError(`cannot use the non-primitive value of '${key}' as a key`, [], [...at, key]);
  }

  /** null is a value; undefined means that the var is unknown. */
  private resolve(inner: string, at: Path): JsonValue | undefined {
    if (!this.known.has(inner)) this.known.set(inner, this.look(inner, at));
    return this.known.get(inner);
  }

  private look(inner: string, at: Path): JsonValue | undefined {
    const reference = parseReference(inner);
    const value = reference === undefined ? undefined : this.lookup(reference);
    if (reference === undefined || value === undefined) {
      this.undefinedVars.add(inner);
      return undefined;
    }
    return reference.fields.reduce((map, field) => {
      const found = isMap(map) && Object.hasOwn(map, field) ? map[field] : undefined;
      if (found === undefined) throw new InterpolationError(`var '${inner}' has no field '${field}'`, [], at);
      return found;
    }, value);
  }
}

const WHOLE = new RegExp(`^${REFERENCE.source}$`, 'u');

function isMap(value: JsonValue): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
