import { z } from 'zod';
import { didYouMean } from '../model/index.js';
import { UserError } from '../platform/index.js';

type Issue = z.core.$ZodIssue;

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
  const result = schema.safeParse(value ?? {});
  if (result.success) return result.data;
  throw new ResourceInputError(
    what,
    result.error.issues.flatMap((issue) => describeIssue(schema, issue)),
  );
}

function describeIssue(schema: z.ZodType, issue: Issue): string[] {
  const at = pathText(issue.path);
  if (issue.code === 'unrecognized_keys') {
    const known = issue.path.length === 0 && schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
    return issue.keys.map((key) => `${pathText([...issue.path, key])}: unknown key${didYouMean(key, known)}`);
  }
  // A missing key is told as such, not as "received undefined".
  const isMissing = issue.code === 'invalid_type' && issue.message.endsWith('received undefined');
  const message = isMissing ? 'is missing' : issue.message.replace(/^Invalid input: /, '');
  return [at === '' ? message : `${at}: ${message}`];
}

function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    return text === '' ? String(key) : `${text}.${String(key)}`;
  }, '');
}
