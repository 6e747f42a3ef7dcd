import { runInNewContext } from 'node:vm';
import { ResourceFailure } from '../../src/resources/contract.js';

const REGEXP_TIMEOUT_MS = 500;

/**
 * The names that the expression matches as a whole. A pipeline's expression may take for ever on a chosen name, so it runs
 * where it can be stopped.
 * @throws ResourceFailure when it takes too long.
 */
export function matching(names: readonly string[], pattern: string | undefined, key: string): readonly string[] {
  if (pattern === undefined) return names;
  try {
    return runInNewContext(
      'names.filter((name) => new RegExp(pattern).test(name))',
      { names: [...names], pattern: `^(?:${pattern})$` },
      { timeout: REGEXP_TIMEOUT_MS },
    ) as string[];
  } catch {
    // The schema has parsed the expression, so this is the time limit.
    throw new ResourceFailure(`${key} takes too long on the names in the repository`);
  }
}
