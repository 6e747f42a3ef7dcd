import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ResourceFailure, type FetchResult, type StepContext, type Version } from '../../src/resources/contract.js';
import { uncompressed } from './compression.js';
import { verified } from './digest.js';
import { blobPath, downloadBlobs, fetchImageConfig, resolveAll, resolveImage } from './image.js';
import { demandLayers, type ImageConfig, type Manifest } from './manifest.js';
import type { FetchedManifest, Registry } from './registry.js';
import { imageVersion, type ImageGetParams, type ImageSource } from './schema.js';
import { pulling } from './sessions.js';
import { writeTar, type TarFile } from './tar.js';
import { unpackLayers } from './unpack.js';

interface GetRequest {
  readonly source: ImageSource;
  readonly params: ImageGetParams;
  readonly version: Version;
  readonly dir: string;
}

/** Fetches the image of the version's digest in the format asked for. */
export async function getImage(context: StepContext, request: GetRequest): Promise<FetchResult> {
  const { source, params, version, dir } = request;
  const parsed = imageVersion.safeParse(version);
  if (!parsed.success) throw new ResourceFailure(`the version has no usable digest: ${JSON.stringify(version)}`);
  const { tag = '', digest } = parsed.data;
  await writeFile(join(dir, 'repository'), source.repository);
  await writeFile(join(dir, 'tag'), tag);
  await writeFile(join(dir, 'digest'), digest);
  if (params.skip_download !== true) {
    context.log(`fetching ${source.repository}@${digest}\n`);
    await FORMATS[params.format ?? 'rootfs'](context, request, { tag, digest });
  }
  const metadata = [
    { name: 'repository', value: source.repository },
    { name: 'tag', value: tag },
    { name: 'digest', value: digest },
  ];
  return { version, metadata: metadata.filter(({ value }) => value !== '') };
}

type Fetch = (
  context: StepContext,
  request: GetRequest,
  image: { readonly tag: string; readonly digest: string },
) => Promise<void>;

const FORMATS: Readonly<Record<'rootfs' | 'oci' | 'oci-layout', Fetch>> = {
  rootfs: fetchRootfs,
  oci: fetchTar,
  'oci-layout': fetchLayout,
};

interface DownloadedImage {
  readonly fetched: FetchedManifest;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
}

async function fetchRootfs(
  context: StepContext,
  request: GetRequest,
  { digest }: { readonly digest: string },
): Promise<void> {
  const { dir, source } = request;
  const blobs = join(dir, '.blobs');
  const { manifest, config } = await downloadImage(context, request, digest, blobs);
  const diffIds = config.rootfs?.diff_ids ?? [];
  if (diffIds.length !== manifest.layers.length) {
    throw new ResourceFailure(
      `${source.repository}@${digest} has ${manifest.layers.length} layers but names ${diffIds.length}`,
    );
  }
  const rootfs = join(dir, 'rootfs');
  await mkdir(rootfs);
  const layers = manifest.layers.map((layer, index) => () => {
    return verified(uncompressed(join(blobs, blobPath(layer.digest))), diffIds[index] ?? '', `layer ${index + 1}`);
  });
  const { entries, bytes, skippedDevices } = await unpackLayers(layers, rootfs, { signal: context.signal });
  await rm(blobs, { recursive: true });
  const skipped = skippedDevices === 0 ? '' : `, without ${skippedDevices} devices`;
  context.log(`unpacked ${layers.length} layers: ${entries} entries, ${Math.ceil(bytes / 1024 ** 2)} MiB${skipped}\n`);
  const { Env, User, Cmd, Entrypoint } = config.config ?? {};
  await writeJson(join(dir, 'metadata.json'), {
    env: Env ?? [],
    user: User ?? '',
    cmd: Cmd ?? [],
    entrypoint: Entrypoint ?? [],
  });
}

