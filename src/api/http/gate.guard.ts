import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { clearedCookies, Gatekeeper, NotAuthorized, sessionToken, type Admission } from '../../auth/index.js';
import { Settings } from '../../platform/index.js';
import { instanceVarsOf } from './instance-vars.js';

/** A request that was let in. */
export type Admitted = FastifyRequest & { admission?: Admission };

/** The one gate before every route: see the role matrix in auth. */
@Injectable()
export class GateGuard implements CanActivate {
  private readonly isSecure: boolean;

  constructor(
    @Inject(Gatekeeper) private readonly gatekeeper: Gatekeeper,
    @Inject(Settings) { externalUrl }: Settings,
  ) {
    this.isSecure = externalUrl.startsWith('https:');
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<Admitted>();
    const { headers } = request;
    try {
      request.admission = await this.gatekeeper.admit({
        method: request.method,
        route: request.routeOptions.url ?? '',
        params: request.params as Record<string, string | undefined>,
        authorization: headers.authorization,
        cookies: headers.cookie,
        csrfToken: [headers['x-csrf-token']].flat()[0],
        instanceVars: () => instanceVarsOf(request.query as Record<string, string | string[]>),
      });
      return true;
    } catch (error) {
      if (error instanceof NotAuthorized && sessionToken(headers.cookie) !== undefined) {
        const reply = context.switchToHttp().getResponse<FastifyReply>();
        reply.header('set-cookie', clearedCookies(this.isSecure));
      }
      throw error;
    }
  }
}
