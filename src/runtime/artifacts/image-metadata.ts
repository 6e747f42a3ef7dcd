import { UserError } from '../../platform/index.js';
import type { ArtifactRef } from '../port.js';
import type { DirectoryArtifactStore } from './directory-artifact-store.js';

/** What an image says of the processes in it. */
export interface ImageMetadata {
  readonly env: Readonly<Record<string, string>>;
  /** A name or number, perhaps with a group. Empty: root. */
  readonly user: string;
}

/**
 * Reads `metadata.json` of an image. What it does not say may be missing or, as Go writes an empty list, `null`.
 * @throws UserError `bad-image` when there is none or it is something else.
 */
export async function readImageMetadata(artifacts: DirectoryArtifactStore, ref: ArtifactRef): Promise<ImageMetadata> {
  try {
    const { env, user } = JSON.parse((await artifacts.readFile(ref, 'metadata.json')).toString()) as {
      env?: string[] | null;
      user?: string | null;
    };
    return { env: Object.fromEntries((env ?? []).map(splitVariable)), user: user ?? '' };
  } catch (cause) {
    throw badImage(ref, (cause as Error).message);
  }
}

/** For an artifact that cannot be an image. */
export function badImage(ref: ArtifactRef, why: string): UserError {
  return new UserError(
    'bad-image',
    `artifact "${ref.id}" is no image: it needs a folder rootfs/ and a file metadata.json (${why})`,
  );
}

function splitVariable(text: string): [string, string] {
  const at = text.indexOf('=');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
