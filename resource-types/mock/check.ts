import { setTimeout as delay } from 'node:timers/promises';
import { parseDurationMs, ResourceFailure, type CheckContext, type Version } from '../../src/resources/contract.js';
import type { MockSource } from './schema.js';

/** The forced version, else the given one, else the initial one. */
export async function checkMock(
  context: CheckContext,
  { source, version }: { readonly source: MockSource; readonly version?: Version },
): Promise<readonly Version[]> {
  if (source.log !== undefined) context.log(`${source.log}\n`);
  await delay(parseDurationMs(source.check_delay ?? '0'), undefined, { signal: context.signal });
  if (source.check_failure !== undefined) throw new ResourceFailure(source.check_failure);
  if (source.force_version !== undefined) return [versionOf(context, source.force_version)];
  if (version !== undefined) return [version];
  return source.no_initial_version === true ? [] : [versionOf(context, source.initial_version ?? 'mock')];
}

/** A version made here; one that is made with privileges says so. */
export function versionOf({ isPrivileged }: CheckContext, version: string): Version {
  return { version, ...(isPrivileged ? { privileged: 'true' } : {}) };
}
