import { createHash } from 'node:crypto';

/** Where a step's files stand in its own root. Concourse puts them into `/tmp/build/<short hash>`, too. */
export function workFolder(handle: string): string {
  return `/tmp/build/${createHash('sha256').update(handle).digest('hex').slice(0, 8)}`;
}
