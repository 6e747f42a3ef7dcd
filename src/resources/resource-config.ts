import { createHash } from 'node:crypto';
import path from 'node:path';
import { canonicalJson, type JsonObject } from '../model/index.js';

/** Names a resource config: type and evaluated source. Histories belong to it, so checks and puts must agree on it. */
export function configDigest(type: string, source: JsonObject): string {
  return createHash('sha256').update(canonicalJson({ type, source })).digest('hex');
}

/** The folder in which a type may keep things between checks, gets and puts of the same config. */
export function cacheDirOf(dataDir: string, type: string, source: JsonObject): string {
  return path.join(dataDir, 'resource-cache', `${type}-${configDigest(type, source).slice(0, 32)}`);
}
