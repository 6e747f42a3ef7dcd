import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { didYouMean, isRole, ROLES, type Role } from '../model/index.js';
import { messageOf, UserError } from '../platform/index.js';
import { ROLE_MATRIX, type Rule } from './role-matrix.js';

/** The role file cannot be used; the message names the place and the way out. */
export class RoleFileError extends UserError {
  constructor(message: string) {
    super('bad-role-file', message);
  }
}

/** Gates at which a role decides; at the others a role file cannot change anything. */
const ROLE_GATES = ['any-team', 'team', 'pipeline', 'build', 'private-build', 'build-change', 'open'];

/** Which role an action takes: as the matrix says, unless the operator's role file says otherwise. */
export class RolePolicy {
  private constructor(private readonly changed: ReadonlyMap<string, Role>) {}

  static readonly standard = new RolePolicy(new Map());

  /** @throws RoleFileError */
  static ofFile(path: string): RolePolicy {
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (error) {
      throw new RoleFileError(`cannot read the role file ${path}: ${messageOf(error)}`);
    }
    return RolePolicy.ofText(text, path);
  }

  /**
   * Reads a map from role to actions: `viewer: [PauseJob]` lets viewers pause jobs. Actions that are not named keep their role.
   * @throws RoleFileError
   */
  static ofText(text: string, name: string): RolePolicy {
    const changed = new Map<string, Role>();
    const refuse = (message: string): never => {
      throw new RoleFileError(`role file ${name}: ${message}`);
    };
    for (const [role, actions] of Object.entries(readMap(text, refuse))) {
      if (!isRole(role))
        return refuse(`unknown role '${role}'${didYouMean(role, ROLES)}: roles are ${ROLES.join(', ')}`);
      if (!Array.isArray(actions)) return refuse(`${role} must hold a list of actions`);
      for (const action of actions as unknown[]) {
        if (typeof action !== 'string' || !isAction(action))
          return refuse(`unknown action '${String(action)}' of ${role}${didYouMean(String(action), actionNames())}`);
        if (changed.has(action)) return refuse(`action '${action}' is given to two roles`);
        changed.set(action, role);
      }
    }
    return new RolePolicy(changed);
  }

  roleFor({ action, role }: Rule): Role {
    return this.changed.get(action) ?? role;
  }
}

/** Actions whose role may be changed and to which tokens may be limited. */
export function actionNames(): string[] {
  const rules = ROLE_MATRIX.map(({ rule }) => rule).filter(({ gate }) => ROLE_GATES.includes(gate));
  return [...new Set(rules.map(({ action }) => action))].sort();
}

export function isAction(name: string): boolean {
  return actionNames().includes(name);
}

function readMap(text: string, refuse: (message: string) => never): Record<string, unknown> {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    return refuse(`is not YAML: ${messageOf(error)}`);
  }
  if (value === null || value === undefined) return {};
  if (typeof value !== 'object' || Array.isArray(value)) return refuse('must be a map from role to a list of actions');
  return value as Record<string, unknown>;
}
