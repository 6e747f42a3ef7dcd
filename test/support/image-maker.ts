import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { pack, type Header } from 'tar-stream';

/** One entry of a layer; `text` makes it a file. */
export type LayerEntry = Partial<Header> & { readonly name: string; readonly text?: string | Buffer };

/** Bytes as a registry names them. */
export interface Blob {
  readonly bytes: Buffer;
  readonly digest: string;
}

/** An image as a registry has it, made of plain entries. */
export interface MadeImage {
  readonly manifest: Blob & { readonly mediaType: string };
  readonly config: Blob;
  /** Compressed. */
  readonly layers: readonly Blob[];
}

export interface ImageOptions {
  readonly config?: Readonly<Record<string, unknown>>;
  readonly created?: string;
  readonly architecture?: string;
  readonly isDocker?: boolean;
  /** Default gzip. */
  readonly compress?: (tar: Buffer) => Buffer;
}

const OCI = 'application/vnd.oci.image';
const DOCKER = 'application/vnd.docker';

export function blobOf(bytes: Buffer | string): Blob {
  const buffer = Buffer.from(bytes);
  return { bytes: buffer, digest: `sha256:${createHash('sha256').update(buffer).digest('hex')}` };
}

/** The uncompressed tar of the entries. */
export async function tarOf(entries: readonly LayerEntry[]): Promise<Buffer> {
  const archive = pack();
  const chunks: Buffer[] = [];
  archive.on('data', (chunk) => chunks.push(Buffer.from(chunk as Uint8Array)));
  const ended = new Promise((resolve, reject) => archive.on('end', () => resolve(undefined)).on('error', reject));
  for (const { text, ...header } of entries) {
    const all = { mtime: new Date(1_600_000_000_000), uid: 0, gid: 0, ...header };
    if (text === undefined) archive.entry({ type: 'file', ...all });
    else archive.entry({ type: 'file', ...all }, text);
  }
  archive.finalize();
  await ended;
  return Buffer.concat(chunks);
}

/** The image of the layers, lowest first. The same arguments make the same bytes. */
export async function makeImage(
  layers: readonly (readonly LayerEntry[])[],
  options: ImageOptions = {},
): Promise<MadeImage> {
  const tars = await Promise.all(layers.map(tarOf));
  const config = blobOf(
    JSON.stringify({
      architecture: options.architecture ?? (process.arch === 'x64' ? 'amd64' : process.arch),
      os: 'linux',
      ...(options.created && { created: options.created }),
      config: options.config ?? {},
      rootfs: { type: 'layers', diff_ids: tars.map((tar) => blobOf(tar).digest) },
    }),
  );
  const blobs = tars.map((tar) => blobOf((options.compress ?? gzipSync)(tar)));
  const types = options.isDocker
    ? [
        `${DOCKER}.distribution.manifest.v2+json`,
        `${DOCKER}.container.image.v1+json`,
        `${DOCKER}.image.rootfs.diff.tar.gzip`,
      ]
    : [`${OCI}.manifest.v1+json`, `${OCI}.config.v1+json`, `${OCI}.layer.v1.tar+gzip`];
  const [mediaType, configType, layerType] = types as [string, string, string];
  const manifest = blobOf(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: { mediaType: configType, digest: config.digest, size: config.bytes.length },
      layers: blobs.map(({ digest, bytes }) => ({ mediaType: layerType, digest, size: bytes.length })),
    }),
  );
  return { manifest: { ...manifest, mediaType }, config, layers: blobs };
}

/** An index over images by architecture. */
export function makeIndex(images: Readonly<Record<string, MadeImage>>): Blob & { readonly mediaType: string } {
  const mediaType = `${OCI}.index.v1+json`;
  const manifests = Object.entries(images).map(([architecture, { manifest }]) => ({
    mediaType: manifest.mediaType,
    digest: manifest.digest,
    size: manifest.bytes.length,
    platform: { os: architecture === 'unknown' ? 'unknown' : 'linux', architecture },
  }));
  return { ...blobOf(JSON.stringify({ schemaVersion: 2, mediaType, manifests })), mediaType };
}

/** Writes the images as an OCI layout; `index` lets it hold an index of them instead. */
export function writeLayout(
  dir: string,
  images: readonly MadeImage[],
  index?: Blob & { readonly mediaType: string },
): void {
  mkdirSync(join(dir, 'blobs', 'sha256'), { recursive: true });
  const roots = index === undefined ? images.map(({ manifest }) => manifest) : [index];
  const blobs = images.flatMap(({ manifest, config, layers }) => [manifest, config, ...layers]);
  for (const { digest, bytes } of [...blobs, ...roots])
    writeFileSync(join(dir, 'blobs', digest.replace(':', '/')), bytes);
  const manifests = roots.map(({ mediaType, digest, bytes }) => ({ mediaType, digest, size: bytes.length }));
  writeFileSync(join(dir, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(dir, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
}
