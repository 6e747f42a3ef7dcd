import { Inject, Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { catchError, mergeMap, type Observable } from 'rxjs';
import { auditOf } from '../../auth/index.js';
import { Db, recordAudit, type AuditRecord } from '../../persistence/index.js';
import { CLOCK, LOGGER, type Clock, type Logger } from '../../platform/index.js';
import type { Admitted } from './gate.guard.js';
import { problemOf } from './problem.js';

const LONGEST_REASON = 2_000;

/**
 * Puts every request that changes something on record, with its outcome, unless the service does so itself and knows what was
 * before. What was asked is not kept, only its place and its reason: bodies may hold secrets.
 */
@Injectable()
export class AuditInterceptor implements NestInterceptor {
  constructor(
    @Inject(Db) private readonly db: Db,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<Admitted>();
    const isChange = !['GET', 'HEAD', 'OPTIONS'].includes(request.method);
    if (!isChange || request.admission?.row.rule.record !== 'request') return next.handle();
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    const record = recordOf(request);
    return next.handle().pipe(
      mergeMap(async (answer: unknown) => {
        await this.keep({ ...record, status: reply.statusCode });
        return answer;
      }),
      catchError(async (error: unknown) => {
        await this.keep({ ...record, status: problemOf(error).status });
        throw error;
      }),
    );
  }

  /** The change is made already: a record that cannot be kept is told to the log and undoes nothing. */
  private async keep(record: AuditRecord): Promise<void> {
    try {
      await this.db.tx((tx) => recordAudit(tx, record, this.clock.now()));
    } catch (error) {
      this.log.error({ err: error, record }, 'a change could not be put on record');
    }
  }
}

function recordOf(request: Admitted): AuditRecord {
  const { admission, id, ip, body } = request;
  if (!admission) throw new Error('a request that was not let in is not put on record');
  const { team, ...rest } = request.params as Readonly<Record<string, string>>;
  const { reason } = (body ?? {}) as { reason?: unknown };
  const why = typeof reason === 'string' ? reason.slice(0, LONGEST_REASON) : undefined;
  return {
    ...auditOf({ access: admission.access, remoteAddress: ip, requestId: id, reason: clean(why) }),
    action: admission.row.rule.action,
    team: clean(team),
    target: clean(
      Object.entries(rest)
        .map(([name, value]) => `${name}/${value}`)
        .join('/'),
    ),
  };
}

/** Text as a row can hold it. */
function clean(text: string | undefined): string | undefined {
  return text?.replaceAll('\0', '') || undefined;
}
