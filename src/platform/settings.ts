import path from 'node:path';
import { didYouMean, type JsonValue } from '../model/index.js';
import { ACCOUNT_DEFINITIONS, AccountSettings } from './account-settings.js';
import { CREDENTIAL_DEFINITIONS, managerFault } from './credential-settings.js';
import { UserError } from './errors.js';
import { JOB_DEFINITIONS } from './job-settings.js';
import { duration, offSwitch, oneOf, text, url, wholeNumber, type Parser } from './setting-parsers.js';

/** A pipeline source asked for at the start: `--source name=uri[#branch[:glob]]`. */
export interface SourceSetting {
  readonly name: string;
  readonly uri: string;
  readonly branch?: string;
  /** Which files of the repository are pipelines. */
  readonly glob?: string;
}

/** A local user made at the start. */
export interface LocalUserSetting {
  readonly name: string;
  /** Plain, or a hash of ours: `scrypt$…`. */
  readonly password: string;
}

/** Which folders of this machine pipelines may name as git repositories: all, none, or these beside the usual ones. */
export type LocalPaths = 'allow' | 'deny' | readonly string[];

/** Keys of a credential manager that are set, as in the `config` of a var source of its type. */
export type ManagerSetting = Readonly<Record<string, JsonValue>>;

/** Everything an operator can set; see `npm start -- --help`. Provided to every room by the platform module. */
export class Settings extends AccountSettings {
  /** Absolute. */
  readonly dataDir: string = '';
  /** Empty: PostgreSQL runs embedded in the data folder. */
  readonly databaseUrl: string = '';
  readonly bindAddress: string = '127.0.0.1';
  readonly port: number = 8080;
  /** Where people reach this server, without a trailing slash. */
  readonly externalUrl: string = 'http://127.0.0.1:8080';
  readonly logLevel: string = 'warn';
  /** Names this server over restarts: the data folder's own id. */
  readonly instanceId: string = '';
  /** Grows with every start of this instance. */
  readonly epoch: number = 0;
  readonly checkIntervalMs: number = 60_000;
  readonly checkTimeoutMs: number = 3_600_000;
  /** At most this many checks at once towards one host. */
  readonly checksPerHost: number = 4;
  readonly maxConcurrentChecks: number = 32;
  /** Memory for what planning reads again and again: the newest builds of upstream jobs. */
  readonly plannerCacheMb: number = 64;
  /** What an interrupted step gets to stop by itself before it is killed. */
  readonly stepGraceMs: number = 10_000;
  /** Absolute folder with the values of vars, one file each; empty: there are none. */
  readonly varsDir: string = '';
  /** Other places of values, by the keys of the `config` of a var source; without keys there is no such place. */
  readonly vault: ManagerSetting = {};
  readonly ssm: ManagerSetting = {};
  readonly secretsmanager: ManagerSetting = {};
  /** `url`, `ca_cert` (PEM), `token_file`, `in_cluster`, `namespace_prefix`. */
  readonly kubernetes: ManagerSetting = {};
  /** How long a value, or that there is none, is not asked for again; 0: not at all. */
  readonly secretCacheMs: number = 0;
  readonly secretCacheNotFoundMs: number = 0;
  /** How often a credential manager is asked that cannot be reached, and how long after each time. */
  readonly secretRetryAttempts: number = 5;
  readonly secretRetryIntervalMs: number = 1_000;
  readonly secretTimeoutMs: number = 10_000;
  /** How long one key signs the tokens of `idtoken` sources. */
  readonly signingKeyRotationMs: number = 7 * 24 * 3_600_000;
  /** How long the artifacts of a build that did not succeed are kept, so that it can be resumed. */
  readonly keepFailedArtifactsMs: number = 24 * 3_600_000;
  /** How long the containers of a build that did not succeed stay to be stepped into, from its end or its last visitor. */
  readonly keepFailedContainersMs: number = 5 * 60_000;
  /** How long files are kept that people upload for one-off builds, and those that such builds leave for them. */
  readonly keepArtifactsMs: number = 12 * 3_600_000;
  /** Largest upload, in megabytes of unpacked files. */
  readonly maxUploadMb: number = 10_240;
  /** Where steps run: `auto`, or some of `host` and `docker` with commas between, the preferred one first. */
  readonly runtime: string = 'auto';
  /** Words that steps can ask for by their `tags`, by runtime. */
  readonly runtimeTags: readonly { readonly runtime: string; readonly tags: readonly string[] }[] = [];
  /** How many steps run at once, by runtime; one that is not named takes as many as suit the machine. */
  readonly slots: Readonly<Record<string, number>> = {};
  /** How steps of the host are kept apart from the machine: `required`, `preferred` (where it can be done), `none`. */
  readonly isolation: 'required' | 'preferred' | 'none' = 'preferred';
  /** Folders of this machine that pipelines may name as git repositories, beside the example and those of `sources`. */
  readonly gitLocalPaths: LocalPaths = [];
  readonly localUsers: readonly LocalUserSetting[] = [];
  /** File that says which role an action takes; empty: as documented. */
  readonly roleFile: string = '';
  /** Make the example on the first start of a data folder. */
  readonly hasExample: boolean = true;
  readonly sources: readonly SourceSetting[] = [];
  /** The Concourse release whose `fly` may talk to us: it refuses servers of another major or minor version. */
  readonly concourseVersion: string = '8.3.0';
  /** Shown to people who use several servers. */
  readonly clusterName: string = '';

