import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

const OCI = 'application/vnd.oci.image';
/** Names of processors as images have them. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64', arm: 'arm', ia32: '386' };

interface Blob {
  readonly digest: string;
  readonly size: number;
}

/**
 * Packs a folder with `rootfs/` and `metadata.json` as one tar that is both an OCI layout and what `docker load` takes. The
 * same files make the same bytes.
 * @param name `repository:tag` that `docker load` gives it
 */
export async function writeImageArchive(image: string, file: string, name: string): Promise<void> {
  const scratch = await mkdtemp(path.join(path.dirname(path.resolve(file)), '.image-'));
  try {
    const blobs = path.join(scratch, 'blobs/sha256');
    await mkdir(blobs, { recursive: true });
    const { diffId, ...layer } = await writeLayer(path.join(image, 'rootfs'), blobs);
    const { env } = JSON.parse(await readFile(path.join(image, 'metadata.json'), 'utf8')) as { env: string[] };
    const config = await writeJson(blobs, {
      architecture: ARCHITECTURES[process.arch] ?? process.arch,
      os: 'linux',
      config: { Env: env },
      rootfs: { type: 'layers', diff_ids: [diffId] },
    });
    const manifest = await writeJson(blobs, {
      schemaVersion: 2,
      mediaType: `${OCI}.manifest.v1+json`,
      config: { mediaType: `${OCI}.config.v1+json`, ...config },
      layers: [{ mediaType: `${OCI}.layer.v1.tar+gzip`, ...layer }],
    });
    const annotations = { 'org.opencontainers.image.ref.name': name.slice(name.indexOf(':') + 1) };
    await writeTexts(scratch, {
      'oci-layout': { imageLayoutVersion: '1.0.0' },
      'index.json': {
        schemaVersion: 2,
        manifests: [{ mediaType: `${OCI}.manifest.v1+json`, ...manifest, annotations }],
      },
      // For daemons that do not read OCI layouts yet.
      'manifest.json': [{ Config: blobPath(config), RepoTags: [name], Layers: [blobPath(layer)] }],
    });
    const parts = ['oci-layout', 'index.json', 'manifest.json', 'blobs'];
    await pipeline(tarOf(scratch, parts), createWriteStream(path.join(scratch, 'archive')));
    await rename(path.join(scratch, 'archive'), file);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function writeLayer(root: string, blobs: string): Promise<Blob & { readonly diffId: string }> {
  const packed = path.join(blobs, 'layer');
  const plain = createHash('sha256');
  const tar = tarOf(root, ['.']);
  tar.on('data', (bytes: Buffer) => plain.update(bytes));
  await pipeline(tar, createGzip({ level: 1 }), createWriteStream(packed));
  const compressed = createHash('sha256');
  await pipeline(createReadStream(packed), compressed);
  const digest = `sha256:${compressed.digest('hex')}`;
  const { size } = await stat(packed);
  await rename(packed, path.join(blobs, digest.slice('sha256:'.length)));
  return { digest, size, diffId: `sha256:${plain.digest('hex')}` };
}

async function writeJson(blobs: string, value: unknown): Promise<Blob> {
  const text = JSON.stringify(value);
  const hex = createHash('sha256').update(text).digest('hex');
  await writeFile(path.join(blobs, hex), text);
  return { digest: `sha256:${hex}`, size: Buffer.byteLength(text) };
}

async function writeTexts(dir: string, files: Readonly<Record<string, unknown>>): Promise<void> {
  for (const [name, value] of Object.entries(files)) await writeFile(path.join(dir, name), JSON.stringify(value));
}

const blobPath = ({ digest }: Blob): string => `blobs/${digest.replace(':', '/')}`;

/** A tar stream that depends on nothing but names, modes and content. It ends well only when tar does. */
function tarOf(dir: string, names: readonly string[]): PassThrough {
  const plain = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'];
  const tar = spawn('tar', ['-C', dir, ...plain, '-cf', '-', ...names], { stdio: ['ignore', 'pipe', 'inherit'] });
  const archive = new PassThrough();
  tar.on('error', (error) => archive.destroy(error));
  tar.on('close', (code) => {
    if (code === 0) archive.end();
    else archive.destroy(new Error(`tar ended with ${code}`));
  });
  tar.stdout.pipe(archive, { end: false });
  return archive;
}
