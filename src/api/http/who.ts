import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { NotAuthorized, type Access, type Doer } from '../../auth/index.js';
import type { ByWhom } from '../../pipelines/index.js';
import type { Admitted } from './gate.guard.js';
import { reasonBody, Valid } from './validate.js';

const validReason = new Valid(reasonBody);

/** Whoever asks, and what they may; on an open route perhaps nobody. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext): Access => accessOf(context));

/** Who asks, and why if the body says so: `{"reason": "…"}` is welcome on every change and never needed. */
export const Who = createParamDecorator((_: unknown, context: ExecutionContext): ByWhom => {
  const access = accessOf(context);
  if (!access.isAuthenticated) throw new NotAuthorized();
  const reason = reasonOf(context);
  return { by: access.name, ...(reason ? { reason } : {}) };
});

/** Who asks, from where and why, for services that put changes on record themselves. */
export const By = createParamDecorator((_: unknown, context: ExecutionContext): Doer => {
  const { id, ip } = context.switchToHttp().getRequest<Admitted>();
  return { access: accessOf(context), reason: reasonOf(context), requestId: id, remoteAddress: ip };
});

function accessOf(context: ExecutionContext): Access {
  const { admission } = context.switchToHttp().getRequest<Admitted>();
  if (!admission) throw new NotAuthorized();
  return admission.access;
}

function reasonOf(context: ExecutionContext): string | undefined {
  return validReason.transform(context.switchToHttp().getRequest<Admitted>().body).reason;
}
