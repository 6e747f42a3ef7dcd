import { HttpException } from '@nestjs/common';
import { isDatabaseUnavailable } from '../../persistence/index.js';
import { messageOf, UserError } from '../../platform/index.js';

/** What went wrong, in the words and numbers of an answer. */
export interface Problem {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly details?: unknown;
  readonly retryAfterSeconds?: number;
  /** Ours, so it belongs in the log with everything known about it. */
  readonly isFault: boolean;
}

/** Tells refusals from faults. The words of a fault stay in the log: they may name what the caller must not know. */
export function problemOf(error: unknown): Problem {
  if (error instanceof UserError) {
    const { status, code, message, details } = error;
    const wait = (details as { retryAfterSeconds?: number } | undefined)?.retryAfterSeconds;
    return {
      status,
      code,
      message,
      isFault: false,
      ...(details === undefined ? {} : { details }),
      ...(wait === undefined ? {} : { retryAfterSeconds: wait }),
    };
  }
  if (isDatabaseUnavailable(error)) {
    const message = 'the database does not answer now; the server goes on by itself when it is back';
    return { status: 503, code: 'database-unavailable', message, retryAfterSeconds: 2, isFault: false };
  }
  const status = error instanceof HttpException ? error.getStatus() : httpStatusOf(error);
  if (status >= 400 && status < 500) {
    return { status, code: CODES[status] ?? 'bad-request', message: messageOf(error), isFault: false };
  }
  const message = 'something failed inside the server; its log has the reason under this request id';
  return { status: 500, code: 'internal', message, isFault: true };
}

const CODES: Readonly<Record<number, string>> = {
  401: 'not-authorized',
  403: 'forbidden',
  404: 'not-found',
  405: 'method-not-allowed',
  413: 'body-too-large',
  415: 'unsupported-media-type',
  429: 'too-many-requests',
};

/** Fastify's own refusals (a body too large, broken JSON) carry the status as a number. */
function httpStatusOf(error: unknown): number {
  const { statusCode } = (error ?? {}) as { statusCode?: unknown };
  return typeof statusCode === 'number' ? statusCode : 500;
}
