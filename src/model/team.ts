/** What one may do in a team, from least to most: each role may what those before it may. */
export const ROLES = ['viewer', 'pipeline-operator', 'member', 'owner'] as const;
export type Role = (typeof ROLES)[number];

export function isRole(text: string): text is Role {
  return (ROLES as readonly string[]).includes(text);
}

/** Is `role` at least `least`? */
export function reaches(role: Role, least: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(least);
}

/** Who has a role: `connector:name` or `connector:id` of users, `connector:group` of groups, in any case. Both empty: everybody. */
export interface RoleHolders {
  readonly users: readonly string[];
  readonly groups: readonly string[];
}

/** A team's roles as `set-team` stores them. A role that is absent is held by nobody. */
export type TeamAuth = Readonly<Partial<Record<Role, RoleHolders>>>;
