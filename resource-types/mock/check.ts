import { setTimeout as delay } from 'node:timers/promises';
import { parseDurationMs, ResourceFailure, type CheckContext, type Version } from '../../src/resources/contract.js';
import type { MockSource } from './schema.js';

const MIRRORED_VERSION = 'MIRRORED_VERSION';

/** Tells processes in an image that the type has made of itself which version of it they run in. */
export const ownImageEnv = ({ version = '' }: Version): Record<string, string> => ({ [MIRRORED_VERSION]: version });

/** The forced version, else the given one, else the initial one. */
export async function checkMock(
  context: CheckContext,
  { source, version }: { readonly source: MockSource; readonly version?: Version },
): Promise<readonly Version[]> {
  if (source.log !== undefined) context.log(`${source.log}\n`);
  const delayMs = parseDurationMs(source.check_delay ?? '0') ?? 0;
  context.signal.throwIfAborted();
  // A timer of nothing still takes a millisecond.
  if (delayMs > 0) await delay(delayMs, undefined, { signal: context.signal });
  if (source.check_failure !== undefined) throw new ResourceFailure(source.check_failure);
  if (source.force_version !== undefined) return [versionOf(context, source.force_version)];
  if (version !== undefined) return [{ ...version, ...versionOf(context, version['version'] ?? '') }];
  const initial = source.initial_version || context.env?.[MIRRORED_VERSION] || 'mock';
  return source.no_initial_version === true ? [] : [versionOf(context, initial)];
}

/** A version made here; one that is made with privileges says so. */
export function versionOf({ isPrivileged }: CheckContext, version: string): Version {
  return { version, ...(isPrivileged ? { privileged: 'true' } : {}) };
}
