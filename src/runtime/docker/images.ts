import type Docker from 'dockerode';
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { UserError } from '../../platform/index.js';
import type { DirectoryArtifactStore } from '../artifacts/directory-artifact-store.js';
import { readImageMetadata } from '../artifacts/image-metadata.js';
import type { ArtifactRef, StepSpec } from '../port.js';
import { hasStatus } from './daemon.js';
import { LABELS } from './labels.js';

/** An image that the daemon has. */
export interface ReadyImage {
  readonly id: string;
  /** What the image itself wants, for an image that lost it on its way through an artifact. */
  readonly env: Readonly<Record<string, string>>;
  readonly user?: string;
}

/** Makes the image of a step known to the daemon. @throws UserError `image-missing`, `bad-image` */
export async function readyImage(
  docker: Docker,
  artifacts: DirectoryArtifactStore,
  { image, handle }: StepSpec,
  namespace: string,
): Promise<ReadyImage> {
  if (image === undefined) {
    throw new UserError(
      'image-missing',
      `step ${handle} has no image: on Docker a task needs an image_resource, or "image" on its step`,
    );
  }
  if ('ref' in image) return { id: await pulled(docker, image.ref), env: {} };
  return imported(docker, artifacts, image.artifact, namespace);
}

async function pulled(docker: Docker, ref: string): Promise<string> {
  const known = await imageId(docker, ref);
  if (known !== undefined) return known;
  try {
    await untilDone(docker, await docker.pull(ref));
  } catch (cause) {
    throw new UserError('image-missing', `Docker cannot pull the image "${ref}": ${(cause as Error).message}`, 400);
  }
  return ref;
}

/**
 * The image of an artifact with `rootfs/` and `metadata.json`, imported once: artifacts never change, so a tag made of the
 * artifact's id stays right. Images of artifacts that are gone are removed on the way.
 */
async function imported(
  docker: Docker,
  artifacts: DirectoryArtifactStore,
  ref: ArtifactRef,
  namespace: string,
): Promise<ReadyImage> {
  const { env, user } = await readImageMetadata(artifacts, ref);
  const repo = `weir-${namespace}`;
  const tag = createHash('sha256').update(ref.id).digest('hex').slice(0, 32);
  if ((await imageId(docker, `${repo}:${tag}`)) === undefined) {
    await forgetImages(docker, artifacts, namespace);
    const labels = { [LABELS.namespace]: namespace, [LABELS.artifact]: ref.id };
    const changes = Object.entries(labels).map(([name, value]) => `LABEL ${name}=${value}`);
    await importTree(docker, await artifacts.read(ref, 'rootfs'), { repo, tag, changes });
  }
  return { id: `${repo}:${tag}`, env, ...(user === '' ? {} : { user }) };
}

/** @throws what breaks the archive: the daemon must not take half of it for the whole. */
async function importTree(docker: Docker, tree: Readable, options: object): Promise<void> {
  const stopped = new AbortController();
  let broken: Error | undefined;
  tree.once('error', (error: Error) => {
    broken = error;
    stopped.abort();
  });
  try {
    await untilDone(docker, await docker.importImage(tree, { ...options, abortSignal: stopped.signal }));
  } catch (error) {
    throw broken ?? error;
  }
}

/** Waits for the end of what the daemon tells of a long work. @throws what it tells of a failure. */
function untilDone(docker: Docker, progress: NodeJS.ReadableStream): Promise<void> {
  return new Promise((resolve, reject) =>
    docker.modem.followProgress(progress, (error: Error | null) => (error === null ? resolve() : reject(error))),
  );
}

async function imageId(docker: Docker, ref: string): Promise<string | undefined> {
  try {
    return (await docker.getImage(ref).inspect()).Id;
  } catch (error) {
    if (hasStatus(error, 404)) return undefined;
    throw error;
  }
}

/** Removes images whose artifact is gone. Docker keeps those that a container uses: their turn comes later. */
async function forgetImages(docker: Docker, artifacts: DirectoryArtifactStore, namespace: string): Promise<void> {
  const images = await docker.listImages({ filters: { label: [`${LABELS.namespace}=${namespace}`, LABELS.artifact] } });
  for (const { Id, Labels } of images) {
    if (await artifacts.exists({ id: Labels?.[LABELS.artifact] ?? '' })) continue;
    await docker
      .getImage(Id)
      .remove()
      .catch((error: unknown) => {
        if (!hasStatus(error, 404, 409)) throw error;
      });
  }
}
