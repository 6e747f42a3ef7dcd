import { setTimeout as delay } from 'node:timers/promises';
import type { PutObjectCommandInput } from '@aws-sdk/client-s3';
import { ResourceFailure, type CheckContext } from '../../src/resources/contract.js';
import { isNotFound, statusOf, withS3, type S3Session } from '../s3/shared.js';
import type { NumberStore } from './number-store.js';
import type { SemverSource } from './schema.js';

/** More than this is no version number. */
const MAX_BYTES = 4096;
const RETRY_DELAY_MS = 200;
const STEP = 'weir-step';

interface Stored {
  readonly number: string | undefined;
  readonly etag?: string | undefined;
  readonly stepId?: string | undefined;
}

/** A number in an S3 object; conditional writes (`If-Match`) are the swap, where the server knows them. */
export function openS3<T>(
  context: CheckContext,
  source: SemverSource,
  work: (store: NumberStore) => Promise<T>,
): Promise<T> {
  return withS3(context, source, (s3) =>
    work({
      read: async () => (await readObject(s3, context, source)).number,
      change: async ({ next, stepId }) => {
        for (let attempt = 1; ; attempt++) {
          const stored = await readObject(s3, context, source);
          if (stepId !== undefined && stored.stepId === stepId && stored.number !== undefined) return stored.number;
          const number = next(stored.number);
          if (await write(s3, context, source, stored, number, stepId)) return number;
          context.log(`${source.key} has changed; attempt ${attempt + 1}\n`);
          await delay(RETRY_DELAY_MS, undefined, { signal: context.signal });
        }
      },
    }),
  );
}

async function readObject({ client, sdk }: S3Session, { signal }: CheckContext, source: SemverSource): Promise<Stored> {
  const place = { Bucket: source.bucket, Key: source.key };
  try {
    const answer = await client.send(new sdk.GetObjectCommand(place), { abortSignal: signal });
    if ((answer.ContentLength ?? 0) > MAX_BYTES)
      throw new ResourceFailure(`${source.key} is too big for a version number`);
    const text = (await answer.Body?.transformToString())?.trim();
    return { number: text === '' ? undefined : text, etag: answer.ETag, stepId: answer.Metadata?.[STEP] };
  } catch (error) {
    if (isNotFound(error) && (error as Error).name !== 'NoSuchBucket') return { number: undefined };
    throw error;
  }
}

/** @returns false when the object is not any more what was read. */
async function write(
  { client, sdk }: S3Session,
  context: CheckContext,
  source: SemverSource,
  before: Stored,
  number: string,
  stepId: string | undefined,
): Promise<boolean> {
  const condition = before.etag === undefined ? { IfNoneMatch: '*' } : { IfMatch: before.etag };
  const input: PutObjectCommandInput = {
    Bucket: source.bucket,
    Key: source.key,
    Body: number,
    ContentType: 'text/plain',
    ...(stepId === undefined ? {} : { Metadata: { [STEP]: stepId } }),
    ...(source.server_side_encryption === undefined
      ? {}
      : { ServerSideEncryption: source.server_side_encryption as 'AES256' }),
    ...(source.sse_kms_key_id === undefined ? {} : { SSEKMSKeyId: source.sse_kms_key_id }),
  };
  const put = async (more: Partial<PutObjectCommandInput>) =>
    client.send(new sdk.PutObjectCommand({ ...input, ...more }), { abortSignal: context.signal });
  try {
    await put(condition);
  } catch (error) {
    if (statusOf(error) === 412 || statusOf(error) === 409) return false;
    if (statusOf(error) !== 501) throw error;
    context.log('this server knows no conditional writes: two bumps at once may give the same number\n');
    await put({});
  }
  return true;
}
