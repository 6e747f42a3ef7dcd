import type { TeamId } from '../../model/index.js';
import type { Queryable } from '../db.js';

export interface TeamRow {
  readonly id: TeamId;
  readonly name: string;
}

/** All teams by name. */
export async function listTeams(db: Queryable): Promise<TeamRow[]> {
  return db.query<TeamRow>(`select id, name from teams order by name`);
}
