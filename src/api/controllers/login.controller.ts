import { randomBytes } from 'node:crypto';
import { Body, Controller, Get, Headers, HttpCode, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import {
  attributes,
  AuthService,
  BrowserLogins,
  cookieOf,
  isSameText,
  localPath,
  sessionCookies,
  sessionToken,
  csrfToken,
  withParameter,
  type IssuedToken,
} from '../../auth/index.js';
import { Settings, UserError } from '../../platform/index.js';
import { isEncrypted } from '../http/encrypted.js';
import { loginPage, PAGE_POLICY, tokenPage, TOKEN_PAGE_POLICY } from '../http/login-pages.js';
import { Valid } from '../http/validate.js';

/** Names the browser that a form or a provider's answer must come back from. */
const STATE_COOKIE = 'weir_login';
const STATE_LIFETIME_SECONDS = 3_600;

const loginForm = z.object({
  username: z.string().max(1_000),
  password: z.string().max(10_000),
  redirect_uri: z.string().optional(),
  state: z.string(),
});
type Query = Readonly<Record<string, string | string[]>>;

/** Logging in with a browser: a form for those with a password here, a button for every provider. */
@Controller()
export class LoginController {
  /** What stands before our paths where people reach this server; empty at the root of a host. */
  private readonly prefix: string;

  constructor(
    @Inject(AuthService) private readonly auth: AuthService,
    @Inject(BrowserLogins) private readonly logins: BrowserLogins,
    @Inject(Settings) private readonly settings: Settings,
  ) {
    const { pathname } = new URL(settings.externalUrl);
    this.prefix = pathname.replace(/\/+$/, '');
  }

  /** `fly login` sends people here, with the port at which it listens. */
  @Get('login')
  start(@Query() { fly_port: port, redirect_uri: wanted }: Query, @Res() reply: FastifyReply): void {
    const path = typeof port === 'string' && isPort(port) ? `/fly_success?fly_port=${port}` : localPath(one(wanted));
    this.redirect(reply, 302, withParameter('/sky/login', 'redirect_uri', path));
  }

  @Get('logout')
  startLogout(@Res() reply: FastifyReply): void {
    this.redirect(reply, 301, '/sky/logout');
  }

  /** Where providers were told to send people by older servers. */
  @Get('auth/:provider/callback')
  oldCallback(@Req() { url }: FastifyRequest, @Res() reply: FastifyReply): void {
    this.redirect(reply, 301, `/sky/issuer/callback${new URL(url, 'http://local').search}`);
  }

  /** The form; whoever is logged in already goes on at once. */
  @Get('sky/login')
  async form(
    @Query('redirect_uri') wanted: string | string[] | undefined,
    @Headers('cookie') cookies: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const path = localPath(one(wanted));
    const token = sessionToken(cookies);
    const access = token === undefined ? undefined : await this.auth.access(token);
    if (token !== undefined && access?.token?.kind === 'login') return this.goOn(reply, token, path);
    this.show(reply, 200, path);
  }

  @Post('sky/login')
  @HttpCode(303)
  async logIn(
    @Req() { id: requestId, ip: remoteAddress }: FastifyRequest,
    @Headers('cookie') cookies: string | undefined,
    @Body(new Valid(loginForm)) { username, password, redirect_uri: wanted, state }: z.infer<typeof loginForm>,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const path = localPath(wanted);
    // Without it another site could log people in as somebody else.
    if (!isSameText(cookieOf(cookies, STATE_COOKIE) ?? '', state) || state === '')
      return this.show(reply, 403, path, 'This form was too old. Please try again.');
    try {
      const issued = await this.auth.login(username, password, { remoteAddress, requestId });
      await this.begin(reply, issued, cookies, path);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.show(reply, error.status, path, error.message);
    }
  }

  /** Off to a provider. */
  @Get('sky/login/:connector')
  async leave(
    @Param('connector') id: string,
    @Query('redirect_uri') wanted: string | string[] | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    try {
      const { url, state } = await this.logins.begin(id, one(wanted), this.callbackUrl);
      reply.header('set-cookie', this.stateCookie(reply, state));
      await reply.redirect(url, 307);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.show(reply, error.status, localPath(one(wanted)), error.message);
    }
  }

  /** And back. */
  @Get(['sky/callback', 'sky/issuer/callback'])
  async comeBack(
    @Req() { id: requestId, ip: remoteAddress }: FastifyRequest,
    @Query() query: Query,
    @Headers('cookie') cookies: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const texts = Object.fromEntries(Object.entries(query).map(([name, value]) => [name, one(value) ?? '']));
    try {
      const kept = cookieOf(cookies, STATE_COOKIE);
      const { issued, redirectPath } = await this.logins.finish(texts, kept, this.callbackUrl, {
        remoteAddress,
        requestId,
      });
      await this.begin(reply, issued, cookies, redirectPath);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.show(reply, error.status, '/', error.message);
    }
  }

  /** Hands the session's token on to the `fly` or `weir` that waits at a port of this person's machine, or shows it. */
  @Get('fly_success')
  async handOver(
    @Query() { fly_port: port, noop }: Query,
    @Headers('cookie') cookies: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const token = sessionToken(cookies);
    const access = token === undefined ? undefined : await this.auth.access(token);
    const isHandedOver = noop === 'true';
    if (!isHandedOver && access?.token?.kind !== 'login')
      return this.redirect(reply, 302, withParameter('/sky/login', 'redirect_uri', localPath(reply.request.url)));
    const to = typeof port === 'string' && isPort(port) ? Number(port) : undefined;
    reply.header('content-security-policy', TOKEN_PAGE_POLICY).type('text/html; charset=utf-8');
    await reply.send(tokenPage(isHandedOver ? undefined : token, to));
  }

  /** A session begins: always with a new token, whatever the browser held before, which ends. */
  private async begin(
    reply: FastifyReply,
    { token }: IssuedToken,
    cookies: string | undefined,
    path: string,
  ): Promise<void> {
    const old = sessionToken(cookies);
    if (old !== undefined) await this.auth.logout(old);
    reply.header('set-cookie', [
      ...sessionCookies(token, isEncrypted(reply.request, this.settings)),
      this.stateCookie(reply, '', 0),
    ]);
    this.goOn(reply, token, path);
  }

  private goOn(reply: FastifyReply, token: string, path: string): void {
    this.redirect(reply, 303, withParameter(path, 'csrf_token', csrfToken(token)));
  }

  private show(reply: FastifyReply, status: number, path: string, message?: string): void {
    const state = randomBytes(32).toString('base64url');
    reply
      .status(status)
      .header('set-cookie', this.stateCookie(reply, state))
      .header('content-security-policy', PAGE_POLICY)
      .type('text/html; charset=utf-8');
    void reply.send(loginPage({ prefix: this.prefix, path, state, message, providers: this.logins.providers }));
  }

  private stateCookie({ request }: FastifyReply, state: string, seconds = STATE_LIFETIME_SECONDS): string {
    return `${STATE_COOKIE}=${state}; Max-Age=${seconds}; ${attributes(isEncrypted(request, this.settings))}`;
  }

  private redirect(reply: FastifyReply, status: number, path: string): void {
    void reply.redirect(this.prefix + path, status);
  }

  private get callbackUrl(): string {
    return `${this.settings.externalUrl}/sky/callback`;
  }
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) > 0 && Number(text) < 65_536;
}

function one(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
