import type { RoleHolders, TeamAuth, TeamId } from '../../model/index.js';
import type { Queryable, Tx } from '../db.js';

export interface TeamRow {
  readonly id: TeamId;
  readonly name: string;
  /** Its owners are administrators. */
  readonly admin: boolean;
  readonly auth: TeamAuth;
}

const TEAM = `id, name, admin, auth`;

/** All teams by name. */
export async function listTeams(db: Queryable): Promise<TeamRow[]> {
  return db.query<TeamRow>(`select ${TEAM} from teams order by name`);
}

/** All teams by name, and how often teams have changed: while that number is the same, so are they. */
export async function readRoles(db: Queryable): Promise<{ readonly version: number; readonly teams: TeamRow[] }> {
  const rows = await db.query<TeamRow & { version: number }>(
    `select v.version, t.* from role_version v left join (select ${TEAM} from teams) t on true order by t.name`,
  );
  const teams = rows.map(({ version: _, ...team }) => team).filter(({ id }) => id !== null);
  return { version: rows[0]?.version ?? 0, teams };
}

/** Locks the team of that name until the transaction ends. */
export async function lockTeam(tx: Tx, name: string): Promise<TeamRow | undefined> {
  const [team] = await tx.query<TeamRow>(`select ${TEAM} from teams where name = $1 for no key update`, [name]);
  return team;
}

/** Makes the team unless there is one of that name. @returns the new team. */
export async function insertTeam(tx: Tx, name: string, auth: TeamAuth): Promise<TeamRow | undefined> {
  const [team] = await tx.query<TeamRow>(
    `insert into teams (name, auth) values ($1, $2) on conflict (name) do nothing returning ${TEAM}`,
    [name, JSON.stringify(auth)],
  );
  return team;
}

export async function setTeamAuth(tx: Tx, id: TeamId, auth: TeamAuth): Promise<void> {
  await tx.query(`update teams set auth = $2 where id = $1`, [id, JSON.stringify(auth)]);
}

/** @returns false when another team has the name. */
export async function renameTeam(tx: Tx, id: TeamId, name: string): Promise<boolean> {
  const rows = await tx.query(
    `update teams set name = $2 where id = $1 and not exists (select from teams where name = $2 and id <> $1) returning id`,
    [id, name],
  );
  return rows.length > 0;
}

/** Gives every admin team these owners, keeping its other roles. */
export async function setAdminOwners(tx: Tx, owners: RoleHolders): Promise<void> {
  await tx.query(`update teams set auth = jsonb_set(auth, '{owner}', $1) where admin`, [JSON.stringify(owners)]);
}

/** Locks all admin teams, so that two cannot both find that the other one remains. @returns how many there are. */
export async function lockAdminTeams(tx: Tx): Promise<number> {
  return (await tx.query(`select id from teams where admin order by id for no key update`)).length;
}

/**
 * Removes the team with all its pipelines, builds and tokens, and histories that nobody uses any more.
 * @returns its builds that had not ended, for whoever runs them.
 */
export async function deleteTeam(tx: Tx, id: TeamId): Promise<number[]> {
  const builds = await tx.query<{ id: number }>(
    `select id from builds where team_id = $1 and status in ('pending', 'started')`,
    [id],
  );
  await tx.query(`delete from teams where id = $1`, [id]);
  await tx.query(`delete from histories h where not exists (select from resources r where r.history_id = h.id)`);
  return builds.map((build) => build.id);
}