  constructor(values: Partial<Settings>) {
    super();
    Object.assign(this, values);
  }
}

/** A flag or variable that cannot be understood; the message names it, the value and what is expected. */
export class SettingError extends UserError {
  constructor(message: string) {
    super('bad-setting', message);
  }
}

/** One line of the settings table. Flag and variable follow from the name: `check-interval` is also `WEIR_CHECK_INTERVAL`. */
interface Definition extends Parser {
  readonly name: string;
  readonly field: keyof Settings;
  /** The field is a map, and this the key of the value. */
  readonly key?: string;
  /** What stands for the value in the help; absent for a switch, which takes none. */
  readonly value?: string;
  readonly defaultText?: string;
  readonly help: string;
  readonly isRepeatable?: boolean;
  /** The value is, or holds, a secret: errors do not repeat it. */
  readonly isSecret?: boolean;
}

const RUNTIMES = ['host', 'docker'];
const ISOLATIONS = ['required', 'preferred', 'none'];
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];

const DEFINITIONS: readonly Definition[] = [
  {
    name: 'port',
    field: 'port',
    value: 'number',
    defaultText: '8080',
    help: 'port of the web server; 0 takes a free one',
    ...wholeNumber(0, 65_535),
  },
  {
    name: 'bind',
    field: 'bindAddress',
    value: 'address',
    defaultText: '127.0.0.1',
    help: 'address to listen on; 0.0.0.0 is every one',
    ...text('an address'),
  },
  {
    name: 'data-dir',
    field: 'dataDir',
    value: 'folder',
    defaultText: '.weir',
    help: 'where everything is kept',
    ...text('a folder', (given) => path.resolve(given)),
  },
  {
    name: 'database-url',
    field: 'databaseUrl',
    isSecret: true,
    value: 'url',
    help: 'use this PostgreSQL (15 or newer) instead of the embedded one; also DATABASE_URL',
    ...url('postgres:', 'postgresql:'),
  },
  {
    name: 'external-url',
    field: 'externalUrl',
    value: 'url',
    help: 'where people reach this server, for links',
    ...url('http:', 'https:'),
  },
  {
    name: 'concourse-version',
    field: 'concourseVersion',
    value: 'version',
    defaultText: '8.3.0',
    help: 'version told to clients of Concourse, such as fly',
    expects: 'three numbers such as 8.3.0',
    parse: (given) => (/^\d+\.\d+\.\d+$/.test(given) ? given : undefined),
  },
  {
    name: 'cluster-name',
    field: 'clusterName',
    value: 'name',
    help: 'shown to people who use several servers',
    ...text('a name'),
  },
  {
    name: 'log-level',
    field: 'logLevel',
    value: 'level',
    defaultText: 'warn',
    help: LOG_LEVELS.join(', '),
    ...oneOf(LOG_LEVELS),
  },
  {
    name: 'no-example',
    field: 'hasExample',
    help: 'start empty: do not make the example',
    ...offSwitch(),
  },
  {
    name: 'check-interval',
    field: 'checkIntervalMs',
    value: 'duration',
    defaultText: '1m',
    help: 'how often to check a resource that does not say',
    ...duration(),
  },
  {
    name: 'check-timeout',
    field: 'checkTimeoutMs',
    value: 'duration',
    defaultText: '1h',
    help: 'longest time of one check',
    ...duration(),
  },
  {
    name: 'checks-per-host',
    field: 'checksPerHost',
    value: 'number',
    defaultText: '4',
    help: 'most checks at once towards one host',
    ...wholeNumber(1, 10_000),
  },
  {
    name: 'max-concurrent-checks',
    field: 'maxConcurrentChecks',
    value: 'number',
    defaultText: '32',
    help: 'most checks at once',
    ...wholeNumber(1, 10_000),
  },
  {
    name: 'keep-failed-artifacts',
    field: 'keepFailedArtifactsMs',
    value: 'duration',
    defaultText: '24h',
    help: 'how long a build that did not succeed can be resumed from its failed step',
    ...duration(),
  },
  {
    name: 'keep-failed-containers',
    field: 'keepFailedContainersMs',
    value: 'duration',
    defaultText: '5m',
    help: 'how long `weir intercept` finds the steps of a build that did not succeed',
    ...duration(),
  },
  {
    name: 'keep-artifacts',
    field: 'keepArtifactsMs',
    value: 'duration',
    defaultText: '12h',
    help: 'how long inputs and outputs of `weir execute` are kept',
    ...duration(),
  },
  {
    name: 'max-upload-mb',
    field: 'maxUploadMb',
    value: 'number',
    defaultText: '10240',
    help: 'largest input of `weir execute`, in megabytes of unpacked files',
    ...wholeNumber(1, 100_000_000),
  },
  {
    name: 'planner-cache-mb',
    field: 'plannerCacheMb',
    value: 'number',
    defaultText: '64',
    help: 'megabytes of memory for the builds that planning looks at; 0 keeps none',
    ...wholeNumber(0, 1_000_000),
  },
  ...CREDENTIAL_DEFINITIONS,
  {
    name: 'add-local-user',
    field: 'localUsers',
    isSecret: true,
    value: 'name:password',
    help: 'users, with commas between; better in WEIR_ADD_LOCAL_USER, as others see flags; password plain or scrypt$...',
    expects: 'name:password, with commas between users (bcrypt hashes are not understood)',
    parse: localUsers,
  },
  {
    name: 'role-file',
    field: 'roleFile',
    value: 'file',
    help: 'YAML that gives actions to other roles: "viewer: [PauseJob]"',
    ...text('a file', (given) => path.resolve(given)),
  },
  {
    name: 'source',
    field: 'sources',
    isSecret: true,
    value: 'name=uri',
    isRepeatable: true,
    help: 'take pipelines from git: name=uri[#branch[:glob]]; may be given again',
    expects: 'name=uri, name=uri#branch or name=uri#branch:glob',
    parse: sourceSetting,
  },
  {
    name: 'git-local-paths',
    field: 'gitLocalPaths',
    value: 'folders',
    help: 'folders of this machine, with commas between, that pipelines may use as git repositories; allow or deny for all',
    expects: 'allow, deny, or absolute folders with commas between',
    parse: localPaths,
  },
  {
    name: 'runtime',
    field: 'runtime',
    value: 'kinds',
    defaultText: 'auto',
    help: 'where steps run: host, docker, both as in docker,host, or auto (docker,host if Docker answers, else host)',
    expects: 'auto, host, docker, or both with a comma between',
    parse: runtimeKinds,
  },
  {
    name: 'runtime-tags',
    field: 'runtimeTags',
    value: 'runtime=tags',
    isRepeatable: true,
    help: 'a runtime for steps with these tags only, as in docker=linux,big; may be given again',
    expects: `a runtime and its tags, such as docker=linux,big; runtimes are ${RUNTIMES.join(', ')}`,
    parse: runtimeTags,
  },
  {
    name: 'slots',
    field: 'slots',
    value: 'runtime=number',
    help: 'most steps at once, as in docker=20,host=4; the others wait for their turn (default 10 for each processor)',
    expects: `numbers from 1 by runtime, such as docker=20,host=4; runtimes are ${RUNTIMES.join(', ')}`,
    parse: slotsByRuntime,
  },
  {
    name: 'isolation',
    field: 'isolation',
    value: 'wish',
    defaultText: 'preferred',
    help: 'sandboxes for steps of the host: required (else no start), preferred (else none, with a warning), none',
    ...oneOf(ISOLATIONS),
  },
  ...JOB_DEFINITIONS,
  ...ACCOUNT_DEFINITIONS,
];

