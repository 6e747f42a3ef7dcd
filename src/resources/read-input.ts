import { z } from 'zod';
import { didYouMean } from '../model/index.js';

type Issue = z.core.$ZodIssue;

/**
 * Reads the source or params of a resource type with its schema. Loads nothing of the server, as images of the types need it.
 * @param value undefined and null count as an empty map.
 * @returns what was read, or every problem with the path of its key.
 */
export function readInput<T>(
  schema: z.ZodType<T>,
  value: unknown,
): { readonly data?: T; readonly problems: readonly string[] } {
  const result = schema.safeParse(value ?? {});
  if (result.success) return { data: result.data, problems: [] };
  return { problems: result.error.issues.flatMap((issue) => describeIssue(schema, issue)) };
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
