import { parseDurationMs, type JsonObject, type VarSourceConfig } from '../../model/index.js';
import type { Path } from './finding.js';
import type { JsonSchema } from './json-schema.js';
import * as mean from './var-source-meanings.js';
import { secretTemplateFault } from './secret-template.js';
import {
  described,
  fields,
  Findings,
  flag,
  hint,
  isMap,
  list,
  looseText,
  mapOf,
  oneOf,
  text,
  type Shape,
} from './shape.js';
import { duration } from './task-schema.js';

/** Field by field what the config of a var source may hold, by its type. The server's own managers take the same. */

/** Until it has its value, a var may stand for a field of any kind. */
function late<Value>(shape: Shape<Value>): Shape<Value | string> {
  return described<Value | string>(shape.json ?? {}, (value, at, found) =>
    typeof value === 'string' && /^\(\(.+\)\)$/.test(value) ? value : shape(value, at, found),
  );
}

function checkedText(json: JsonSchema, faultOf: (value: string) => string | undefined): Shape<string> {
  return described<string>({ type: 'string', ...json }, (value, at, found) => {
    const read = text(value, at, found);
    if (read === undefined || read.includes('((')) return read;
    const fault = faultOf(read);
    if (fault !== undefined) found.problem(at, fault);
    return fault === undefined ? read : undefined;
  });
}

const secretTemplate = checkedText({ examples: ['/{{.Team}}/{{.Secret}}'] }, secretTemplateFault);
const httpUrl = checkedText({ examples: ['https://vault.example.com:8200'] }, (given) => {
  if (!URL.canParse(given)) return 'must be an address that begins with https:// or http://';
  const { protocol, username, password, search, hash } = new URL(given);
  if (!['http:', 'https:'].includes(protocol)) return 'must be an address that begins with https:// or http://';
  return username + password + search + hash === ''
    ? undefined
    : 'must be a plain address, without user, query or fragment';
});
/** A path on the other side, of which no part leads up. */
const plainPath = checkedText({}, (given) =>
  given.split('/').some((part) => part === '.' || part === '..') ? "must not hold '.' or '..' as a part" : undefined,
);
const lifetime = described<string>(duration.json ?? {}, (value, at, found) => {
  const read = duration(value, at, found);
  const ms = parseDurationMs(read ?? '');
  if (ms !== undefined && (ms < 1000 || ms > 24 * 3_600_000)) found.problem(at, 'must be from 1s to 24h');
  return read;
});

const VAULT = fields(
  {
    url: httpUrl,
    path_prefix: plainPath,
    lookup_templates: late(list(secretTemplate)),
    shared_path: plainPath,
    namespace: text,
    ca_cert: text,
    client_cert: text,
    client_key: text,
    server_name: text,
    insecure_skip_verify: late(flag),
    client_token: text,
    auth_backend: plainPath,
    auth_params: late(mapOf(looseText)),
    auth_max_ttl: duration,
    auth_retry_max: duration,
    auth_retry_initial: duration,
  },
  { required: { url: 'has no url' }, meanings: mean.VAULT },
);

const AWS = {
  region: text,
  access_key: text,
  secret_key: text,
  session_token: text,
  pipeline_secret_template: secretTemplate,
  team_secret_template: secretTemplate,
};
const REGION = { region: 'has no region' };
const SSM = fields({ ...AWS, shared_path: plainPath }, { required: REGION, meanings: { ...mean.AWS, ...mean.SSM } });
const SECRETS_MANAGER = fields(
  { ...AWS, shared_secret_template: secretTemplate },
  { required: REGION, meanings: { ...mean.AWS, ...mean.SECRETS_MANAGER } },
);

const ID_TOKEN = fields(
  {
    audience: late(list(text)),
    subject_scope: late(oneOf('team', 'pipeline', 'instance', 'job')),
    expires_in: lifetime,
    algorithm: late(oneOf('RS256', 'ES256')),
  },
  { meanings: mean.ID_TOKEN },
);

/** The config of each type but `dummy`, whose `vars` are not ours to judge. */
const CONFIGS: Readonly<Record<string, Shape<object>>> = {
  vault: VAULT,
  ssm: SSM,
  secretsmanager: SECRETS_MANAGER,
  idtoken: ID_TOKEN,
};

/** The types that a pipeline may use. */
export const VAR_SOURCE_TYPES: readonly string[] = ['dummy', ...Object.keys(CONFIGS)];

/** What the type says of the config, for editors. */
export const VAR_SOURCE_LAWS: readonly JsonSchema[] = Object.entries(CONFIGS).map(([type, { json }]) => ({
  if: { properties: { type: { const: type, description: `For \`${type}\`.` } }, required: ['type'] },
  then: { properties: { config: { ...json, description: `The config of \`${type}\`.` } } },
}));

/** Whose source it is: a pipeline's brings its own credentials, the server's may use those of its machine. */
export type SourceOwner = 'pipeline' | 'server';

/** Notes what is wrong with a var source; `at` leads to it. */
export function checkVarSource({ type, config }: Partial<VarSourceConfig>, at: Path, found: Findings): void {
  if (type === undefined) return;
  if (!VAR_SOURCE_TYPES.includes(type)) {
    found.problem([...at, 'type'], `unknown credential manager type: ${type}`, hint(type, VAR_SOURCE_TYPES));
  } else if (type !== 'dummy') {
    checkConfig(type, config ?? {}, [...at, ...(config === undefined ? [] : ['config'])], found, 'pipeline');
  } else if (!isMap(config?.vars)) {
    found.problem(at, "a dummy var source needs 'config: {vars: …}', a map");
  }
}

/**
 * Reads a config of the type after its vars were filled in.
 * @returns its known keys, and as faults the keys whose values do not fit and the laws that do not hold; never a value, as
 * those may be secret.
 */
export function readSourceConfig(
  type: string,
  config: JsonObject,
  owner: SourceOwner,
): { readonly config: JsonObject; readonly faults: readonly string[] } {
  const found = new Findings();
  const read = checkConfig(type, config, [], found, owner);
  const faults = found.problems.map(({ path: [key], message }) =>
    key === undefined ? message : `the value of ${key} does not fit`,
  );
  return { config: read, faults: [...new Set(faults)] };
}

function checkConfig(type: string, config: JsonObject, at: Path, found: Findings, owner: SourceOwner): JsonObject {
  const read = CONFIGS[type]?.(config, at, found) ?? config;
  if (type === 'vault') checkVault(config, at, found);
  if (type === 'ssm' || type === 'secretsmanager') checkAws(config, at, found, owner);
  return read as JsonObject;
}

function checkVault(config: JsonObject, at: Path, found: Findings): void {
  if (!config['client_token'] && !config['auth_backend'])
    found.problem(at, 'needs client_token, or auth_backend with auth_params');
  if (!config['client_cert'] !== !config['client_key']) found.problem(at, 'needs both client_cert and client_key');
}

function checkAws(config: JsonObject, at: Path, found: Findings, owner: SourceOwner): void {
  const [access, secret, session] = ['access_key', 'secret_key', 'session_token'].map((key) => Boolean(config[key]));
  if (access !== secret || (session && !access)) found.problem(at, 'needs both access_key and secret_key');
  else if (!access && owner === 'pipeline') {
    found.problem(at, 'needs access_key and secret_key', {
      hint: "the identity of the server's machine is for the server's own credential manager",
    });
  }
}