/** What the command line asks for: help, or a server with these settings. */
export type Request = { readonly help: true } | { readonly help: false; readonly settings: Settings };

/**
 * Reads flags (`--port 8080`, `--port=8080`) and, for those not given, variables (`WEIR_PORT`).
 * @throws SettingError for an unknown flag (with a near name) and for a value that is not as expected.
 */
export function parseSettings(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): Request {
  const given = readFlags(argv);
  if (given === 'help') return { help: true };
  const values: Record<string, unknown> = { dataDir: path.resolve('.weir') };
  for (const definition of DEFINITIONS) {
    const flagged = given.get(definition);
    const fromEnv = environmentValue(definition, env);
    if (flagged !== undefined) assign(values, definition, flagged, `--${definition.name}`);
    else if (fromEnv !== undefined)
      assign(
        values,
        definition,
        definition.isRepeatable ? fromEnv.text.trim().split(/\s+/) : [fromEnv.text],
        fromEnv.name,
      );
  }
  const settings = withExternalUrl(new Settings(values));
  const fault = managerFault(settings);
  if (fault !== undefined) throw new SettingError(fault);
  return { help: false, settings };
}

/** The table of flags for people. */
export function settingsHelp(): string {
  const rows = DEFINITIONS.map((d) => [`--${d.name}${d.value === undefined ? '' : ` <${d.value}>`}`, d] as const);
  const width = Math.max(...rows.map(([flag]) => flag.length)) + 2;
  return [
    'Usage: npm start -- [flags]',
    '',
    ...rows.map(
      ([flag, d]) =>
        `  ${flag.padEnd(width)}${d.help}${d.defaultText === undefined ? '' : ` (default ${d.defaultText})`}`,
    ),
    `  ${'--help'.padEnd(width)}show this and stop`,
    '',
    'Every flag is also a variable: --check-interval is WEIR_CHECK_INTERVAL. A flag wins.',
  ].join('\n');
}

