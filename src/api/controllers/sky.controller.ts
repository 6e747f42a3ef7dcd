import { Body, Controller, Get, Headers, HttpCode, Inject, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { AuthService, bearerToken, NotAuthorized, Open } from '../../auth/index.js';
import { UserError } from '../../platform/index.js';

/** The public client that every `fly` says it is. */
const CLIENT = { id: 'fly', secret: 'Zmx5' };
const COOKIES = ['skymarshal_auth', 'skymarshal_csrf'];

const tokenForm = z.object({
  grant_type: z.string().optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  client_id: z.string().optional(),
  client_secret: z.string().optional(),
});

interface TokenAnswer {
  readonly access_token: string;
  readonly token_type: 'bearer';
  readonly expires_in: number;
}
interface OAuthError {
  readonly error: string;
  readonly error_description: string;
}

/** Logging in and out, the way `fly` does it: OAuth's password grant, and a cookie to end a token. */
@Open()
@Controller('sky')
export class SkyController {
  constructor(@Inject(AuthService) private readonly auth: AuthService) {}

  @Post('issuer/token')
  @HttpCode(200)
  async token(
    @Headers('authorization') authorization: string | undefined,
    @Body() body: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TokenAnswer | OAuthError> {
    const refuse = (status: number, error: string, description: string): OAuthError => {
      reply.status(status);
      return { error, error_description: description };
    };
    const form = tokenForm.safeParse(body ?? {}).data;
    if (!form) return refuse(400, 'invalid_request', 'send the form fields grant_type, username and password');
    if (!isKnownClient(authorization, form)) return refuse(401, 'invalid_client', 'unknown client');
    if (form.grant_type !== 'password')
      return refuse(400, 'unsupported_grant_type', 'only the password grant is supported');
    try {
      const { token, expiresInSeconds } = await this.auth.login(form.username ?? '', form.password ?? '');
      return { access_token: token, token_type: 'bearer', expires_in: expiresInSeconds };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      const { retryAfterSeconds } = (error.details ?? {}) as { retryAfterSeconds?: number };
      if (retryAfterSeconds !== undefined) reply.header('retry-after', String(retryAfterSeconds));
      return refuse(error.status, 'access_denied', error.message);
    }
  }

  /** `fly` sends the token as a cookie, `weir` may send it as a header. */
  @Get('logout')
  async logout(
    @Headers('cookie') cookies: string | undefined,
    @Headers('authorization') authorization: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    const token = bearerToken(cookie(cookies, 'skymarshal_auth')) ?? bearerToken(authorization);
    if (token === undefined || !(await this.auth.logout(token))) throw new NotAuthorized();
    reply.header(
      'set-cookie',
      COOKIES.map((name) => `${name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax`),
    );
  }
}

/** By HTTP Basic first, then by form fields, as OAuth clients try. */
function isKnownClient(authorization: string | undefined, form: z.infer<typeof tokenForm>): boolean {
  const basic = /^basic (\S+)$/i.exec(authorization ?? '')?.[1];
  if (basic !== undefined) return Buffer.from(basic, 'base64').toString() === `${CLIENT.id}:${CLIENT.secret}`;
  return form.client_id === CLIENT.id && form.client_secret === CLIENT.secret;
}

/** One cookie's value. Go puts a value with a space in double quotes. */
function cookie(header: string | undefined, name: string): string | undefined {
  for (const pair of (header ?? '').split(/; */)) {
    const equals = pair.indexOf('=');
    if (pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).replace(/^"(.*)"$/, '$1');
  }
  return undefined;
}
