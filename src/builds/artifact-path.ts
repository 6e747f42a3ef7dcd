import type { ArtifactRef } from '../runtime/index.js';
import type { Walk } from './build-run.js';

/** Reads `artifact/path/to/file`. @throws naming the artifact and the file that is missing. */
export async function readArtifactFile(file: string, walk: Walk): Promise<string> {
  const slash = file.indexOf('/');
  const [name, path] = slash < 0 ? [file, ''] : [file.slice(0, slash), file.slice(slash + 1)];
  if (path === '') throw new Error(`file '${file}' does not say where in the artifact: write <artifact>/<path>`);
  const ref = artifactNamed(name, walk, `file '${file}'`);
  try {
    return (await walk.run.parts.artifacts.readFile(ref, path)).toString();
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== 'file-not-found') throw cause;
    throw new Error(`file '${path}' not found in artifact '${name}'`, { cause });
  }
}

/** @throws when there is no such artifact, naming those there are. */
export function artifactNamed(name: string, walk: Walk, who: string): ArtifactRef {
  const ref = walk.scope.artifact(name);
  if (ref) return ref;
  const names = walk.scope.artifactNames();
  const known = names.length > 0 ? `there are: ${names.join(', ')}` : 'no step before it made any';
  throw new Error(`${who}: artifact '${name}' not found; ${known}`);
}
