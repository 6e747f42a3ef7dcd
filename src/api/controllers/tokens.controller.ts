import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { z } from 'zod';
import { TokensService, type Access, type Doer } from '../../auth/index.js';
import { ROLES, type TokenId } from '../../model/index.js';
import type { LastingTokenRow } from '../../persistence/index.js';
import { given } from '../mappers/fields.js';
import { IdPipe, Valid } from '../http/validate.js';
import { By, Caller } from '../http/who.js';

const DAY_SECONDS = 86_400;
const createRequest = z.strictObject({
  name: z.string().trim().min(1, 'must not be empty').max(200),
  robot: z.boolean().default(false),
  team: z.string().optional(),
  role: z.enum(ROLES).optional(),
  pipelines: z.array(z.string().min(1)).min(1).max(100).optional(),
  actions: z.array(z.string()).min(1).max(200).optional(),
  expires_in_seconds: z
    .int()
    .min(60)
    .max(3_650 * DAY_SECONDS)
    .default(90 * DAY_SECONDS),
  reason: z.string().optional(),
});

/** Personal and robot tokens. Ours; Concourse has none. */
@Controller('api/v1/tokens')
export class TokensController {
  constructor(@Inject(TokensService) private readonly tokens: TokensService) {}

  /** The caller's own and the robots of teams they own, never what they are. */
  @Get()
  async list(@Caller() access: Access): Promise<Record<string, unknown>[]> {
    return (await this.tokens.list(access)).map(toTokenView);
  }

  /** `token` of the answer cannot be shown again. */
  @Post()
  async create(
    @Body(new Valid(createRequest)) request: z.infer<typeof createRequest>,
    @By() doer: Doer,
  ): Promise<Record<string, unknown>> {
    const { robot: isRobot, expires_in_seconds: lifetimeSeconds, ...rest } = request;
    const { token, row } = await this.tokens.create({ ...rest, isRobot, lifetimeSeconds }, doer);
    return { ...toTokenView(row), token };
  }

  @Delete(':id')
  @HttpCode(204)
  revoke(@Param('id', IdPipe) id: number, @By() doer: Doer): Promise<void> {
    return this.tokens.revoke(id as TokenId, doer);
  }
}

function toTokenView(row: LastingTokenRow): Record<string, unknown> {
  return {
    id: row.id,
    name: row.name,
    kind: row.kind,
    ...given({ team: row.teamName, role: row.role, pipelines: row.pipelines, actions: row.actions }),
    ...given({ created_by: row.createdBy }),
    created_at: row.createdAt.toISOString(),
    expires_at: row.expiresAt.toISOString(),
    ...given({ last_used_at: row.lastUsedAt?.toISOString() }),
  };
}
