import { Catch, Inject, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { LOGGER, type Logger } from '../../platform/index.js';
import { problemOf, type Problem } from './problem.js';

/**
 * The one place where errors become answers. Ours are `{code, message, details, requestId}`. `fly` is known by sending no
 * `Accept` header at all and gets what it prints well: plain text, or for 404 the JSON-API list, which ours also holds.
 */
@Catch()
export class ErrorFilter implements ExceptionFilter {
  constructor(@Inject(LOGGER) private readonly log: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const problem = problemOf(error);
    if (problem.isFault) {
      this.log.error(
        { requestId: request.id, method: request.method, route: request.routeOptions?.url, err: error },
        'request failed',
      );
    }
    if (reply.sent || reply.raw.headersSent) return;
    if (problem.retryAfterSeconds !== undefined) reply.header('retry-after', String(problem.retryAfterSeconds));
    if (problem.status === 401) reply.header('www-authenticate', 'Bearer realm="weir"');
    reply.status(problem.status);
    if (wantsText(request, problem)) void reply.type('text/plain; charset=utf-8').send(problem.message);
    else void reply.type('application/json').send(JSON.stringify(body(problem, request.id)));
  }
}

function wantsText(request: FastifyRequest, { status, details }: Problem): boolean {
  return request.headers.accept === undefined && status !== 404 && errorsOf(details) === undefined;
}

function body({ status, code, message, details }: Problem, requestId: string): Record<string, unknown> {
  const errors =
    errorsOf(details) ?? (status === 404 ? [{ title: 'Not Found', detail: message, status: '404' }] : undefined);
  return { code, message, ...(details === undefined ? {} : { details }), requestId, ...(errors ? { errors } : {}) };
}

/** A refused config brings its problems as Concourse's list of texts. */
function errorsOf(details: unknown): readonly string[] | undefined {
  const errors = (details as { errors?: unknown } | null | undefined)?.errors;
  return Array.isArray(errors) && errors.every((e) => typeof e === 'string') ? errors : undefined;
}
