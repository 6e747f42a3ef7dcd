import { z } from 'zod';
import { ResourceFailure } from '../../src/resources/contract.js';
import { isDigest } from './digest.js';

export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json';
export const DOCKER_INDEX = 'application/vnd.docker.distribution.manifest.list.v2+json';
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
export const DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json';
export const DOCKER_LAYER = 'application/vnd.docker.image.rootfs.diff.tar.gzip';

/** All kinds of manifests that are understood, as `Accept` takes them. */
export const MANIFEST_TYPES = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_INDEX].join(', ');

/** Layers that are archives; what else stands among layers is no file system (charts, signatures, …). */
const LAYER_TYPE =
  /^application\/vnd\.(?:oci\.image\.layer\.(?:nondistributable\.)?v1\.tar|docker\.image\.rootfs\.(?:foreign\.)?diff\.tar)(?:[+.](?:gzip|zstd))?$/;

const platform = z.object({ os: z.string(), architecture: z.string(), variant: z.string().optional() });

const descriptor = z.looseObject({
  mediaType: z.string(),
  digest: z.string().refine(isDigest, 'is not a digest'),
  size: z.int().min(0),
  platform: platform.optional(),
});

export type Descriptor = z.output<typeof descriptor>;

const manifestSchema = z.looseObject({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  config: descriptor,
  layers: z.array(descriptor).max(1000),
  annotations: z.record(z.string(), z.string()).nullish(),
});

export type Manifest = z.output<typeof manifestSchema>;

const indexSchema = z.looseObject({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  manifests: z.array(descriptor).max(10_000),
});

export type Index = z.output<typeof indexSchema>;

const texts = z.array(z.string()).nullish();

const configSchema = z.looseObject({
  created: z.string().nullish(),
  config: z
    .looseObject({
      Env: texts,
      User: z.string().nullish(),
      Cmd: texts,
      Entrypoint: texts,
      Labels: z.record(z.string(), z.string()).nullish(),
    })
    .nullish(),
  rootfs: z.looseObject({ diff_ids: z.array(z.string().refine(isDigest, 'is not a digest')).nullish() }).nullish(),
});

export type ImageConfig = z.output<typeof configSchema>;

export type Parsed =
  { readonly kind: 'manifest'; readonly manifest: Manifest } | { readonly kind: 'index'; readonly index: Index };

/** Reads a manifest or an index. @throws ResourceFailure when it is neither, both, or of an age long past. */
export function parseManifest(bytes: Uint8Array, what: string): Parsed {
  const value = readJson(bytes, what);
  const has = (key: string) => typeof value === 'object' && value !== null && key in value;
  if (has('schemaVersion') && (value as { schemaVersion: unknown }).schemaVersion === 1) {
    throw new ResourceFailure(`${what} is a manifest of Docker's first schema, which is not supported: push it again`);
  }
  if (has('manifests') && (has('layers') || has('config'))) {
    throw new ResourceFailure(`${what} claims to be a manifest and an index`);
  }
  if (has('manifests')) return { kind: 'index', index: check(indexSchema, value, what) };
  return { kind: 'manifest', manifest: check(manifestSchema, value, what) };
}

/** Reads an image's configuration. @throws ResourceFailure */
export function parseImageConfig(bytes: Uint8Array, what: string): ImageConfig {
  return check(configSchema, readJson(bytes, what), what);
}

/** @throws ResourceFailure naming the kind when the manifest is of something that has no file system. */
export function demandLayers(manifest: Manifest, what: string): void {
  const strange = manifest.layers.find(({ mediaType }) => !LAYER_TYPE.test(mediaType));
  if (strange === undefined) return;
  throw new ResourceFailure(
    `${what} is no image: it holds '${strange.mediaType}'. Use format: oci-layout or skip_download`,
  );
}

export interface Platform {
  readonly os: string;
  readonly architecture: string;
}

/** The platform of this machine in the words of images; images are for Linux. */
export function hostPlatform(): Platform {
  const names: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' };
  return { os: 'linux', architecture: names[process.arch] ?? process.arch };
}

/** The entry for the platform. @throws ResourceFailure naming those that are there. */
export function choosePlatform(index: Index, wanted: Platform, what: string): Descriptor {
  const fits = ({ platform: has }: Descriptor) => has?.os === wanted.os && has.architecture === wanted.architecture;
  const found = index.manifests.find(fits) ?? (index.manifests.length === 1 ? soleUnmarked(index) : undefined);
  if (found !== undefined) return found;
  const there = index.manifests.flatMap(({ platform: has }) =>
    has === undefined || has.os === 'unknown' ? [] : [`${has.os}/${has.architecture}`],
  );
  throw new ResourceFailure(
    `${what} is not there for ${wanted.os}/${wanted.architecture}, only for ${[...new Set(there)].join(', ') || 'nothing'}`,
  );
}

function soleUnmarked({ manifests: [only] }: Index): Descriptor | undefined {
  return only?.platform === undefined ? only : undefined;
}

function readJson(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString());
  } catch {
    throw new ResourceFailure(`${what} is not JSON`);
  }
}

function check<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new ResourceFailure(`${what} is not understood: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`);
}
