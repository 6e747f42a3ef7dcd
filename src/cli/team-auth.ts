import type { JsonValue } from '../model/index.js';
import { CliError } from './io.js';
import { isMap } from './pipeline-ref.js';

/** Who holds a role, as the API wants it: `connector:name`. */
export interface Holders {
  readonly users: readonly string[];
  readonly groups: readonly string[];
}
export type TeamAuth = Readonly<Record<string, Holders>>;

/** Connectors and what each calls its users and groups, on the command line (`--github-org`) and, in the plural, in files. */
const KINDS: readonly { readonly connector: string; readonly kind: string; readonly is: keyof Holders }[] = [
  { connector: 'local', kind: 'user', is: 'users' },
  { connector: 'ldap', kind: 'user', is: 'users' },
  { connector: 'ldap', kind: 'group', is: 'groups' },
  { connector: 'oidc', kind: 'user', is: 'users' },
  { connector: 'oidc', kind: 'group', is: 'groups' },
  { connector: 'github', kind: 'user', is: 'users' },
  { connector: 'github', kind: 'org', is: 'groups' },
  { connector: 'github', kind: 'team', is: 'groups' },
];

/** The flags for {@link authOfFlags}, without `--`. */
export const HOLDER_FLAGS = KINDS.map(({ connector, kind }) => `${connector}-${kind}`);

/** @param given what stands behind each flag of {@link HOLDER_FLAGS}. All become owners. */
export function authOfFlags(given: Readonly<Record<string, readonly string[] | undefined>>): TeamAuth {
  const holders: Record<keyof Holders, string[]> = { users: [], groups: [] };
  for (const { connector, kind, is } of KINDS)
    for (const name of given[`${connector}-${kind}`] ?? []) holders[is].push(`${connector}:${name}`);
  return { owner: holders };
}

/**
 * Reads a file of roles: `roles: [{name: owner, local: {users: [ana]}, github: {teams: [org:team]}}]`.
 * @throws CliError naming the place
 */
export function authOfFile(content: JsonValue, file: string): TeamAuth {
  const roles: JsonValue = isMap(content) ? (content.roles ?? null) : null;
  if (!isList(roles)) throw new CliError(`${file} has no list "roles"`);
  return Object.fromEntries(
    roles.map((role, i) => {
      const where = `${file}: roles[${i}]`;
      if (!isMap(role) || typeof role.name !== 'string') throw new CliError(`${where} has no name`);
      const { name, ...connectors } = role;
      return [name, holdersOf(connectors, `${where} (${name})`)];
    }),
  );
}

function holdersOf(connectors: Readonly<Record<string, JsonValue>>, where: string): Holders {
  const holders: Record<keyof Holders, string[]> = { users: [], groups: [] };
  for (const [connector, kinds] of Object.entries(connectors)) {
    if (!isMap(kinds)) throw new CliError(`${where}.${connector} is not a map of users and groups`);
    for (const [kind, names] of Object.entries(kinds)) {
      const known = KINDS.find((each) => each.connector === connector && `${each.kind}s` === kind);
      // Connectors that only the server knows have users and groups.
      const is = known?.is ?? (kind === 'users' || kind === 'groups' ? kind : undefined);
      if (is === undefined)
        throw new CliError(`${where}.${connector}: unknown key "${kind}"; there are users and groups`);
      for (const name of names === null ? [] : [names].flat()) {
        if (typeof name !== 'string') throw new CliError(`${where}.${connector}.${kind} is not a list of names`);
        holders[is].push(`${connector}:${name}`);
      }
    }
  }
  return holders;
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}
