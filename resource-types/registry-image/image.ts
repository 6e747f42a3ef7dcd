import { createWriteStream } from 'node:fs';
import { mkdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ResourceFailure } from '../../src/resources/contract.js';
import { inParallel } from './in-parallel.js';
import {
  choosePlatform,
  hostPlatform,
  parseImageConfig,
  parseManifest,
  type Descriptor,
  type ImageConfig,
  type Manifest,
  type Parsed,
  type Platform,
} from './manifest.js';
import type { FetchedManifest, Registry } from './registry.js';

const MAX_CONFIG_BYTES = 16 * 1024 * 1024;
const MAX_INDEX_DEPTH = 3;
const DOWNLOADS_AT_ONCE = 3;

/** One image for one platform. */
export interface ResolvedImage {
  readonly fetched: FetchedManifest;
  readonly manifest: Manifest;
}

/** The image that the digest names, or the one for the platform when it names several. @throws ResourceFailure */
export async function resolveImage(
  registry: Registry,
  digest: string,
  wanted: { readonly os?: string | undefined; readonly architecture?: string | undefined } = {},
): Promise<ResolvedImage> {
  const host = hostPlatform();
  const platform: Platform = { os: wanted.os ?? host.os, architecture: wanted.architecture ?? host.architecture };
  let next = digest;
  for (let depth = 0; depth <= MAX_INDEX_DEPTH; depth++) {
    const fetched = await registry.manifest(next);
    const parsed = parseManifest(fetched.bytes, `${registry.title}@${next}`);
    if (parsed.kind === 'manifest') return { fetched, manifest: parsed.manifest };
    next = choosePlatform(parsed.index, platform, `${registry.title}@${digest}`).digest;
  }
  throw new ResourceFailure(`${registry.title}@${digest} is an index of indexes of indexes`);
}

/** Everything that a digest leads to: all manifests, the one of the digest first, and all blobs once. */
export async function resolveAll(
  registry: Registry,
  digest: string,
): Promise<{ readonly manifests: readonly FetchedManifest[]; readonly blobs: readonly Descriptor[] }> {
  const manifests = new Map<string, FetchedManifest>();
  const blobs = new Map<string, Descriptor>();
  const visit = async (next: string, depth: number): Promise<void> => {
    if (manifests.has(next)) return;
    if (depth > MAX_INDEX_DEPTH) throw new ResourceFailure(`${registry.title}@${digest} is nested too deep`);
    const fetched = await registry.manifest(next);
    manifests.set(next, fetched);
    const parsed = parseManifest(fetched.bytes, `${registry.title}@${next}`);
    for (const child of childrenOf(parsed)) await visit(child.digest, depth + 1);
    for (const blob of blobsOf(parsed)) blobs.set(blob.digest, blob);
  };
  await visit(digest, 0);
  return { manifests: [...manifests.values()], blobs: [...blobs.values()] };
}

/** The manifests that an index names; none for a manifest. */
export function childrenOf(parsed: Parsed): readonly Descriptor[] {
  return parsed.kind === 'index' ? parsed.index.manifests : [];
}

/** Configuration and layers that a manifest names, each once; none for an index. */
export function blobsOf(parsed: Parsed): readonly Descriptor[] {
  if (parsed.kind === 'index') return [];
  const all = [parsed.manifest.config, ...parsed.manifest.layers];
  return [...new Map(all.map((blob) => [blob.digest, blob])).values()];
}

/** @throws ResourceFailure when it is no configuration of an image. */
export async function fetchImageConfig(registry: Registry, { config }: Manifest): Promise<ImageConfig> {
  const what = `configuration ${config.digest} in ${registry.title}`;
  return parseImageConfig(await registry.smallBlob(config, MAX_CONFIG_BYTES), what);
}

/** Where a blob stands below the folder of blobs, as OCI layouts have it. */
export function blobPath(digest: string): string {
  return digest.replace(':', '/');
}

/** Downloads what is not there yet; each file has its name only when it is whole and verified. */
export async function downloadBlobs(
  registry: Registry,
  blobs: readonly Descriptor[],
  dir: string,
  signal: AbortSignal,
): Promise<void> {
  const distinct = [...new Map(blobs.map((blob) => [blob.digest, blob])).values()];
  await inParallel(distinct, DOWNLOADS_AT_ONCE, async (blob) => {
    const file = join(dir, blobPath(blob.digest));
    if ((await stat(file).catch(() => undefined)) !== undefined) return;
    await mkdir(join(file, '..'), { recursive: true });
    await pipeline(registry.blob(blob), createWriteStream(`${file}.part`), { signal });
    await rename(`${file}.part`, file);
  });
}