function readFlags(argv: readonly string[]): Map<Definition, string[]> | 'help' {
  const given = new Map<Definition, string[]>();
  const rest = [...argv];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === '--help' || word === '-h') return 'help';
    const [, name, inline] = /^--([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
    const definition = DEFINITIONS.find((d) => d.name === name);
    if (definition === undefined) throw unknownFlag(word, name);
    const value = inline ?? (definition.value === undefined ? 'true' : rest.shift());
    if (value === undefined) throw new SettingError(`--${definition.name} needs a value: ${definition.expects}`);
    if (given.has(definition) && !definition.isRepeatable)
      throw new SettingError(`--${definition.name} is given twice`);
    given.set(definition, [...(given.get(definition) ?? []), value]);
  }
  return given;
}

function unknownFlag(word: string, name: string | undefined): SettingError {
  const near =
    name === undefined
      ? ''
      : didYouMean(
          name,
          DEFINITIONS.map((d) => d.name),
          '--',
        );
  return new SettingError(`unknown flag ${word.replace(/=.*/s, '')}${near === '' ? ';' : near} --help lists the flags`);
}

function environmentValue(
  definition: Definition,
  env: Readonly<Record<string, string | undefined>>,
): { name: string; text: string } | undefined {
  const names = [
    `WEIR_${definition.name.toUpperCase().replaceAll('-', '_')}`,
    ...(definition.name === 'database-url' ? ['DATABASE_URL'] : []),
  ];
  for (const name of names) {
    const value = env[name];
    // Kubernetes gives every pod WEIR_PORT=tcp://... when a service is called "weir".
    if (value !== undefined && value !== '' && !(name === 'WEIR_PORT' && value.startsWith('tcp://')))
      return { name, text: value };
  }
  return undefined;
}

