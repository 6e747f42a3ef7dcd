import { createHash, randomUUID } from 'node:crypto';
import type { BuildId } from '../model/index.js';

const MAX_LENGTH = 63;

/** Name of a step's process and prefix of its artifacts: the same for every server and every try. */
export function stepHandle(buildId: BuildId, stepId: string): string {
  const plain = `b${buildId}-s${stepId.replaceAll('/', '-')}`;
  if (plain.length <= MAX_LENGTH) return plain;
  return `b${buildId}-s${createHash('sha256').update(stepId).digest('hex').slice(0, 32)}`;
}

/** The build that a handle or an artifact id belongs to. */
export function buildOfHandle(handle: string): BuildId | undefined {
  const [, id] = /^b(\d+)-s/.exec(handle) ?? [];
  return id === undefined ? undefined : (Number(id) as BuildId);
}

/** Under this key a runtime keeps the cache of that id. */
export function taskCacheKey(id: number): string {
  return `task-${id}`;
}

const UPLOAD = 'upload-';

/** Id in the artifact store for files that somebody brings. */
export function uploadRef(): string {
  return `${UPLOAD}${randomUUID()}`;
}

/** True for the id of files that somebody brought. */
export function isUpload(id: string): boolean {
  return id.startsWith(UPLOAD);
}
