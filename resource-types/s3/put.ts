import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import type { PutObjectCommandInput } from '@aws-sdk/client-s3';
import { ResourceFailure, type FetchResult, type StepContext, type Version } from '../../src/resources/contract.js';
import { findInputFiles, type InputFile } from '../http/shared.js';
import { notVersioned } from './check.js';
import { isNotFound, withS3, type S3Session } from './client.js';
import { folderOfPattern, numberOfPath } from './pattern.js';
import type { S3PutParams, S3Source } from './schema.js';
import { urlOf } from './url.js';

/** S3 takes up to 10,000 parts of an object. */
const MAX_PARTS = 9_000;
const MIN_PART_BYTES = 8 * 1024 * 1024;
const PARTS_AT_ONCE = 3;
const STEP = 'weir-step';

/**
 * Uploads one file. Repeated it overwrites the same path; as a version of one file it is found by the id of the step, so no
 * second version is made.
 */
export async function putS3(
  context: StepContext,
  request: { readonly source: S3Source; readonly params: S3PutParams; readonly dir: string },
): Promise<FetchResult> {
  const { source, params, dir } = request;
  context.signal.throwIfAborted();
  const [file, ...others] = await findInputFiles(dir, params.file);
  if (file === undefined || others.length > 0) {
    const names = [file, ...others].map((one) => one?.path).join(', ');
    throw new ResourceFailure(`file: '${params.file}' must match one file, not ${names}`);
  }
  const key = keyOf(source, file);
  return withS3(context, source, async (s3) => {
    const version = (await beforeCrash(s3, context, source, key)) ?? (await upload(s3, context, request, file, key));
    const id = version['version_id'];
    const place = { Bucket: source.bucket, Key: key, ...(id === undefined ? {} : { VersionId: id }) };
    const url = source.private === true ? [] : [{ name: 'url', value: await urlOf(s3, source, place) }];
    return { version, metadata: [{ name: 'filename', value: basename(key) }, ...url] };
  });
}

function keyOf(source: S3Source, file: InputFile): string {
  if (source.versioned_file !== undefined) return source.versioned_file;
  const pattern = source.regexp ?? '';
  const folder = folderOfPattern(pattern);
  if (folder === undefined)
    throw new ResourceFailure(
      'regexp leaves the folder open: put needs one without special characters before the last "/"',
    );
  const key = `${folder}${basename(file.path)}`;
  if (numberOfPath(pattern, key) === undefined)
    throw new ResourceFailure(`'${key}' does not match regexp, so check would not find it`);
  return key;
}

async function beforeCrash(
  { client, sdk }: S3Session,
  context: StepContext,
  source: S3Source,
  key: string,
): Promise<Version | undefined> {
  const { signal, stepId } = context;
  if (source.versioned_file === undefined || stepId === undefined) return undefined;
  try {
    const command = new sdk.HeadObjectCommand({ Bucket: source.bucket, Key: key });
    const { Metadata, VersionId } = await client.send(command, { abortSignal: signal });
    if (Metadata?.[STEP] !== stepId || VersionId === undefined) return undefined;
    context.log('this step has uploaded the file before it was interrupted\n');
    return { version_id: VersionId };
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

async function upload(
  s3: S3Session,
  context: StepContext,
  { source, params }: { readonly source: S3Source; readonly params: S3PutParams },
  file: InputFile,
  key: string,
): Promise<Version> {
  const input: PutObjectCommandInput = {
    Bucket: source.bucket,
    Key: key,
    Body: createReadStream(file.realPath),
    ...(context.stepId === undefined ? {} : { Metadata: { [STEP]: context.stepId } }),
    ...(params.acl === undefined ? {} : { ACL: params.acl }),
    ...(params.content_type === undefined ? {} : { ContentType: params.content_type }),
    ...(source.checksum_algorithm === undefined ? {} : { ChecksumAlgorithm: source.checksum_algorithm }),
    ...(source.server_side_encryption === undefined
      ? {}
      : { ServerSideEncryption: source.server_side_encryption as 'AES256' }),
    ...(source.sse_kms_key_id === undefined ? {} : { SSEKMSKeyId: source.sse_kms_key_id }),
  };
  context.log(`uploading ${file.path} (${file.sizeBytes} bytes) to ${key}\n`);
  const id =
    source.disable_multipart === true
      ? await inOnePiece(s3, context, input, file)
      : await inParts(s3, context, input, file);
  if (source.versioned_file === undefined) return { path: key };
  if (id === undefined || id === 'null') throw notVersioned(source);
  return { version_id: id };
}

async function inOnePiece(
  { client, sdk }: S3Session,
  { signal }: StepContext,
  input: PutObjectCommandInput,
  file: InputFile,
): Promise<string | undefined> {
  const command = new sdk.PutObjectCommand({ ...input, ContentLength: file.sizeBytes });
  return (await client.send(command, { abortSignal: signal })).VersionId;
}

/** Small files go in one piece all the same. Parts of an upload that fails are removed. */
async function inParts(
  { client }: S3Session,
  { signal }: StepContext,
  input: PutObjectCommandInput,
  file: InputFile,
): Promise<string | undefined> {
  const { Upload } = await import('@aws-sdk/lib-storage');
  signal.throwIfAborted();
  const partSize = Math.max(MIN_PART_BYTES, Math.ceil(file.sizeBytes / MAX_PARTS));
  const sending = new Upload({ client, params: input, partSize, queueSize: PARTS_AT_ONCE });
  const abort = () => void sending.abort();
  signal.addEventListener('abort', abort, { once: true });
  try {
    return (await sending.done()).VersionId;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
