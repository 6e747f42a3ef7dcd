import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Put, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { TeamsService, type Access, type Doer } from '../../auth/index.js';
import type { TeamRow } from '../../persistence/index.js';
import { Valid } from '../http/validate.js';
import { By, Caller } from '../http/who.js';

const setRequest = z.object({ auth: z.unknown() });
const renameRequest = z.object({ name: z.string() });

/** Teams and the roles in them. */
@Controller('api/v1/teams')
export class TeamsController {
  constructor(@Inject(TeamsService) private readonly teams: TeamsService) {}

  /** Those in which the caller has a role; all for administrators. */
  @Get()
  list(@Caller() access: Access): Record<string, unknown>[] {
    return access.visibleTeams.map(toTeamView);
  }

  @Get(':team')
  async get(@Param('team') name: string, @Caller() access: Access): Promise<Record<string, unknown>> {
    return toTeamView(await this.teams.get(name, access));
  }

  @Put(':team')
  async set(
    @Param('team') name: string,
    @Body(new Valid(setRequest)) { auth }: z.infer<typeof setRequest>,
    @By() doer: Doer,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Record<string, unknown>> {
    const { team, created } = await this.teams.setTeam(name, auth, doer);
    reply.status(created ? 201 : 200);
    return { team: toTeamView(team) };
  }

  @Put(':team/rename')
  async rename(
    @Param('team') name: string,
    @Body(new Valid(renameRequest)) request: z.infer<typeof renameRequest>,
    @By() doer: Doer,
  ): Promise<Record<string, unknown>> {
    await this.teams.rename(name, request.name, doer);
    return {};
  }

  @Delete(':team')
  @HttpCode(204)
  destroy(@Param('team') name: string, @By() doer: Doer): Promise<void> {
    return this.teams.destroy(name, doer);
  }
}

function toTeamView({ id, name, auth }: TeamRow): Record<string, unknown> {
  return { id, name, auth };
}
