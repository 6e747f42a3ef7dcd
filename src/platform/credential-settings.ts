import path from 'node:path';
import type { JsonValue } from '../model/index.js';
import {
  contentsOfFile,
  duration,
  durationText,
  names,
  onSwitch,
  text,
  url,
  wholeNumber,
  type Parser,
} from './setting-parsers.js';

type Manager = 'vault' | 'ssm' | 'secretsmanager' | 'kubernetes';
type Field = Manager | 'varsDir' | 'secretCacheMs' | 'secretCacheNotFoundMs' | Timing;
type Timing = 'secretRetryAttempts' | 'secretRetryIntervalMs' | 'secretTimeoutMs' | 'signingKeyRotationMs';

interface CredentialDefinition extends Parser {
  readonly name: string;
  readonly field: Field;
  readonly key?: string;
  readonly value?: string;
  readonly defaultText?: string;
  readonly help: string;
  readonly isSecret?: boolean;
}

/** What the flags of each manager begin with. */
const PREFIXES: Readonly<Record<Manager, string>> = {
  vault: 'vault',
  ssm: 'aws-ssm',
  secretsmanager: 'aws-secretsmanager',
  kubernetes: 'kubernetes',
};

const flagOf = (manager: Manager, key: string): string => `--${PREFIXES[manager]}-${key.replaceAll('_', '-')}`;

/** The settings of where vars have their values from: their lines of the settings table. */
export const CREDENTIAL_DEFINITIONS: readonly CredentialDefinition[] = [
  {
    name: 'vars-dir',
    field: 'varsDir',
    value: 'folder',
    help: 'values of ((vars)), a file each: TEAM/PIPELINE/VAR, then TEAM/VAR',
    ...text('a folder', (given) => path.resolve(given)),
  },

  of('vault', 'url', 'url', 'Vault as the source of values: its address', url('https:', 'http:')),
  line('vault', 'path-prefix', 'path', 'what stands before every path', '/concourse'),
  list('vault', 'lookup-templates', 'where a var is looked for below it', '/TEAM/PIPELINE/VAR, then /TEAM/VAR'),
  line('vault', 'shared-path', 'path', 'looked in after those, by every team'),
  line('vault', 'namespace', 'name', 'namespace of Vault Enterprise'),
  of('vault', 'ca-cert', 'file', 'certificates to trust instead of the usual ones', contentsOfFile()),
  of('vault', 'client-cert', 'file', 'certificate of this server, as for logging in by cert', contentsOfFile()),
  of('vault', 'client-key', 'file', 'its private key', contentsOfFile()),
  line('vault', 'server-name', 'name', "name that Vault's certificate must have, if not that of the address"),
  of('vault', 'insecure-skip-verify', undefined, 'trust whoever answers', onSwitch()),
  ...secret('vault', 'client-token', 'token to read with'),
  line('vault', 'auth-backend', 'path', 'log in by this method: approle, cert, userpass, ldap, kubernetes, ...'),
  {
    ...of('vault', 'auth-param', 'name:value', 'what to log in with, commas between', pairs(), true),
    key: 'auth_params',
  },
  {
    ...of('vault', 'auth-param-file', 'file', 'file that holds it, a line each', pairsOfFile(), true),
    key: 'auth_params',
  },
  {
    ...of('vault', 'auth-backend-max-ttl', 'duration', 'log in again after this time', durationText()),
    key: 'auth_max_ttl',
  },
  {
    ...of('vault', 'retry-initial', 'duration', 'wait after a login that was refused', durationText()),
    key: 'auth_retry_initial',
    defaultText: '1s',
  },
  {
    ...of('vault', 'retry-max', 'duration', 'longest such wait', durationText()),
    key: 'auth_retry_max',
    defaultText: '5m',
  },

  line('ssm', 'region', 'region', 'AWS SSM as the source of values: its region'),
  ...aws('ssm'),
  line('ssm', 'shared-path', 'path', 'looked in after those, by every team'),
  line('secretsmanager', 'region', 'region', 'AWS Secrets Manager as the source of values: its region'),
  ...aws('secretsmanager'),
  template('secretsmanager', 'shared', '/concourse/VAR'),

  of('kubernetes', 'in-cluster', undefined, 'secrets of the Kubernetes that runs this server', onSwitch()),
  of('kubernetes', 'url', 'url', 'secrets of another Kubernetes: its address', url('https:')),
  of('kubernetes', 'ca-cert', 'file', 'certificates to trust instead of the usual ones', contentsOfFile()),
  line('kubernetes', 'token-file', 'file', 'token to read with; read at each use'),
  line('kubernetes', 'namespace-prefix', 'text', 'the namespace of a team is this and its name', 'concourse-'),

  timing('secret-cache-duration', 'secretCacheMs', 'how long a value is not asked for again', 'not at all'),
  timing('secret-cache-duration-notfound', 'secretCacheNotFoundMs', 'the same, of missing ones', 'not at all'),
  {
    name: 'secret-retry-attempts',
    field: 'secretRetryAttempts',
    value: 'number',
    defaultText: '5',
    help: 'how often to ask when the source of values cannot be reached',
    ...wholeNumber(1, 100),
  },
  timing('secret-retry-interval', 'secretRetryIntervalMs', 'wait between two times', '1s'),
  timing('secret-timeout', 'secretTimeoutMs', 'longest wait for one answer', '10s'),
  timing('signing-key-rotation-period', 'signingKeyRotationMs', 'how long one key signs ID tokens', '168h'),
];

