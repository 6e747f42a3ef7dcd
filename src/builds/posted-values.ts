import { z } from 'zod';
import { parseDurationMs } from '../model/index.js';
import { UserError } from '../platform/index.js';

/** A posted plan that is not one this server runs; the message names the place. */
export class PostedPlanError extends UserError {
  constructor(place: string, message: string) {
    super('invalid-plan', `${place}: ${message}`);
  }
}

export const name = z.string().min(1);
export const texts = z.array(z.string()).nullish();
export const object = z.record(z.string(), z.json());
export const version = z.record(z.string(), z.string());
/** What is filled in when the step runs is judged then. */
export const duration = z
  .string()
  .refine((text) => text.includes('((') || parseDurationMs(text) !== undefined, 'is no duration such as 90s or 1h30m');

/** @throws PostedPlanError naming the place of the first fault. */
export function read<Output>(shape: z.ZodType<Output>, content: unknown, place: string): Output {
  const result = shape.safeParse(content);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new PostedPlanError([place, ...(issue?.path ?? [])].join('.'), issue?.message ?? 'not understood');
}

/** @throws PostedPlanError if there is a fault. */
export function demand(fault: string | undefined, place: string): void {
  if (fault !== undefined) throw new PostedPlanError(place, fault);
}

/** The object without what is null or absent, as stored plans have it. */
export function known<Fields extends object>(
  fields: Fields,
): {
  [Key in keyof Fields as undefined extends Fields[Key] ? never : null extends Fields[Key] ? never : Key]: Fields[Key];
} & {
  [Key in keyof Fields]?: NonNullable<Fields[Key]>;
} {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== null && value !== undefined),
  ) as never;
}
