import type Docker from 'dockerode';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { PassThrough, type Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import tar from 'tar-stream';
import { UserError } from '../../platform/index.js';
import type { DirectoryArtifactStore } from '../artifacts/directory-artifact-store.js';
import { workFolder } from '../work-folder.js';
import type { PlacedMount } from './container-options.js';
import { hasStatus } from './daemon.js';
import { cacheMount, plainVolume } from './volumes.js';

/** Empty volumes for all that {@link fillContainer} sends: each hides what the image has there. */
export function emptyVolumes(mounts: readonly PlacedMount[], namespace: string): Docker.MountSettings[] {
  const volumes = new Map<string, Docker.MountSettings>();
  for (const { path: at, source } of mounts) {
    if ('file' in source || volumes.has(at)) continue;
    volumes.set(at, 'cache' in source ? cacheMount(at, namespace, source.cache) : plainVolume(at, namespace));
  }
  return [...volumes.values()];
}

/**
 * Puts the folders, inputs and files of a step into its container, which has not started. Doing it again gives the same.
 * Folders may be written by everybody: the image decides which user the step is.
 */
export async function fillContainer(
  container: Docker.Container,
  handle: string,
  mounts: readonly PlacedMount[],
  artifacts: DirectoryArtifactStore,
): Promise<void> {
  const folders = mounts.flatMap(({ path: at, source }) => ('file' in source ? [path.posix.dirname(at)] : [at]));
  await putFolders(container, [workFolder(handle), ...folders]);
  for (const { path: at, source } of mounts) {
    if (!('artifact' in source)) continue;
    const covered = mounts
      .filter((other) => other.path.startsWith(`${at}/`))
      .map(({ path: to }) => to.slice(at.length + 1));
    await put(container, await artifacts.read(source.artifact, '.', covered), at);
  }
  await putFiles(container, mounts);
}

/** Lets the user of the container write into its caches. */
export async function openCaches(container: Docker.Container, mounts: readonly PlacedMount[]): Promise<void> {
  const caches = mounts.flatMap(({ path: at, source }) => ('cache' in source ? [at] : []));
  if (caches.length === 0) return;
  const { Config } = await container.inspect();
  const [user = ''] = Config.User.split(':');
  if (!['', '0', 'root'].includes(user)) await putFolders(container, caches);
}

/** Puts those of the mounts that are files into a container that has not started. */
export async function putFiles(container: Docker.Container, mounts: readonly PlacedMount[]): Promise<void> {
  const files = mounts.flatMap(({ path: name, source }) =>
    'file' in source
      ? [{ name, type: 'file' as const, mode: source.mode ?? 0o644, content: Buffer.from(source.file) }]
      : [],
  );
  if (files.length > 0) await putEntries(container, files);
}

function putFolders(container: Docker.Container, folders: readonly string[]): Promise<void> {
  return putEntries(
    container,
    folders.map((name) => ({ name, type: 'directory', mode: 0o777 })),
  );
}

interface Entry {
  readonly name: string;
  readonly type: 'file' | 'directory';
  readonly mode: number;
  readonly content?: Buffer;
}

async function putEntries(container: Docker.Container, entries: readonly Entry[]): Promise<void> {
  const pack = tar.pack();
  for (const { name, type, mode, content } of entries) {
    const header = { name: name.slice(1), type, mode };
    if (content === undefined) pack.entry(header);
    else pack.entry(header, content);
  }
  pack.finalize();
  await put(container, pack.pipe(new PassThrough()), '/');
}

/** @throws what breaks the archive: the daemon must not take half of it for the whole. */
async function put(container: Docker.Container, archive: Readable, at: string): Promise<void> {
  const stopped = new AbortController();
  let broken: Error | undefined;
  archive.once('error', (error: Error) => {
    broken = error;
    stopped.abort();
  });
  try {
    await container.putArchive(archive, { path: at, abortSignal: stopped.signal });
  } catch (error) {
    throw broken ?? error;
  } finally {
    archive.destroy();
  }
}

/**
 * Streams the folder `at` of a container into `dir`. Devices and the like stay behind; owners are kept where this process may
 * do that. @throws UserError `output-missing`
 */
export async function fetchFolder(container: Docker.Container, at: string, dir: string): Promise<void> {
  const archive = await archiveOf(container, at);
  const unpack = spawn('tar', ['-C', dir, '--strip-components=1', '--numeric-owner', '-xpf', '-'], {
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let words = '';
  unpack.stderr.setEncoding('utf8').on('data', (text: string) => (words = (words + text).slice(-2000)));
  const ended = new Promise<void>((resolve, reject) => {
    unpack.on('error', reject);
    unpack.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`cannot unpack ${at}: ${words.trim()}`))));
  });
  // Both are waited for: tar may say why it has stopped to listen.
  const [sent, unpacked] = await Promise.allSettled([withoutDevices(archive, unpack.stdin), ended]);
  if (unpacked.status === 'rejected') throw unpacked.reason;
  if (sent.status === 'rejected') throw sent.reason;
}

async function archiveOf(container: Docker.Container, at: string): Promise<NodeJS.ReadableStream> {
  try {
    return await container.getArchive({ path: at });
  } catch (error) {
    if (!hasStatus(error, 404)) throw error;
    throw new UserError('output-missing', `there is no "${at}" any more: the step removed it`);
  }
}

const KEPT = new Set<string | null | undefined>(['file', 'directory', 'symlink', 'link']);

async function withoutDevices(archive: NodeJS.ReadableStream, to: Writable): Promise<void> {
  const pack = tar.pack();
  const extract = tar.extract();
  extract.on('entry', (header, body, next) => {
    if (!KEPT.has(header.type)) {
      body.on('end', next).resume();
      return;
    }
    const entry = pack.entry(header, (error) => next(error ?? undefined));
    body.on('error', next).pipe(entry);
  });
  extract.on('finish', () => pack.finalize());
  await Promise.all([
    pipeline(archive, extract).catch((e: Error) => (pack.destroy(e), Promise.reject(e))),
    pipeline(pack, to),
  ]);
}
