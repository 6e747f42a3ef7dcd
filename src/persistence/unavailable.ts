import { DatabaseError } from './db.js';

/** Connection failures, shutdown, start-up and too many connections: what passes by itself. */
const PASSING = /^(08...|57P0[123]|53300|E(CONN|PIPE|NOTFOUND|HOSTUNREACH|TIMEDOUT|NOENT|AI_AGAIN).*)$/;

/** True when `error` says that the database cannot be reached now, rather than that it refused a statement. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  if (typeof code === 'string') return PASSING.test(code);
  // pg and its pool give these without a code.
  if (/connection terminated|timeout exceeded when trying to connect|client has encountered a connection error/i.test(error.message)) {
    return true;
  }
  return error instanceof DatabaseError && error.cause !== error && isDatabaseUnavailable(error.cause);
}