/** Which setting makes each manager be asked. */
const SWITCHES: Readonly<Record<Manager, readonly string[]>> = {
  vault: ['url'],
  ssm: ['region'],
  secretsmanager: ['region'],
  kubernetes: ['in_cluster', 'url'],
};

/** What is wrong with the settings of credential managers as a whole: there is one at most, and it is there entirely. */
export function managerFault(
  settings: Readonly<Record<Manager, Readonly<Record<string, JsonValue>>>> & { readonly varsDir: string },
): string | undefined {
  const all = Object.entries(SWITCHES) as [Manager, readonly string[]][];
  const used: string[] = settings.varsDir === '' ? [] : ['--vars-dir'];
  for (const [manager, keys] of all) {
    const given = Object.keys(settings[manager]).filter((key) => settings[manager][key] !== false);
    const on = given.find((key) => keys.includes(key));
    if (on !== undefined) used.push(flagOf(manager, on));
    else if (given[0] !== undefined)
      return `${flagOf(manager, given[0])} needs ${keys.map((key) => flagOf(manager, key)).join(' or ')}`;
  }
  return used.length > 1
    ? `the server has one source of values: give only one of ${used.join(', ')}; pipelines may have more in var_sources`
    : undefined;
}

function of(
  field: Manager,
  name: string,
  value: string | undefined,
  help: string,
  parser: Parser,
  isSecret = false,
): CredentialDefinition {
  return {
    name: `${PREFIXES[field]}-${name}`,
    field,
    key: name.replaceAll('-', '_'),
    ...(value === undefined ? {} : { value }),
    help,
    isSecret,
    ...parser,
  };
}

function line(field: Manager, name: string, value: string, help: string, defaultText?: string): CredentialDefinition {
  return { ...of(field, name, value, help, text('a text')), ...(defaultText === undefined ? {} : { defaultText }) };
}

function list(field: Manager, name: string, help: string, defaultText: string): CredentialDefinition {
  return { ...of(field, name, 'templates', `${help}, with commas between`, names()), defaultText };
}

function template(field: Manager, name: string, defaultText: string): CredentialDefinition {
  return line(
    field,
    `${name}-secret-template`,
    'template',
    `where a var of ${name === 'shared' ? 'all teams' : `a ${name}`} is looked for`,
    defaultText,
  );
}

/** A secret and the file that holds it instead. */
function secret(field: Manager, name: string, help: string): CredentialDefinition[] {
  const direct = of(field, name, 'secret', `${help}; better in the file`, text('a secret'), true);
  const file = of(field, `${name}-file`, 'file', 'file that holds it', contentsOfFile());
  return [direct, { ...file, key: name.replaceAll('-', '_') }];
}

function aws(field: Manager): CredentialDefinition[] {
  return [
    line(field, 'access-key', 'id', 'access key (else what the SDK finds: environment, profile, role)'),
    ...secret(field, 'secret-key', 'its secret'),
    ...secret(field, 'session-token', 'for temporary keys'),
    template(field, 'pipeline', '/concourse/TEAM/PIPELINE/VAR'),
    template(field, 'team', '/concourse/TEAM/VAR'),
  ];
}

function timing(name: string, field: Field, help: string, defaultText: string): CredentialDefinition {
  return { name, field, value: 'duration', defaultText, help, ...duration() };
}

function pairs(): Parser {
  return { expects: 'name:value, with commas between', parse: (given) => pairsIn(given.split(',')) };
}

function pairsOfFile(): Parser {
  const { parse } = contentsOfFile();
  const lines = (file: string): unknown => {
    const contents = parse(file);
    return typeof contents === 'string' ? pairsIn(contents.split(/\r?\n/)) : undefined;
  };
  return { expects: 'a file with lines of the form name:value', parse: lines };
}

function pairsIn(given: readonly string[]): Record<string, string> | undefined {
  const all = given.map((pair) => /^\s*([^:\s]+):(.*)$/s.exec(pair));
  if (!all.every((pair) => pair !== null)) return undefined;
  return Object.fromEntries(all.map((pair) => [pair[1] ?? '', pair[2] ?? '']));
}
