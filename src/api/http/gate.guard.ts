import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  clearedCookies,
  Gatekeeper,
  NotAuthorized,
  presentedToken,
  sessionToken,
  tokenDigest,
  TooManyRequests,
  type Admission,
} from '../../auth/index.js';
import { CLOCK, Settings, type Clock } from '../../platform/index.js';
import { isEncrypted } from './encrypted.js';
import { instanceVarsOf } from './instance-vars.js';
import { callerOfAddress, RateLimiter } from './rate-limiter.js';

/** A request that was let in. */
export type Admitted = FastifyRequest & { admission?: Admission };

/** The one gate before every route: see the role matrix in auth. */
@Injectable()
export class GateGuard implements CanActivate {
  private readonly limiter: RateLimiter;

  constructor(
    @Inject(Gatekeeper) private readonly gatekeeper: Gatekeeper,
    @Inject(Settings) private readonly settings: Settings,
    @Inject(CLOCK) clock: Clock,
  ) {
    this.limiter = new RateLimiter(settings.rateLimit, clock);
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<Admitted>();
    const { headers } = request;
    const charge = this.demandRate(request);
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
      charge(request.admission);
      return true;
    } catch (error) {
      if (error instanceof NotAuthorized && sessionToken(headers.cookie) !== undefined) {
        const reply = context.switchToHttp().getResponse<FastifyReply>();
        reply.header('set-cookie', clearedCookies(isEncrypted(request, this.settings)));
      }
      throw error;
    }
  }

  /**
   * One request of the token, once it is known to be good, else of the address: whoever makes up tokens gets nothing by it.
   * @returns charges it to the token that was let in.
   * @throws TooManyRequests
   */
  private demandRate({ ip, headers }: FastifyRequest): (admission: Admission) => void {
    const token = presentedToken(headers.authorization, headers.cookie);
    const [byToken, byAddress] = [token && `token ${tokenDigest(token)}`, callerOfAddress(ip)];
    const isKnown = byToken !== undefined && this.limiter.knows(byToken);
    const waitSeconds = this.limiter.take(isKnown ? byToken : byAddress);
    if (waitSeconds > 0) throw new TooManyRequests(waitSeconds);
    return ({ access }) => {
      if (!isKnown && byToken !== undefined && access.isAuthenticated) this.limiter.move(byAddress, byToken);
    };
  }
}
