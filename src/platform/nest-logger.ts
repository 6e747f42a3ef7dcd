import type { LoggerService } from '@nestjs/common';
import { messageOf } from './errors.js';
import type { Logger } from './logger.js';

/** Nest's own messages, as lines of our log. */
export function nestLogger(log: Logger): LoggerService {
  const fields = (rest: unknown[]): Record<string, unknown> => ({ context: rest.at(-1) });
  return {
    // What Nest tells of its start (routes, modules) is for developers of Weir.
    log: (message, ...rest) => log.debug(fields(rest), messageOf(message)),
    verbose: (message, ...rest) => log.trace(fields(rest), messageOf(message)),
    debug: (message, ...rest) => log.debug(fields(rest), messageOf(message)),
    warn: (message, ...rest) => log.warn(fields(rest), messageOf(message)),
    error: (message, ...rest) => log.error(fields(rest), messageOf(message)),
    fatal: (message, ...rest) => log.fatal(fields(rest), messageOf(message)),
  };
}
