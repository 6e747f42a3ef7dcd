import { pino, type Logger } from 'pino';

export type { Logger };

/** JSON lines on standard error, so that standard output stays the server's conversation with its user. */
export function createLogger(level: string): Logger {
  return pino(
    {
      level,
      base: undefined,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: ['*.password', '*.token', '*.private_key', '*.parameters', 'error.parameters', 'err.parameters'],
    },
    pino.destination(2),
  );
}
