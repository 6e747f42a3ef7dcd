import { randomUUID } from 'node:crypto';
import { importJWK, SignJWT } from 'jose';
import { parse } from 'yaml';
import { parseDurationMs, type JsonObject, type JsonValue } from '../../model/index.js';
import type { Clock } from '../../platform/index.js';
import type { Secret, SecretOwner, SecretSource, SourceHealth } from '../secret-source.js';
import type { SigningAlgorithm, SigningKeys } from '../signing-keys.js';

/** The `config` of a var source of type `idtoken`. */
export interface IdTokenConfig {
  readonly audience?: readonly string[];
  readonly subject_scope?: SubjectScope;
  readonly expires_in?: string;
  readonly algorithm?: SigningAlgorithm;
}

type SubjectScope = 'team' | 'pipeline' | 'instance' | 'job';

/** Its one var. */
const TOKEN = 'token';
const HOUR_MS = 3_600_000;

/** Tokens by which whoever trusts this server knows who asks: signed anew at every use, and never kept. */
export class IdTokenSource implements SecretSource {
  readonly title = 'the ID tokens of this server';
  readonly isRemote = false;
  readonly settings: Readonly<Record<string, unknown>>;

  constructor(
    private readonly config: IdTokenConfig,
    private readonly issuer: string,
    private readonly keys: Pick<SigningKeys, 'current'>,
    private readonly clock: Clock,
  ) {
    this.settings = { ...config };
  }

  places(name: string): string[] {
    return name === TOKEN ? [TOKEN] : [];
  }

  async read(_place: string, owner: SecretOwner): Promise<Secret> {
    const {
      audience = [],
      subject_scope: scope = 'pipeline',
      expires_in: expiresIn,
      algorithm = 'RS256',
    } = this.config;
    const key = await this.keys.current(algorithm);
    const issuedAt = Math.floor(this.clock.now().getTime() / 1_000);
    const lifeSeconds = Math.floor((parseDurationMs(expiresIn ?? '') ?? HOUR_MS) / 1_000);
    const { teamName: team, pipelineName: pipeline = '', jobName: job = '', instanceVars } = owner;
    const vars = instanceVars === undefined ? {} : { instance_vars: instanceVars };
    const token = await new SignJWT({ team, pipeline, job, ...vars })
      .setProtectedHeader({ alg: algorithm, typ: 'JWT', ...(key.kid === undefined ? {} : { kid: key.kid }) })
      .setIssuer(this.issuer)
      .setSubject(subjectOf(owner, scope))
      .setAudience([...audience])
      .setIssuedAt(issuedAt)
      .setNotBefore(issuedAt)
      .setExpirationTime(issuedAt + lifeSeconds)
      .setJti(randomUUID())
      .sign(await importJWK(key, algorithm));
    return { value: token };
  }

  health(): Promise<SourceHealth> {
    return Promise.resolve({ method: 'none' });
  }
}

/** Names parted by slashes, which are escaped in the names: trust policies compare it as text. */
function subjectOf(
  { teamName, pipelineName = '', instanceVars, jobName = '' }: SecretOwner,
  scope: SubjectScope,
): string {
  const all = [teamName, pipelineName, instanceText(instanceVars), jobName];
  const depth = { team: 1, pipeline: 2, instance: 3, job: 4 }[scope];
  return all
    .slice(0, depth)
    .map((name) => name.replaceAll('/', '%2F'))
    .join('/');
}

/** Instance vars as in the names of pipelines: `branch:main,env.name:prod`, by key. */
function instanceText(vars: JsonObject = {}): string {
  return pairs(vars, '').sort().join(',');
}

function pairs(vars: JsonObject, prefix: string): string[] {
  return Object.entries(vars).flatMap(([name, value]) =>
    isMap(value) ? pairs(value, `${prefix}${name}.`) : [`${prefix}${name}:${written(value)}`],
  );
}

/** What reads back as the same text needs no quotes. */
function written(value: JsonValue): string {
  const isPlain = typeof value === 'string' && /^[^,/"':#{}[\]\s]+$/.test(value) && readsAs(value) === value;
  return isPlain ? value : JSON.stringify(value);
}

function readsAs(text: string): unknown {
  try {
    return parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function isMap(value: JsonValue): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
