import { createHash, type Hash } from 'node:crypto';
import { pipeline, Readable, Transform } from 'node:stream';
import { Inject, Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { from, lastValueFrom, type Observable } from 'rxjs';
import { presentedToken, seal, unseal } from '../../auth/index.js';
import {
  beginRequest,
  Db,
  freeKey,
  keepAnswer,
  type IdempotentRequestRow,
  type RequestKey,
} from '../../persistence/index.js';
import { CLOCK, ConflictError, UserError, type Clock } from '../../platform/index.js';
import type { Admitted } from './gate.guard.js';
import { problemOf } from './problem.js';
import { InvalidRequest } from './validate.js';

interface Asked extends RequestKey {
  readonly token: string;
  readonly body: Fingerprint;
}

/**
 * Does a POST with an `Idempotency-Key` once, however often its caller sends it within a day: the others get the answer of
 * the first. A refusal did nothing, so it frees the key. When the server failed or ended on the way nobody knows whether the
 * request was done: then it is not done again, and the caller is told to look.
 */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  constructor(
    @Inject(Db) private readonly db: Db,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<Admitted>();
    const key = [request.headers['idempotency-key']].flat()[0];
    const tokenId = request.admission?.access.token?.id;
    const token = presentedToken(request.headers.authorization, request.headers.cookie);
    if (request.method !== 'POST' || key === undefined || tokenId === undefined || token === undefined)
      return next.handle();
    if (!/^[\x21-\x7e]{1,255}$/.test(key))
      throw new InvalidRequest('Idempotency-Key', [{ path: '', message: 'expected 1 to 255 visible characters' }]);
    const keyDigest = createHash('sha256').update(key).digest('hex');
    const asked = { tokenId, keyDigest, token, body: new Fingerprint(request) };
    return from(this.once(asked, context.switchToHttp().getResponse<FastifyReply>(), next));
  }

  private async once(asked: Asked, reply: FastifyReply, next: CallHandler): Promise<unknown> {
    const { body } = asked;
    const earlier = await this.db.tx((tx) => beginRequest(tx, asked, body.known, this.clock.now()));
    if (earlier) return replay(earlier, asked, reply);
    let answer: unknown;
    try {
      answer = await lastValueFrom(next.handle(), { defaultValue: undefined });
    } catch (error) {
      if (!problemOf(error).isFault) await this.db.tx((tx) => freeKey(tx, asked));
      throw error;
    }
    const sealed = seal(JSON.stringify(answer ?? null), asked.token);
    const done = { fingerprint: await body.whole(), status: reply.statusCode, answer: sealed };
    await this.db.tx((tx) => keepAnswer(tx, asked, done));
    return answer;
  }
}

async function replay(earlier: IdempotentRequestRow, asked: Asked, reply: FastifyReply): Promise<unknown> {
  const own = await asked.body.whole();
  if (earlier.fingerprint !== null && earlier.fingerprint !== own)
    throw new UserError('idempotency-key-reused', 'this Idempotency-Key was sent with another request', 422);
  const { status, answer } = earlier;
  if (status === null || answer === null)
    throw new ConflictError(
      'idempotency-key-in-use',
      'a request with this Idempotency-Key has begun and not ended; if that stays so, look whether it was done and take another key',
      { retryAfterSeconds: 1 },
    );
  reply.status(status).header('idempotency-replayed', 'true');
  return (JSON.parse(unseal(answer, asked.token)) as unknown) ?? undefined;
}

/** The digest of a request. That of a streamed body is known when somebody has read it. */
class Fingerprint {
  /** Null: the body comes as a stream. */
  readonly known: string | null;
  private readonly hash: Hash;
  private readonly stream: Readable | undefined;

  constructor(request: Admitted) {
    const { method, url, headers, body } = request;
    this.hash = createHash('sha256').update(`${method} ${url}\n${headers['content-type'] ?? ''}\n`);
    if (body instanceof Readable) {
      this.stream = this.watched(body);
      request.body = this.stream;
    } else this.hash.update(Buffer.isBuffer(body) ? body : (JSON.stringify(body) ?? ''));
    this.known = this.stream ? null : this.hash.copy().digest('hex');
  }

  /** Reads what is left of a stream. */
  async whole(): Promise<string> {
    if (this.stream && !this.stream.readableEnded) for await (const part of this.stream) void part;
    return this.hash.copy().digest('hex');
  }

  private watched(body: Readable): Readable {
    const { hash } = this;
    const passed = new Transform({
      transform(part: Buffer, _encoding, done) {
        hash.update(part);
        done(null, part);
      },
    });
    return pipeline(body, passed, () => undefined); // whoever reads it hears of failures
  }
}
