import { unstorable } from '../../platform/index.js';

/** Deeper than any request needs, and far above where recursion ends. */
const DEEPEST = 200;

/**
 * What of a request's values no row of the database can hold, or no code of ours would survive: NUL characters, halves of
 * surrogate pairs, and values within values without end. Undefined when all is well.
 */
export function misfitOf(value: unknown, depth = 0): string | undefined {
  if (typeof value === 'string') return unstorable(value);
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth === DEEPEST) return `values lie more than ${DEEPEST} deep in each other`;
  for (const [key, inner] of Object.entries(value)) {
    const misfit = unstorable(key) ?? misfitOf(inner, depth + 1);
    if (misfit !== undefined) return misfit;
  }
  return undefined;
}
