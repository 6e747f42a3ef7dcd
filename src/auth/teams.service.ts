import { Inject, Injectable } from '@nestjs/common';
import { didYouMean, isRole, ROLES, type JsonValue, type TeamAuth } from '../model/index.js';
import {
  Db,
  deleteTeam,
  insertTeam,
  listTeams,
  lockAdminTeams,
  lockTeam,
  notify,
  recordAudit,
  renameTeam,
  setTeamAuth,
  type TeamRow,
  type Tx,
} from '../persistence/index.js';
import { CLOCK, ConflictError, NotFoundError, UserError, type Clock } from '../platform/index.js';
import type { Access } from './access.js';
import { auditOf, type Doer } from './doer.js';
import { Forbidden } from './refusals.js';

const LONGEST_NAME = 255;

/** Teams, to which pipelines belong, and the roles in them. */
@Injectable()
export class TeamsService {
  constructor(
    @Inject(Db) private readonly db: Db,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** By name. */
  async list(): Promise<TeamRow[]> {
    return listTeams(this.db);
  }

  /** @throws NotFoundError naming a near name among those that the caller may know. */
  async get(name: string, access?: Access): Promise<TeamRow> {
    const teams = await this.list();
    const team = teams.find((t) => t.name === name);
    if (team) return team;
    const near = didYouMean(
      name,
      (access?.visibleTeams ?? []).map((t) => t.name),
    );
    throw new NotFoundError(`there is no team "${name}"${near}`);
  }

  /**
   * Gives the team these roles in place of all it had; makes it if there is none, which only administrators may.
   * @param auth as it was sent.
   * @throws InvalidTeam, Forbidden.
   */
  async setTeam(
    name: string,
    auth: unknown,
    doer: Doer,
  ): Promise<{ readonly team: TeamRow; readonly created: boolean }> {
    const roles = parseTeamAuth(auth);
    checkName(name);
    return this.db.tx(async (tx) => {
      const before = await lockTeam(tx, name);
      if (before) await setTeamAuth(tx, before.id, roles);
      else if (!doer.access.isAdmin) throw new Forbidden();
      const created = before ? undefined : await insertTeam(tx, name, roles);
      const team = before ? { ...before, auth: roles } : created;
      if (!team) throw new ConflictError('name-taken', `a team "${name}" was made at the same time`);
      await this.record(tx, doer, 'SetTeam', name, before ? json(before.auth) : null, json(roles));
      return { team, created: created !== undefined };
    });
  }

  /** @throws NotFoundError, InvalidTeam; ConflictError when another team has the name, and for the team of administrators. */
  async rename(name: string, newName: string, doer: Doer): Promise<void> {
    checkName(newName);
    await this.db.tx(async (tx) => {
      const team = await this.lock(tx, name, doer);
      // Settings and paths without a team mean it by its name.
      if (team.admin)
        throw new ConflictError('main-team', `team "${name}" cannot be renamed: it administers the server`);
      if (!(await renameTeam(tx, team.id, newName)))
        throw new ConflictError('name-taken', `a team "${newName}" exists already`);
      await this.record(tx, doer, 'RenameTeam', newName, { name }, { name: newName });
    });
  }

  /**
   * Removes the team with its pipelines and builds, which are told to stop.
   * @throws NotFoundError; Forbidden for the last admin team, without which nobody could administer.
   */
  async destroy(name: string, doer: Doer): Promise<void> {
    await this.db.tx(async (tx) => {
      const adminTeams = await lockAdminTeams(tx);
      const team = await this.lock(tx, name, doer);
      if (team.admin && adminTeams === 1)
        throw new Forbidden(`forbidden: "${name}" is the last team of administrators`);
      const pipelinesAndBuilds = await deleteTeam(tx, team.id);
      await notify(tx, 'builds', pipelinesAndBuilds);
      await this.record(tx, doer, 'DestroyTeam', name, json(team.auth), null);
    });
  }

  private async lock(tx: Tx, name: string, { access }: Doer): Promise<TeamRow> {
    return (await lockTeam(tx, name)) ?? this.get(name, access);
  }

  private async record(
    tx: Tx,
    doer: Doer,
    action: string,
    team: string,
    before: JsonValue,
    after: JsonValue,
  ): Promise<void> {
    await recordAudit(tx, { ...auditOf(doer), action, team, before, after }, this.clock.now());
  }
}

/** Roles or a name that a team cannot have; `errors` is where `fly` looks. */
export class InvalidTeam extends UserError {
  constructor(message: string) {
    super('invalid-team', message, 400, { errors: [message] });
  }
}

/**
 * Roles as `set-team` sends them: `{"owner": {"users": ["local:ana"], "groups": ["github:org:team"]}}`.
 * @throws InvalidTeam also when a role has no user and no group: that would be everybody, and is more often a mistake.
 */
export function parseTeamAuth(auth: unknown): TeamAuth {
  const entries = isMap(auth) ? Object.entries(auth) : [];
  if (entries.length === 0) throw new InvalidTeam('the auth config of a team must not be empty: name an owner');
  return Object.fromEntries(
    entries.map(([role, holders]) => {
      if (!isRole(role))
        throw new InvalidTeam(`unknown role "${role}"${didYouMean(role, ROLES)}: roles are ${ROLES.join(', ')}`);
      const given = isMap(holders) ? holders : {};
      const [users, groups] = [textList(given.users, role), textList(given.groups, role)];
      if (users.length + groups.length === 0) throw new InvalidTeam(`role "${role}" has no users and no groups`);
      return [role, { users, groups }];
    }),
  );
}

function textList(value: unknown, role: string): string[] {
  const list: unknown = value ?? [];
  if (!Array.isArray(list)) throw new InvalidTeam(`users and groups of role "${role}" must be lists`);
  for (const text of list as unknown[]) {
    if (typeof text !== 'string' || !/^[^:\s\0]+:[^\0]+$/.test(text))
      throw new InvalidTeam(`"${String(text).slice(0, 100)}" of role "${role}" is not connector:name`);
  }
  return list as string[];
}

function checkName(name: string): void {
  if (name.trim() === '') throw new InvalidTeam('a team needs a name');
  // eslint-disable-next-line no-control-regex -- what cannot stand in a path or a row
  if (name.length > LONGEST_NAME || /[\u0000-\u001f/]/.test(name))
    throw new InvalidTeam(
      `"${name.slice(0, 50)}" is no name for a team: it is too long or has letters that a path cannot hold`,
    );
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function json(auth: TeamAuth): JsonValue {
  return JSON.parse(JSON.stringify(auth)) as JsonValue;
}
