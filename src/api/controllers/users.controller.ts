import { Controller, Get, Inject, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { AccountsService, type Access } from '../../auth/index.js';
import { CLOCK, type Clock } from '../../platform/index.js';
import { seconds } from '../mappers/fields.js';
import { Caller } from '../http/who.js';

const ACTIVE_DAYS = 60;

/** Who asks, and who was here. */
@Controller('api/v1')
export class UsersController {
  constructor(
    @Inject(AccountsService) private readonly accounts: AccountsService,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  @Get('user')
  user(@Caller() access: Access): Record<string, unknown> {
    const { identity, name, isAdmin, roles } = access;
    const connector = identity?.connector ?? 'robot';
    const userId = connector === 'local' ? name : (identity?.subject ?? name);
    return {
      sub: `${connector}:${identity?.subject ?? name}`,
      name,
      user_id: userId,
      user_name: name,
      email: identity?.email ?? '',
      is_admin: isAdmin,
      is_system: false,
      teams: roles,
      connector,
      display_user_id: name,
    };
  }

  /** Users who logged in since the day, or within 60 days. */
  @Get('users')
  async users(
    @Query('since') since: string | string[] | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Record<string, unknown>[] | { readonly error: string }> {
    const from = since === undefined || since === '' ? this.daysAgo(ACTIVE_DAYS) : dayOf(since);
    if (!from) {
      reply.status(400);
      return { error: 'wrong date format (yyyy-mm-dd)' };
    }
    return (await this.accounts.listActiveUsers(from)).map(({ id, name, connector, subject, lastLoginAt }) => ({
      id,
      username: name,
      connector,
      last_login: seconds(lastLoginAt),
      sub: `${connector}:${subject}`,
    }));
  }

  private daysAgo(days: number): Date {
    return new Date(this.clock.now().getTime() - days * 86_400_000);
  }
}

function dayOf(text: string | string[]): Date | undefined {
  if (typeof text !== 'string' || !/^\d{4}-\d{2}-\d{2}$/.test(text)) return undefined;
  const day = new Date(`${text}T00:00:00Z`);
  return Number.isNaN(day.getTime()) || !day.toISOString().startsWith(text) ? undefined : day;
}
