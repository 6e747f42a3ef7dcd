import { reaches, ROLES, type Role, type RoleHolders, type TeamAuth, type TeamId } from '../model/index.js';
import type { TeamRow, TokenRow } from '../persistence/index.js';
import { matchesAny } from './name-glob.js';
import type { Rule } from './role-matrix.js';
import type { RolePolicy } from './role-policy.js';

/** Who somebody is at the connector that knows them. */
export interface Identity {
  readonly connector: string;
  /** The connector's own name for the user. */
  readonly subject: string;
  readonly name: string;
  readonly email: string;
  readonly groups: readonly string[];
}

/** Whoever asks, and what they may do now. Made for each request from the stored roles of teams, so a change counts at once. */
export class Access {
  private readonly held: ReadonlyMap<string, readonly Role[]>;
  /** Owner of an admin team, by a token without limits. */
  readonly isAdmin: boolean;

  constructor(
    /** Undefined: nobody said who they are. */
    readonly token: TokenRow | undefined,
    private readonly teams: readonly TeamRow[],
    private readonly policy: RolePolicy,
  ) {
    this.held = new Map(
      teams
        .map((team): [string, readonly Role[]] => [team.name, token ? rolesOf(token, team) : []])
        .filter(([, r]) => r.length > 0),
    );
    const isLimited =
      token?.teamName != null || token?.role != null || token?.pipelines != null || token?.actions != null;
    this.isAdmin = !isLimited && teams.some(({ admin, name }) => admin && this.held.get(name)?.includes('owner'));
  }

  get isAuthenticated(): boolean {
    return this.token !== undefined;
  }

  /** What is written as the doer of things. @throws when nobody is logged in. */
  get name(): string {
    if (!this.token) throw new Error('nobody is logged in');
    return this.token.user?.name ?? `robot:${this.token.teamName}/${this.token.name}`;
  }

  /** Undefined for robots and for nobody. */
  get identity(): Identity | undefined {
    return this.token?.user;
  }

  /** Roles by team; an administrator's are those they were given. */
  get roles(): Readonly<Record<string, readonly Role[]>> {
    return Object.fromEntries(this.held);
  }

  /** The same person without any role: for lists of what everybody may see. */
  withoutRoles(): Access {
    return new Access(this.token, [], this.policy);
  }

  /** May they do this in the team, to that pipeline if one is named? */
  may(rule: Rule, teamName: string, pipelineName?: string): boolean {
    if (this.isAdmin) return true;
    if (!this.isWithinLimits(rule, pipelineName)) return false;
    const least = this.policy.roleFor(rule);
    return (this.held.get(teamName) ?? []).some((role) => reaches(role, least));
  }

  /** May they do this in some team? */
  mayAnywhere(rule: Rule): boolean {
    return this.isAdmin || this.teams.some(({ name }) => this.may(rule, name));
  }

  /** Does the token's list of actions, if it has one, hold this one? */
  isForAction({ action }: Rule): boolean {
    const actions = this.token?.actions;
    return !actions || actions.includes(action);
  }

  /** Teams in which they have a role; all for administrators. */
  get visibleTeams(): readonly TeamRow[] {
    return this.isAdmin ? this.teams : this.teams.filter(({ name }) => this.held.has(name));
  }

  /** Ids of {@link visibleTeams}. */
  get visibleTeamIds(): TeamId[] {
    return this.visibleTeams.map(({ id }) => id);
  }

  /** Teams of which they see everything, not only some pipelines. */
  get wholeTeamIds(): TeamId[] {
    return this.token?.pipelines ? [] : this.visibleTeamIds;
  }

  /** Is something of that team and pipeline theirs to see, beside what is public? */
  sees(teamName: string, pipelineName?: string): boolean {
    if (this.isAdmin) return true;
    return this.held.has(teamName) && this.coversPipeline(pipelineName);
  }

  /** Have they the role on the team, whatever the action? */
  holds(teamName: string, least: Role): boolean {
    return this.isAdmin || (this.held.get(teamName) ?? []).some((role) => reaches(role, least));
  }

  private isWithinLimits(rule: Rule, pipelineName: string | undefined): boolean {
    return this.isForAction(rule) && this.coversPipeline(pipelineName);
  }

  /** A token that is limited to pipelines is good for nothing that is not of one. */
  coversPipeline(pipelineName: string | undefined): boolean {
    const globs = this.token?.pipelines;
    return !globs || (pipelineName !== undefined && matchesAny(globs, pipelineName));
  }
}

/** Roles on the team that the token gives: those of its user, within its limits; a robot has the one it was made with. */
function rolesOf(token: TokenRow, team: TeamRow): readonly Role[] {
  if (token.teamName !== null && token.teamName !== team.name) return [];
  const { user, role: most } = token;
  if (!user) return most === null ? [] : [most];
  const own = rolesIn(team.auth, user);
  return most === null ? own : [...new Set(own.map((role) => (reaches(role, most) ? most : role)))];
}

/** The roles that a team gives somebody, the greatest first. Names and groups are compared in lower case. */
export function rolesIn(auth: TeamAuth, identity: Identity): Role[] {
  return ROLES.filter((role) => auth[role] !== undefined && isHolder(auth[role], identity)).reverse();
}

function isHolder(holders: RoleHolders, { connector, subject, name, groups: own }: Identity): boolean {
  const { users, groups } = lowered(holders);
  if (users.size === 0 && groups.size === 0) return true;
  const isIn = (set: ReadonlySet<string>, text: string): boolean => set.has(`${connector}:${text}`.toLowerCase());
  return isIn(users, subject) || isIn(users, name) || own.some((group) => group !== '' && isIn(groups, group));
}

interface LoweredHolders {
  readonly users: ReadonlySet<string>;
  readonly groups: ReadonlySet<string>;
}

/** Each request asks every team whether it knows the caller, and teams stay the same for many requests. */
const loweredHolders = new WeakMap<RoleHolders, LoweredHolders>();

function lowered(holders: RoleHolders): LoweredHolders {
  const known = loweredHolders.get(holders);
  if (known) return known;
  const lower = (texts: readonly string[]): Set<string> => new Set(texts.map((text) => text.toLowerCase()));
  const made = { users: lower(holders.users), groups: lower(holders.groups) };
  loweredHolders.set(holders, made);
  return made;
}