/** An archive that is an OCI layout and, by one more file, what `docker load` takes. */
async function fetchTar(
  context: StepContext,
  request: GetRequest,
  { tag, digest }: { readonly tag: string; readonly digest: string },
): Promise<void> {
  const { dir, source } = request;
  const blobs = join(dir, '.blobs');
  const { fetched, manifest } = await downloadImage(context, request, digest, blobs);
  const path = (blob: string) => `blobs/${blobPath(blob)}`;
  const name = `${source.repository}:${tag}`;
  const load = [
    {
      Config: path(manifest.config.digest),
      RepoTags: tag === '' ? [] : [name],
      Layers: manifest.layers.map((layer) => path(layer.digest)),
    },
  ];
  const files: TarFile[] = [
    ...layoutFiles(fetched, tag).map(([file, text]) => textFile(file, text)),
    textFile('manifest.json', JSON.stringify(load)),
    textFile(path(fetched.digest), fetched.bytes.toString()),
  ];
  for (const blob of new Set([manifest.config, ...manifest.layers].map((descriptor) => descriptor.digest))) {
    const file = join(blobs, blobPath(blob));
    files.push({ name: path(blob), size: (await stat(file)).size, content: () => createReadStream(file) });
  }
  await pipeline(writeTar(files), createWriteStream(join(dir, 'image.tar')), { signal: context.signal });
  await rm(blobs, { recursive: true });
}

/** Without a platform in the params everything the digest leads to, so that it can be pushed elsewhere unchanged. */
async function fetchLayout(
  context: StepContext,
  request: GetRequest,
  { tag, digest }: { readonly tag: string; readonly digest: string },
): Promise<void> {
  const { source, params, dir } = request;
  const layout = join(dir, 'oci');
  const blobs = join(layout, 'blobs');
  const work = async (registry: Registry): Promise<readonly FetchedManifest[]> => {
    const root =
      params.platform === undefined ? digest : (await resolveImage(registry, digest, params.platform)).fetched.digest;
    const all = await resolveAll(registry, root);
    await downloadBlobs(registry, all.blobs, blobs, context.signal);
    return all.manifests;
  };
  const manifests = await pulling(context, source, params, work);
  for (const manifest of manifests) {
    const file = join(blobs, blobPath(manifest.digest));
    await mkdir(join(file, '..'), { recursive: true });
    await writeFile(file, manifest.bytes);
  }
  const [root] = manifests;
  if (root === undefined) throw new Error('an image without a manifest was fetched');
  for (const [file, text] of layoutFiles(root, tag)) await writeFile(join(layout, file), text);
}

/** Fetches one image's blobs, and writes its labels. */
async function downloadImage(
  context: StepContext,
  { source, params, dir }: GetRequest,
  digest: string,
  blobs: string,
): Promise<DownloadedImage> {
  const platform = { ...source.platform, ...params.platform };
  const image = await pulling(context, source, params, async (registry) => {
    const { fetched, manifest } = await resolveImage(registry, digest, platform);
    demandLayers(manifest, `${source.repository}@${digest}`);
    const config = await fetchImageConfig(registry, manifest);
    await downloadBlobs(registry, [manifest.config, ...manifest.layers], blobs, context.signal);
    return { fetched, manifest, config };
  });
  await writeJson(join(dir, 'labels.json'), image.config.config?.Labels ?? {});
  return image;
}

/** The files besides blobs that make a folder an OCI layout. */
function layoutFiles(root: FetchedManifest, tag: string): readonly (readonly [string, string])[] {
  const annotations = tag === '' ? {} : { annotations: { 'org.opencontainers.image.ref.name': tag } };
  const descriptor = { mediaType: root.mediaType, digest: root.digest, size: root.bytes.length, ...annotations };
  return [
    ['oci-layout', JSON.stringify({ imageLayoutVersion: '1.0.0' })],
    ['index.json', JSON.stringify({ schemaVersion: 2, manifests: [descriptor] })],
  ];
}

function textFile(name: string, content: string): TarFile {
  return { name, size: Buffer.byteLength(content), content };
}

async function writeJson(file: string, value: unknown): Promise<void> {
  await writeFile(file, `${JSON.stringify(value)}\n`);
}
