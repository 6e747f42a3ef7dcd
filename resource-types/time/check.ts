import { ResourceFailure, type CheckContext, type Version } from '../../src/resources/contract.js';
import { isDue } from './schedule.js';
import { specOf, type TimeSource } from './schema.js';

/** The given version, followed by now if a new version is due. */
export async function checkTime(
  context: CheckContext,
  { source, version }: { readonly source: TimeSource; readonly version?: Version },
): Promise<readonly Version[]> {
  context.signal.throwIfAborted();
  const previous = version === undefined ? undefined : timeOf(version);
  const now = context.now();
  const isFirst = version === undefined && source.initial_version === true;
  const due = isFirst || isDue(specOf(source), previous, now);
  return [...(version === undefined ? [] : [version]), ...(due ? [versionAt(now)] : [])];
}

/** The version of an instant. */
export function versionAt(time: Date): Version {
  return { time: time.toISOString() };
}

/** The instant of a version. @throws ResourceFailure when it has none. */
export function timeOf(version: Version): Date {
  const time = new Date(version['time'] ?? '');
  if (Number.isNaN(time.getTime()))
    throw new ResourceFailure(`the version has no usable time: ${JSON.stringify(version)}`);
  return time;
}
