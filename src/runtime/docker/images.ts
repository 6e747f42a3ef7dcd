import type Docker from 'dockerode';
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { UserError } from '../../platform/index.js';
import type { DirectoryArtifactStore } from '../artifacts/directory-artifact-store.js';
import { readImageMetadata } from '../artifacts/image-metadata.js';
import type { ArtifactRef, StepImage, StepSpec } from '../port.js';
import { hasStatus } from './daemon.js';
import { LABELS } from './labels.js';

/** An image by the name that the daemon has for it, if it has it. */
export interface NamedImage {
  readonly id: string;
  /** What the image itself wants, for an image that lost it on its way through an artifact. */
  readonly env: Readonly<Record<string, string>>;
  readonly user?: string;
}

/**
 * The image of a step, without asking the daemon: artifacts never change, so a tag made of the artifact's id stays right.
 * @throws UserError `image-missing`, `bad-image`
 */
export async function nameImage(
  artifacts: DirectoryArtifactStore,
  { image, handle }: StepSpec,
  namespace: string,
): Promise<NamedImage> {
  if (image === undefined) {
    throw new UserError(
      'image-missing',
      `step ${handle} has no image: on Docker a task needs an image_resource, or "image" on its step`,
    );
  }
  if ('ref' in image) return { id: image.ref, env: {} };
  const { env, user } = await readImageMetadata(artifacts, image.artifact);
  const { repo, tag } = tagOf(image.artifact, namespace);
  return { id: `${repo}:${tag}`, env, ...(user === '' ? {} : { user }) };
}

/**
 * Gets an image that the daemon does not have: pulled, or imported from an artifact with `rootfs/`. Images of artifacts that
 * are gone are removed on the way. @throws UserError `image-missing`
 */
export async function fetchImage(
  docker: Docker,
  artifacts: DirectoryArtifactStore,
  image: StepImage,
  namespace: string,
): Promise<void> {
  if ('ref' in image) return pull(docker, image.ref);
  await forgetImages(docker, artifacts, namespace);
  const labels = { [LABELS.namespace]: namespace, [LABELS.artifact]: image.artifact.id };
  const changes = Object.entries(labels).map(([name, value]) => `LABEL ${name}=${value}`);
  const tree = await artifacts.read(image.artifact, 'rootfs');
  await importTree(docker, tree, { ...tagOf(image.artifact, namespace), changes });
}

async function pull(docker: Docker, ref: string): Promise<void> {
  try {
    await untilDone(docker, await docker.pull(ref));
  } catch (cause) {
    throw new UserError('image-missing', `Docker cannot pull the image "${ref}": ${(cause as Error).message}`, 400);
  }
}

function tagOf({ id }: ArtifactRef, namespace: string): { readonly repo: string; readonly tag: string } {
  return { repo: `weir-${namespace}`, tag: createHash('sha256').update(id).digest('hex').slice(0, 32) };
}

/** @throws what breaks the archive: the daemon must not take half of it for the whole. */
export async function importTree(docker: Docker, tree: Readable, options: object): Promise<void> {
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
