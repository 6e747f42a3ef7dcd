import { Inject, Injectable } from '@nestjs/common';
import { didYouMean } from '../model/index.js';
import { Db, listTeams, type TeamRow } from '../persistence/index.js';
import { NotFoundError } from '../platform/index.js';

/** Teams, to which pipelines belong. In this edition there is one, `main`. */
@Injectable()
export class TeamsService {
  constructor(@Inject(Db) private readonly db: Db) {}

  /** By name. */
  async list(): Promise<TeamRow[]> {
    return listTeams(this.db);
  }

  /** @throws NotFoundError naming a near name. */
  async get(name: string): Promise<TeamRow> {
    const teams = await this.list();
    const team = teams.find((t) => t.name === name);
    if (team) return team;
    const near = didYouMean(
      name,
      teams.map((t) => t.name),
    );
    throw new NotFoundError(`there is no team "${name}"${near}`);
  }
}
