import type { ObjectVersion } from '@aws-sdk/client-s3';
import { ResourceFailure, type CheckContext, type Version } from '../../src/resources/contract.js';
import { withS3, type S3Session } from './client.js';
import { compareNumbered, matchPaths, numberOfPath, prefixOfPattern, type Match } from './pattern.js';
import type { S3Source } from './schema.js';

/** Matches are collected page by page; a bucket with more objects below the prefix needs a longer one. */
const MAX_PAGES = 1000;

/** From the given version on, by number or by age; without one the newest. */
export async function checkS3(
  context: CheckContext,
  { source, version }: { readonly source: S3Source; readonly version?: Version },
): Promise<readonly Version[]> {
  return withS3(context, source, (s3) => {
    if (source.versioned_file !== undefined) return checkVersions(s3, context, source, source.versioned_file, version);
    return checkPaths(s3, context, source, source.regexp ?? '', version);
  });
}

async function checkPaths(
  s3: S3Session,
  context: CheckContext,
  source: S3Source,
  pattern: string,
  version: Version | undefined,
): Promise<Version[]> {
  const matches = await listMatches(s3, context, source, pattern);
  const initial = source.initial_path;
  if (matches.length === 0 && initial !== undefined) return [{ path: initial }];
  const given = version?.['path'];
  const number = given === undefined ? undefined : numberOfPath(pattern, given);
  if (given === undefined || number === undefined) return matches.slice(-1).map(({ path }) => ({ path }));
  // The initial version needs no object.
  const isThere = given === initial || matches.some(({ path }) => path === given);
  const newer = matches.filter((match) => match.path !== given && compareNumbered(match.number, number) > 0);
  return [...(isThere ? [given] : []), ...newer.map(({ path }) => path)].map((path) => ({ path }));
}

async function listMatches(
  { client, sdk }: S3Session,
  { signal }: CheckContext,
  source: S3Source,
  pattern: string,
): Promise<readonly Match[]> {
  const matches: Match[] = [];
  const request = { Bucket: source.bucket, Prefix: prefixOfPattern(pattern) };
  let token: string | undefined;
  for (let page = 0; page < MAX_PAGES; page++) {
    const command = new sdk.ListObjectsV2Command({
      ...request,
      ...(token === undefined ? {} : { ContinuationToken: token }),
    });
    const { Contents = [], NextContinuationToken } = await client.send(command, { abortSignal: signal });
    matches.push(
      ...matchPaths(
        pattern,
        Contents.flatMap(({ Key }) => (Key === undefined ? [] : [Key])),
      ),
    );
    token = NextContinuationToken;
    if (token === undefined) return matches.toSorted((one, other) => compareNumbered(one.number, other.number));
  }
  throw new ResourceFailure(`there are too many objects below '${request.Prefix}': give regexp a longer folder`);
}

async function checkVersions(
  s3: S3Session,
  context: CheckContext,
  source: S3Source,
  key: string,
  version: Version | undefined,
): Promise<Version[]> {
  const given = version?.['version_id'];
  const newestFirst: string[] = [];
  for await (const { VersionId, Key } of listVersions(s3, context, source, key)) {
    if (Key !== key) continue;
    if (VersionId === undefined || VersionId === 'null') throw notVersioned(source);
    newestFirst.push(VersionId);
    if (given === undefined || VersionId === given) break;
  }
  if (newestFirst.length === 0) {
    return source.initial_version === undefined ? [] : [{ version_id: source.initial_version }];
  }
  const isThere = newestFirst.at(-1) === given;
  if (given === source.initial_version && given !== undefined && !isThere) newestFirst.push(given);
  // A version that is gone says nothing about which are newer.
  else if (given !== undefined && !isThere) newestFirst.length = 1;
  return newestFirst.toReversed().map((id) => ({ version_id: id }));
}

/** Newest first; deleted states of the object are no versions. */
async function* listVersions(
  { client, sdk }: S3Session,
  { signal }: CheckContext,
  source: S3Source,
  key: string,
): AsyncGenerator<ObjectVersion> {
  let marker: { KeyMarker?: string; VersionIdMarker?: string } = {};
  for (let page = 0; page < MAX_PAGES; page++) {
    const command = new sdk.ListObjectVersionsCommand({ Bucket: source.bucket, Prefix: key, ...marker });
    const answer = await client.send(command, { abortSignal: signal });
    yield* answer.Versions ?? [];
    const { NextKeyMarker, NextVersionIdMarker, IsTruncated } = answer;
    // Other objects that begin with this key come behind it.
    if (IsTruncated !== true || NextKeyMarker === undefined || NextKeyMarker > key) return;
    marker = {
      KeyMarker: NextKeyMarker,
      ...(NextVersionIdMarker === undefined ? {} : { VersionIdMarker: NextVersionIdMarker }),
    };
  }
}

export function notVersioned({ bucket }: S3Source): ResourceFailure {
  return new ResourceFailure(`bucket '${bucket}' keeps no versions of objects: enable that, or use regexp`);
}
