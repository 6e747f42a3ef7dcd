/**
 * A request we refuse, with words for the person who made it. Mapped to `{code, message, details, requestId}` by the
 * API's exception filter; never used for faults of our own.
 */
export class UserError extends Error {
  constructor(
    /** Stable, kebab-case: clients may rely on it. */
    readonly code: string,
    message: string,
    readonly status = 400,
    readonly details?: unknown,
  ) {
    super(message);
    this.name = new.target.name;
  }
}

export class NotFoundError extends UserError {
  constructor(message: string, details?: unknown) {
    super('not-found', message, 404, details);
  }
}

export class ConflictError extends UserError {
  constructor(code: string, message: string, details?: unknown) {
    super(code, message, 409, details);
  }
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
