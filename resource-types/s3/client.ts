import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { rootCertificates } from 'node:tls';
import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3';
import { ResourceFailure, type CheckContext } from '../../src/resources/contract.js';
import { endpointUrl, type S3Access } from './access.js';

const CONNECT_TIMEOUT_MS = 10_000;
/** Without a byte for this long a connection is given up. */
const IDLE_TIMEOUT_MS = 60_000;
const MAX_ATTEMPTS = 3;

type Sdk = typeof import('@aws-sdk/client-s3');

/** A client of one source for one operation, and the SDK's commands for it. */
export interface S3Session {
  readonly client: S3Client;
  readonly sdk: Sdk;
}

/**
 * Runs `work` with a client. The SDK is big, so it is loaded when it is first used.
 * @throws ResourceFailure in the server's words when it says no or cannot be reached.
 */
export async function withS3<T>(
  context: Pick<CheckContext, 'signal'>,
  access: S3Access,
  work: (session: S3Session) => Promise<T>,
): Promise<T> {
  context.signal.throwIfAborted();
  // Which versions of Node the SDK's next releases want is no news for the log of the server.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
  const sdk = await import('@aws-sdk/client-s3');
  const config = await configOf(context, access);
  const client = new sdk.S3Client(config);
  try {
    return await work({ client, sdk });
  } catch (error) {
    context.signal.throwIfAborted();
    throw asFailure(error, access);
  } finally {
    client.destroy();
  }
}

/** What a server says when a thing is not there. */
export function isNotFound(error: unknown): boolean {
  return statusOf(error) === 404;
}

/** The HTTP status of an answer that was an error; undefined for anything else. */
export function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } } | undefined)?.$metadata?.httpStatusCode;
}

async function configOf(context: Pick<CheckContext, 'signal'>, access: S3Access): Promise<S3ClientConfig> {
  const endpoint =
    access.endpoint === undefined ? undefined : endpointUrl(access.endpoint, access.disable_ssl === true);
  const hasWeakChecksums = access.skip_s3_checksums ?? endpoint !== undefined;
  const checksums = hasWeakChecksums ? 'WHEN_REQUIRED' : 'WHEN_SUPPORTED';
  const region = access.region_name ?? 'us-east-1';
  const config: S3ClientConfig = {
    region,
    maxAttempts: MAX_ATTEMPTS,
    forcePathStyle: access.use_path_style ?? endpoint !== undefined,
    requestChecksumCalculation: checksums,
    responseChecksumValidation: checksums,
    requestHandler: handlerOf(access),
    // Nothing of the machine: no profile, no variables, no instance metadata.
    ...(endpoint === undefined ? {} : { endpoint: endpoint.href }),
    ...(endpoint === undefined && access.disable_ssl === true ? { tls: false } : {}),
  };
  const { access_key_id: accessKeyId, secret_access_key: secretAccessKey, session_token: sessionToken } = access;
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    // Anonymous: the request goes out as it is.
    return {
      ...config,
      signer: { sign: async (request) => request },
      credentials: { accessKeyId: '', secretAccessKey: '' },
    };
  }
  const credentials = { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
  if (access.aws_role_arn === undefined) return { ...config, credentials };
  return { ...config, credentials: await assumeRole(context, access, access.aws_role_arn, { region, credentials }) };
}

async function assumeRole(
  { signal }: Pick<CheckContext, 'signal'>,
  access: S3Access,
  role: string,
  as: Pick<S3ClientConfig, 'region' | 'credentials'> & { readonly region: string },
): Promise<NonNullable<S3ClientConfig['credentials']>> {
  const { AssumeRoleCommand, STSClient } = await import('@aws-sdk/client-sts');
  const endpoint =
    access.endpoint === undefined ? undefined : endpointUrl(access.endpoint, access.disable_ssl === true);
  const client = new STSClient({
    region: as.region,
    ...(as.credentials === undefined ? {} : { credentials: as.credentials }),
    maxAttempts: MAX_ATTEMPTS,
    requestHandler: handlerOf(access),
    ...(endpoint === undefined ? {} : { endpoint: endpoint.href }),
  });
  try {
    const command = new AssumeRoleCommand({ RoleArn: role, RoleSessionName: 'weir' });
    const { Credentials: given } = await client.send(command, { abortSignal: signal });
    if (given?.AccessKeyId === undefined || given.SecretAccessKey === undefined)
      throw new ResourceFailure(`aws_role_arn: no credentials were given for ${role}`);
    return {
      accessKeyId: given.AccessKeyId,
      secretAccessKey: given.SecretAccessKey,
      ...(given.SessionToken === undefined ? {} : { sessionToken: given.SessionToken }),
    };
  } catch (error) {
    signal.throwIfAborted();
    throw asFailure(error, access);
  } finally {
    client.destroy();
  }
}

function handlerOf(access: S3Access): NonNullable<S3ClientConfig['requestHandler']> {
  return {
    connectionTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: IDLE_TIMEOUT_MS,
    httpAgent: new HttpAgent({ keepAlive: true, maxSockets: 8 }),
    httpsAgent: new HttpsAgent({
      keepAlive: true,
      maxSockets: 8,
      rejectUnauthorized: access.skip_ssl_verification !== true,
      ...(access.ca_bundle === undefined ? {} : { ca: [...rootCertificates, access.ca_bundle] }),
    }),
  };
}

/** Only answers and broken connections are the resource's; a fault of ours stays one. */
function asFailure(error: unknown, access: S3Access): unknown {
  if (error instanceof ResourceFailure || !(error instanceof Error)) return error;
  const status = statusOf(error);
  const code = (error as { code?: unknown }).code;
  // The SDK notes its attempts at whatever came back from the wire.
  if (status === undefined && typeof code !== 'string' && !('$metadata' in error)) return error;
  const about = status === undefined ? `cannot reach ${s3Host(access)}` : `S3 answers ${status} ${error.name}`;
  const said = error.message.replace(/^AWS SDK error wrapper for (?:Error: )?/, '').replace(/^UnknownError$/, '');
  const words = said === '' && typeof code === 'string' ? code : said;
  return new ResourceFailure(redact(words === '' ? about : `${about}: ${words.slice(0, 1000)}`, access));
}

const s3Host = (access: S3Access) => access.endpoint ?? `s3 in ${access.region_name ?? 'us-east-1'}`;

function redact(text: string, access: S3Access): string {
  return [access.secret_access_key, access.session_token].reduce<string>(
    (clean, secret) => (secret === undefined || secret === '' ? clean : clean.replaceAll(secret, '***')),
    text,
  );
}
