import { fillSecretTemplate } from '../../pipelines/index.js';
import { isConnectionTrouble } from '../json-http.js';
import { isPlain, SourceError, type SecretOwner, type SourceHealth } from '../secret-source.js';

/** What the `config` of the types `ssm` and `secretsmanager` has in common. */
export interface AwsConfig {
  readonly region: string;
  readonly access_key?: string;
  readonly secret_key?: string;
  readonly session_token?: string;
  readonly pipeline_secret_template?: string;
  readonly team_secret_template?: string;
}

/** What every client of AWS is made with. Without keys the SDK looks for some: environment, profile, role of the machine. */
export interface AwsClientConfig {
  readonly region: string;
  readonly maxAttempts: number;
  readonly credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
}

const PIPELINE = '/concourse/{{.Team}}/{{.Pipeline}}/{{.Secret}}';
const TEAM = '/concourse/{{.Team}}/{{.Secret}}';
/** Nobody has it: asked for to see whether AWS answers. */
export const HEALTH_PROBE = '/__weir-health-check';

export function awsClientConfig(config: AwsConfig): AwsClientConfig {
  // Which versions of Node the SDK's next releases want is no news for the log of the server.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
  const { region, access_key: accessKeyId, secret_key: secretAccessKey, session_token: sessionToken } = config;
  const base = { region, maxAttempts: 1 }; // tries are counted by whoever asks
  if (!accessKeyId || !secretAccessKey) return base;
  return { ...base, credentials: { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) } };
}

export function awsTemplates(config: AwsConfig): readonly string[] {
  return [config.pipeline_secret_template ?? PIPELINE, config.team_secret_template ?? TEAM];
}

export function awsPlaces(templates: readonly string[], name: string, owner: SecretOwner): string[] {
  if (!isPlain(name, owner)) return [];
  const names = { team: owner.teamName, pipeline: owner.pipelineName, secret: name };
  return [...new Set(templates.flatMap((template) => fillSecretTemplate(template, names) ?? []))];
}

/**
 * Sends a command of the SDK.
 * @throws SourceError in the words of AWS, which name keys and roles but hold no secret.
 */
export async function ask<Answer>(
  send: (options: { readonly abortSignal: AbortSignal }) => Promise<Answer>,
  timeoutMs: number,
): Promise<Answer> {
  const abortSignal = AbortSignal.timeout(timeoutMs);
  try {
    return await send({ abortSignal });
  } catch (error) {
    if (abortSignal.aborted) throw new SourceError(`AWS gave no answer within ${timeoutMs / 1000} s`, true);
    throw asSourceError(error as AwsError);
  }
}

interface AwsError extends Error {
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $retryable?: { readonly throttling?: boolean };
}

/** Is it this error of AWS? */
export function isAwsError(error: unknown, ...names: readonly string[]): boolean {
  return error instanceof SourceError && error.cause instanceof Error && names.includes(error.cause.name);
}

function asSourceError(error: AwsError): SourceError {
  const status = error.$metadata?.httpStatusCode;
  // Errors of AWS have names of their own: this one is of an answer that broke off.
  if (error.name === 'Error' && (status === undefined || status < 300))
    return new SourceError('the connection to AWS broke', true, { cause: error });
  const isThrottled = error.$retryable?.throttling === true || error.name.startsWith('Throttling');
  const isPassing = isThrottled || isConnectionTrouble(error) || (status !== undefined && status >= 500);
  const words = error.message === '' || error.message === 'UnknownError' ? '' : `: ${error.message.slice(0, 300)}`;
  return new SourceError(`AWS says ${error.name}${status === undefined ? '' : ` (${status})`}${words}`, isPassing, {
    cause: error,
  });
}

/** Whoever is told that something is missing or not for them has reached AWS. */
export async function awsHealth(method: string, probe: () => Promise<unknown>): Promise<SourceHealth> {
  const up = { method, response: { status: 'UP' } };
  try {
    await probe();
    return up;
  } catch (error) {
    if (isAwsError(error, 'AccessDeniedException')) return up;
    return { method, error: error instanceof Error ? error.message : String(error) };
  }
}
