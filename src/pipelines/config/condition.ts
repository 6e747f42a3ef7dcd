import { Environment } from '@marcbachmann/cel-js';
import type { JsonObject, JsonValue, Version } from '../../model/index.js';

/** What the expression of a `when` may speak of. */
export interface ConditionWorld {
  /** Local vars of the build: of `load_var`, `across`, and the metadata of gets. */
  readonly vars: JsonObject;
  /** Versions of the job's gets, by name of the step. */
  readonly versions: Readonly<Record<string, Version>>;
  /** How the steps before ended, by name of the step. */
  readonly results: Readonly<Record<string, string>>;
}

const MAX_CHARACTERS = 1_000;
/** The Common Expression Language: no loops but those over lists, no access to anything but these three maps. */
const language = new Environment({ limits: { maxAstNodes: 300, maxDepth: 50 } })
  .registerVariable('vars', 'map')
  .registerVariable('versions', 'map')
  .registerVariable('results', 'map');

/** What is wrong with the expression of a `when`; undefined when nothing is. */
export function conditionFault(text: string): string | undefined {
  if (text.length > MAX_CHARACTERS) return `the condition has more than ${MAX_CHARACTERS} characters`;
  // Both could take for ever, and everybody would wait.
  if (/\bmatches\s*\(/.test(text)) return 'matches() is not available; use startsWith, endsWith, contains or ==';
  if ((text.match(/\.\s*(?:all|exists|exists_one|map|filter)\s*\(/g) ?? []).length > 1)
    return 'a condition may go through one list only';
  const { valid, type, error } = language.check(text);
  if (!valid) return `not a condition: ${firstLine(error?.message)}`;
  return type === 'bool' || type === 'dyn' ? undefined : `a condition is true or false, and this is of type ${type}`;
}

/**
 * Is the condition true?
 * @throws when it cannot be told: a name that is in none of the maps, or something else than true or false.
 */
export function evaluateCondition(text: string, world: ConditionWorld): boolean {
  const fault = conditionFault(text);
  if (fault !== undefined) throw new Error(`when: ${fault}`);
  const value = evaluate(text, world);
  if (typeof value !== 'boolean') throw new Error(`when: the condition '${text}' is neither true nor false`);
  return value;
}

function evaluate(text: string, world: ConditionWorld): unknown {
  try {
    const { vars, versions, results } = world;
    return language.evaluate(text, { vars: withIntegers(vars), versions, results });
  } catch (error) {
    throw new Error(`when: '${text}': ${firstLine((error as Error).message)}`, { cause: error });
  }
}

/** Whole numbers as the language has them, so that one can be added to them. */
function withIntegers(value: JsonValue): unknown {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map((item: JsonValue) => withIntegers(item));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withIntegers(item)]));
}

function firstLine(text: string | undefined): string {
  return (text ?? 'it cannot be read').split('\n')[0] ?? '';
}
