import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { z } from 'zod';
import { ResourceFailure } from '../../src/resources/contract.js';
import { openFiles, readSmall, type FileSource } from './archive.js';
import { isGzip } from './compression.js';
import { digestOf, verified, verifyBytes } from './digest.js';
import { parseJson, type HttpBody } from './http.js';
import { blobPath, blobsOf, childrenOf } from './image.js';
import {
  DOCKER_CONFIG,
  DOCKER_LAYER,
  DOCKER_MANIFEST,
  OCI_INDEX,
  parseImageConfig,
  parseManifest,
  type Descriptor,
} from './manifest.js';

/** An image on this machine, as a registry takes it. */
export interface LocalImage {
  /** Manifests and indexes; each stands behind those it names, the image itself is the last. */
  readonly manifests: readonly LocalManifest[];
  /** Without `body`: named, but not here. */
  readonly blobs: readonly LocalBlob[];
}

export interface LocalBlob {
  readonly digest: string;
  readonly mediaType: string;
  readonly body?: HttpBody;
}

export interface LocalManifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: Buffer;
}

const MAX_DEPTH = 3;
const saveManifest = z.array(z.looseObject({ Config: z.string(), Layers: z.array(z.string()) }));

/**
 * Reads an OCI layout (a folder or a tar) or a tar of `docker save`. The layers of the latter are compressed into the
 * folder `scratch`. @throws ResourceFailure when it is neither, incomplete or corrupt.
 */
export async function readLocalImage(path: string, scratch: string, signal: AbortSignal): Promise<LocalImage> {
  const files = await openFiles(path, scratch, signal);
  const index = await readSmall(files, 'index.json');
  if (index !== undefined) return readLayout(files, index);
  const saved = await readSmall(files, 'manifest.json');
  if (saved !== undefined) return readSaved(files, saved, scratch, signal);
  throw new ResourceFailure(
    `the image is neither an OCI layout nor made by 'docker save': it has no index.json or manifest.json`,
  );
}

async function readLayout(files: FileSource, indexBytes: Buffer): Promise<LocalImage> {
  const parsed = parseManifest(indexBytes, 'index.json');
  const roots = childrenOf(parsed);
  if (roots.length === 0) throw new ResourceFailure('the OCI layout holds no image');
  const manifests = new Map<string, LocalManifest>();
  const blobs = new Map<string, Descriptor>();
  const visit = async ({ digest, mediaType }: Descriptor, depth: number): Promise<void> => {
    if (manifests.has(digest)) return;
    if (depth > MAX_DEPTH) throw new ResourceFailure('the OCI layout is nested too deep');
    const bytes = await readSmall(files, `blobs/${blobPath(digest)}`);
    if (bytes === undefined) throw new ResourceFailure(`the OCI layout lacks ${digest}`);
    verifyBytes(bytes, digest, `blobs/${blobPath(digest)}`);
    const content = parseManifest(bytes, digest);
    for (const child of childrenOf(content)) await visit(child, depth + 1);
    for (const blob of blobsOf(content)) blobs.set(blob.digest, blob);
    manifests.set(digest, { digest, mediaType, bytes });
  };
  for (const root of roots) await visit(root, 0);
  // Several images side by side are pushed as the index that the layout is.
  if (roots.length > 1) {
    const digest = digestOf(indexBytes);
    manifests.set(digest, { digest, mediaType: OCI_INDEX, bytes: indexBytes });
  }
  return {
    manifests: [...manifests.values()],
    blobs: await Promise.all([...blobs.values()].map((blob) => layoutBlob(files, blob))),
  };
}

async function layoutBlob(files: FileSource, { digest, mediaType }: Descriptor) {
  const name = `blobs/${blobPath(digest)}`;
  const sizeBytes = await files.sizeOf(name);
  if (sizeBytes === undefined) return { digest, mediaType };
  return { digest, mediaType, body: { sizeBytes, open: () => verified(files.open(name), digest, name) } };
}

async function readSaved(
  files: FileSource,
  savedBytes: Buffer,
  scratch: string,
  signal: AbortSignal,
): Promise<LocalImage> {
  const saved = saveManifest.safeParse(parseJson(savedBytes)).data ?? [];
  const [image, ...others] = saved;
  if (image === undefined || others.length > 0) {
    throw new ResourceFailure(`the tar must hold one image; it holds ${saved.length}`);
  }
  const config = await readSmall(files, image.Config);
  if (config === undefined) throw new ResourceFailure(`the tar lacks ${image.Config}`);
  const diffIds = parseImageConfig(config, image.Config).rootfs?.diff_ids ?? [];
  const layers: (LocalBlob & { readonly body: HttpBody })[] = [];
  for (const [index, name] of image.Layers.entries()) {
    layers.push(await savedLayer(files, name, diffIds[index] ?? '', scratch, signal));
  }
  const configDigest = digestOf(config);
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: DOCKER_MANIFEST,
      config: { mediaType: DOCKER_CONFIG, size: config.length, digest: configDigest },
      layers: layers.map(({ mediaType, body, digest }) => ({ mediaType, size: body.sizeBytes, digest })),
    }),
  );
  const configBody: HttpBody = { sizeBytes: config.length, open: () => once(config) };
  return {
    manifests: [{ digest: digestOf(manifest), mediaType: DOCKER_MANIFEST, bytes: manifest }],
    blobs: [{ digest: configDigest, mediaType: DOCKER_CONFIG, body: configBody }, ...layers],
  };
}

/** Registries want layers compressed; those that are already are taken as they are. */
async function savedLayer(files: FileSource, name: string, diffId: string, scratch: string, signal: AbortSignal) {
  const part = join(scratch, 'layer.part');
  const hash = createHash('sha256');
  const bytes = (await beginsWithGzip(files, name))
    ? files.open(name)
    : gzipped(verified(files.open(name), diffId, name));
  await pipeline(bytes, hashing(hash), createWriteStream(part), { signal });
  const digest = `sha256:${hash.digest('hex')}`;
  const file = join(scratch, digest.replace(':', '-'));
  await rename(part, file);
  const { size } = await stat(file);
  return { mediaType: DOCKER_LAYER, digest, body: { sizeBytes: size, open: () => createReadStream(file) } };
}

async function* gzipped(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const gzip = createGzip();
  const filling = pipeline(bytes, gzip);
  filling.catch(() => undefined); // the reader of gzip gets the error
  yield* gzip as AsyncIterable<Uint8Array>;
  await filling;
}

function hashing(hash: ReturnType<typeof createHash>) {
  return async function* (bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of bytes) {
      hash.update(chunk);
      yield chunk;
    }
  };
}

async function beginsWithGzip(files: FileSource, name: string): Promise<boolean> {
  for await (const chunk of files.open(name)) return isGzip(chunk);
  return false;
}

async function* once(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes;
}
