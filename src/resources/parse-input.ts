import type { z } from 'zod';
import { UserError } from '../platform/index.js';
import { readInput } from './read-input.js';

/** The source or the params of a resource are refused; the message lists every bad key with its path. */
export class ResourceInputError extends UserError {
  constructor(
    readonly what: string,
    readonly problems: readonly string[],
  ) {
    super('invalid-resource-input', `${what}: ${problems.join('; ')}`, 400, { problems });
  }
}

/**
 * Reads the source or params of a resource type with its schema.
 * @param what names it in the error, for example `source of resource "repo"`.
 * @param value undefined and null count as an empty map.
 * @throws ResourceInputError
 */
export function parseInput<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const { data, problems } = readInput(schema, value);
  if (problems.length > 0) throw new ResourceInputError(what, problems);
  return data as T;
}
