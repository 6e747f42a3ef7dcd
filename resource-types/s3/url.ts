import { endpointUrl } from './access.js';
import type { S3Session } from './client.js';
import type { S3Source } from './schema.js';

const SIGNED_SECONDS = 24 * 60 * 60;

/** An object, or one version of it. */
export interface Place {
  readonly Bucket: string;
  readonly Key: string;
  readonly VersionId?: string;
}

/** Where a browser finds the object; signed, if the bucket is private. */
export async function urlOf({ client, sdk }: S3Session, source: S3Source, place: Place): Promise<string> {
  if (source.private === true && source.access_key_id !== undefined) {
    const { getSignedUrl } = await import('@aws-sdk/s3-request-presigner');
    return getSignedUrl(client, new sdk.GetObjectCommand(place), { expiresIn: SIGNED_SECONDS });
  }
  const endpoint =
    source.endpoint === undefined ? undefined : endpointUrl(source.endpoint, source.disable_ssl === true);
  const base = endpoint ?? new URL(`https://s3.${source.region_name ?? 'us-east-1'}.amazonaws.com`);
  const isPathStyle = source.use_path_style ?? endpoint !== undefined;
  const host = isPathStyle ? base.host : `${place.Bucket}.${base.host}`;
  const parts = [...(isPathStyle ? [place.Bucket] : []), ...place.Key.split('/')];
  const query = place.VersionId === undefined ? '' : `?versionId=${encodeURIComponent(place.VersionId)}`;
  return `${base.protocol}//${host}${base.pathname.replace(/\/$/, '')}/${parts.map(encodeURIComponent).join('/')}${query}`;
}
