import { DatabaseError } from './db.js';

/** Connection failures, shutdown, start-up and too many connections: what passes by itself. */
const PASSING_CODE = /^(08...|57P0[123]|53300|E(CONN|PIPE|NOTFOUND|HOSTUNREACH|TIMEDOUT|NOENT|AI_AGAIN).*)$/;
/** pg and its pool give most of these without a code; the last has a code that means other things as well. */
const PASSING_MESSAGE = new RegExp(
  [
    'connection terminated',
    'timeout exceeded when trying to connect',
    'client has encountered a connection error',
    'not currently accepting connections',
  ].join('|'),
  'i',
);

/** True when `error` says that the database cannot be reached now, rather than that it refused a statement. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  if (typeof code === 'string' && PASSING_CODE.test(code)) return true;
  if (PASSING_MESSAGE.test(error.message)) return true;
  return error instanceof DatabaseError && isDatabaseUnavailable(error.cause);
}
