import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { NotAuthorized, type User } from '../../auth/index.js';
import type { ByWhom } from '../../pipelines/index.js';
import { reasonBody, Valid } from './validate.js';

const validReason = new Valid(reasonBody);

/** Who asks, and why if the body says so: `{"reason": "…"}` is welcome on every change and never needed. */
export const Who = createParamDecorator((_: unknown, context: ExecutionContext): ByWhom => {
  const { user, body } = context.switchToHttp().getRequest<FastifyRequest & { user?: User }>();
  if (!user) throw new NotAuthorized();
  const { reason } = validReason.transform(body);
  return { by: user.name, ...(reason ? { reason } : {}) };
});
