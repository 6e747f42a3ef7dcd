import { Controller, Get, Inject, Param } from '@nestjs/common';
import { Caller, TeamsService, type User } from '../../auth/index.js';

/** Who asks, and the teams. In this edition every user owns every team. */
@Controller('api/v1')
export class UsersController {
  constructor(@Inject(TeamsService) private readonly teams: TeamsService) {}

  @Get('user')
  async user(@Caller() { id, name }: User): Promise<Record<string, unknown>> {
    const teams = await this.teams.list();
    return {
      sub: `local:${id}`,
      name,
      user_id: name,
      user_name: name,
      email: name,
      is_admin: true,
      is_system: false,
      teams: Object.fromEntries(teams.map((team) => [team.name, ['owner']])),
      connector: 'local',
      display_user_id: name,
    };
  }

  @Get('teams')
  async list(): Promise<Record<string, unknown>[]> {
    return (await this.teams.list()).map(toTeamView);
  }

  @Get('teams/:team')
  async get(@Param('team') name: string): Promise<Record<string, unknown>> {
    return toTeamView(await this.teams.get(name));
  }
}

function toTeamView({ id, name }: { readonly id: number; readonly name: string }): Record<string, unknown> {
  // No users and no groups: everybody who can log in.
  return { id, name, auth: { owner: { users: [], groups: [] } } };
}