function assign(
  values: Record<string, unknown>,
  definition: Definition,
  texts: readonly string[],
  origin: string,
): void {
  const parsed = texts.map((text) => {
    const value = definition.parse(text);
    // An address may hold a password: it is not repeated.
    const shown = definition.isSecret ? 'the value' : JSON.stringify(text);
    if (value === undefined) throw new SettingError(`${origin}: ${shown} is not ${definition.expects}`);
    return value;
  });
  const { field, key } = definition;
  const value = definition.isRepeatable ? parsed : parsed.at(-1);
  values[field] = key === undefined ? value : { ...(values[field] as object | undefined), [key]: value };
}

function withExternalUrl(settings: Settings): Settings {
  if (settings.externalUrl !== new Settings({}).externalUrl) return settings;
  return new Settings({ ...settings, externalUrl: localUrl(settings.bindAddress, settings.port) });
}

/** The address of a server on this machine; an address that means "every one" is shown as the loopback. */
export function localUrl(bindAddress: string, port: number): string {
  const host = bindAddress === '0.0.0.0' || bindAddress === '::' ? '127.0.0.1' : bindAddress;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function localUsers(given: string): LocalUserSetting[] | undefined {
  const users = given.split(',').map((user) => {
    const [, name, password] = /^\s*([^:\s][^:]*?):(.+)$/s.exec(user) ?? [];
    const isForeignHash = password !== undefined && /^\$2[abxy]?\$/.test(password);
    return name === undefined || password === undefined || isForeignHash ? undefined : { name, password };
  });
  return users.every((user) => user !== undefined) ? users : undefined;
}

function sourceSetting(given: string): SourceSetting | undefined {
  const [, name, uri, branch, glob] = /^([a-z0-9][\w.-]*)=([^#\s]+)(?:#([^:\s]*)(?::(\S+))?)?$/i.exec(given) ?? [];
  if (name === undefined || uri === undefined) return undefined;
  return { name, uri, ...(branch ? { branch } : {}), ...(glob === undefined ? {} : { glob }) };
}

function localPaths(given: string): LocalPaths | undefined {
  if (given === 'allow' || given === 'deny') return given;
  const folders = given.split(',').map((folder) => folder.trim());
  return folders.every((folder) => path.isAbsolute(folder)) ? folders : undefined;
}

function runtimeKinds(given: string): string | undefined {
  const names = given.split(',').map((name) => name.trim());
  const isGood = names.every((name, at) => RUNTIMES.includes(name) && names.indexOf(name) === at);
  return given.trim() === 'auto' || isGood ? names.join(',') : undefined;
}

function runtimeTags(given: string): { runtime: string; tags: string[] } | undefined {
  const [, runtime = '', tags = ''] = /^(\w+)=([\w.-]+(?:,[\w.-]+)*)$/.exec(given) ?? [];
  return RUNTIMES.includes(runtime) ? { runtime, tags: tags.split(',') } : undefined;
}

function slotsByRuntime(given: string): Record<string, number> | undefined {
  const pairs = given.split(',').map((pair) => /^(\w+)=(\d{1,6})$/.exec(pair.trim()));
  const slots = Object.fromEntries(pairs.map((pair) => [pair?.[1] ?? '', Number(pair?.[2] ?? 0)]));
  const isGood = Object.entries(slots).every(([name, number]) => RUNTIMES.includes(name) && number > 0);
  return isGood ? slots : undefined;
}
