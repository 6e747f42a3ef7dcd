import {
  createParamDecorator,
  Inject,
  Injectable,
  SetMetadata,
  type CanActivate,
  type CustomDecorator,
  type ExecutionContext,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthService, NotAuthorized, type User } from './auth.service.js';

const OPEN = 'weir:open';

/** Lets a route answer without a token. Everything without this mark asks for one. */
export const Open = (): CustomDecorator => SetMetadata(OPEN, true);

interface AuthRequest {
  readonly headers: { readonly authorization?: string };
  user?: User;
}

/** Hands the caller to a controller method; on an {@link Open} route undefined when nobody asked by name. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext): User | undefined => {
  return context.switchToHttp().getRequest<AuthRequest>().user;
});

/** Denies by default: every route needs a bearer token unless it is marked {@link Open}; a bad token is refused even there. */
@Injectable()
export class AuthGuard implements CanActivate {
  constructor(
    @Inject(AuthService) private readonly auth: AuthService,
    @Inject(Reflector) private readonly reflector: Reflector,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<AuthRequest>();
    const token = bearerToken(request.headers.authorization);
    if (token !== undefined) {
      request.user = await this.auth.tokenUser(token);
      if (!request.user) throw new NotAuthorized();
      return true;
    }
    if (this.reflector.getAllAndOverride<boolean | undefined>(OPEN, [context.getHandler(), context.getClass()]))
      return true;
    throw new NotAuthorized();
  }
}

/** The value of `Bearer <value>`, scheme in any case; undefined for another scheme or form. */
export function bearerToken(header: string | undefined): string | undefined {
  const [scheme, value, ...rest] = (header ?? '').split(' ');
  return scheme?.toLowerCase() === 'bearer' && value && rest.length === 0 ? value : undefined;
}
