import { Body, Controller, Get, Headers, HttpCode, Inject, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { AuthService, clearedCookies, isSameText, NotAuthorized, sessionToken, bearerToken } from '../../auth/index.js';
import { Settings, UserError } from '../../platform/index.js';
import { isEncrypted } from '../http/encrypted.js';

/** The public client that every `fly` says it is. */
const CLIENT = { id: 'fly', secret: 'Zmx5' };

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
@Controller('sky')
export class SkyController {
  constructor(
    @Inject(AuthService) private readonly auth: AuthService,
    @Inject(Settings) private readonly settings: Settings,
  ) {}

  @Post('issuer/token')
  @HttpCode(200)
  async token(
    @Req() { id: requestId, ip: remoteAddress }: FastifyRequest,
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
      const { username = '', password = '' } = form;
      const { token, expiresInSeconds } = await this.auth.login(username, password, { remoteAddress, requestId });
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
    reply.header('set-cookie', clearedCookies(isEncrypted(reply.request, this.settings)));
    const token = sessionToken(cookies) ?? bearerToken(authorization);
    if (token === undefined || !(await this.auth.logout(token))) throw new NotAuthorized();
  }
}

/** By HTTP Basic first, then by form fields, as OAuth clients try. */
function isKnownClient(authorization: string | undefined, form: z.infer<typeof tokenForm>): boolean {
  const basic = /^basic (\S+)$/i.exec(authorization ?? '')?.[1];
  const given =
    basic === undefined ? `${form.client_id}:${form.client_secret}` : Buffer.from(basic, 'base64').toString();
  return isSameText(given, `${CLIENT.id}:${CLIENT.secret}`);
}
