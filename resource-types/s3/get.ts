import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ResourceFailure, type FetchResult, type StepContext, type Version } from '../../src/resources/contract.js';
import { withS3, type S3Session } from './client.js';
import { numberOfPath } from './pattern.js';
import type { S3GetParams, S3Source } from './schema.js';
import { unpackFile } from './unpack.js';
import { urlOf, type Place } from './url.js';

const DOWNLOAD_ATTEMPTS = 3;

/** Downloads the object and writes where it is and what version it has. */
export async function getS3(
  context: StepContext,
  request: {
    readonly source: S3Source;
    readonly params: S3GetParams;
    readonly version: Version;
    readonly dir: string;
  },
): Promise<FetchResult> {
  const { source, params, version, dir } = request;
  context.signal.throwIfAborted();
  const place = placeOf(source, version);
  const name = basename(place.Key);
  const number = place.VersionId ?? numberOfPath(source.regexp ?? '', place.Key)?.text;
  if (number === undefined) throw new ResourceFailure(`'${place.Key}' does not match regexp`);
  if (isInitial(source, version)) {
    await writeFile(join(dir, 'version'), number);
    await writeFile(join(dir, name), initialContent(source));
    return { version, metadata: [{ name: 'filename', value: name }] };
  }
  return withS3(context, source, async (s3) => {
    const url = await urlOf(s3, source, place);
    const files = { version: number, url, s3_uri: `s3://${place.Bucket}/${place.Key}` };
    // A signed address changes with time and opens the object to whoever reads it: it is for the build alone.
    const metadata = [
      { name: 'filename', value: name },
      ...(source.private === true ? [] : [{ name: 'url', value: url }]),
    ];
    if (params.download_tags === true) await writeFile(join(dir, 'tags.json'), await tagsOf(s3, context, place));
    const isSkipped = params.skip_download ?? source.skip_download ?? false;
    if (!isSkipped && params.unpack === true) await downloadAndUnpack(s3, context, place, dir);
    // What the object is called or holds wins over our files of the same name.
    for (const [file, text] of Object.entries(files))
      await writeFile(join(dir, file), text, { flag: 'wx' }).catch(unlessThere);
    if (!isSkipped && params.unpack !== true) await download(s3, context, place, join(dir, name));
    return { version, metadata };
  });
}

function placeOf(source: S3Source, version: Version): Place {
  const { path, version_id: id } = version;
  const isUsable = source.versioned_file === undefined ? path !== undefined && !path.endsWith('/') : id !== undefined;
  if (!isUsable) throw new ResourceFailure(`the version does not fit the source: ${JSON.stringify(version)}`);
  if (source.versioned_file === undefined) return { Bucket: source.bucket, Key: path ?? '' };
  return { Bucket: source.bucket, Key: source.versioned_file, VersionId: id ?? '' };
}

function isInitial(source: S3Source, { path, version_id: id }: Version): boolean {
  return source.versioned_file === undefined
    ? path !== undefined && path === source.initial_path
    : id !== undefined && id === source.initial_version;
}

function initialContent({ initial_content_text: text, initial_content_binary: binary }: S3Source): Buffer {
  return binary === undefined ? Buffer.from(text ?? '') : Buffer.from(binary, 'base64');
}

async function downloadAndUnpack(s3: S3Session, context: StepContext, place: Place, dir: string): Promise<void> {
  await mkdir(context.cacheDir, { recursive: true });
  const scratch = await mkdtemp(join(context.cacheDir, 'download-'));
  try {
    const file = join(scratch, 'archive');
    await download(s3, context, place, file);
    await unpackFile(file, place.Key, dir, context.signal);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Writes the object into a file, piece by piece; a download that breaks off begins anew. */
async function download({ client, sdk }: S3Session, context: StepContext, place: Place, file: string): Promise<void> {
  const { signal } = context;
  for (let attempt = 1; ; attempt++) {
    const answer = await client.send(new sdk.GetObjectCommand(place), { abortSignal: signal });
    context.log(`downloading ${place.Key} (${answer.ContentLength ?? 0} bytes)\n`);
    try {
      await pipeline(answer.Body as Readable, createWriteStream(file), { signal });
      return;
    } catch (error) {
      signal.throwIfAborted();
      if (attempt === DOWNLOAD_ATTEMPTS || isOurDisk(error)) throw error;
      context.log(`the download broke off (${(error as Error).message}); attempt ${attempt + 1}\n`);
    }
  }
}

function isOurDisk(error: unknown): boolean {
  return /^(?:ENOSPC|EDQUOT|EACCES|EROFS|EIO|EISDIR|ENAMETOOLONG)$/.test((error as NodeJS.ErrnoException).code ?? '');
}

async function tagsOf({ client, sdk }: S3Session, { signal }: StepContext, place: Place): Promise<string> {
  const { TagSet = [] } = await client.send(new sdk.GetObjectTaggingCommand(place), { abortSignal: signal });
  return JSON.stringify(Object.fromEntries(TagSet.map(({ Key, Value }) => [Key ?? '', Value ?? ''])));
}

function unlessThere(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}
