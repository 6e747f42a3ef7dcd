import type { CheckContext, Version } from '../../src/resources/contract.js';
import { doorOf, jobOf } from './job.js';
import type { PipelineSource } from './schema.js';

/** Ended builds of the job in its order: those from the given one on, or the newest. */
export async function checkPipeline(
  context: CheckContext,
  { source, version }: { readonly source: PipelineSource; readonly version?: Version },
): Promise<readonly Version[]> {
  context.signal.throwIfAborted();
  const builds = await doorOf(context).endedBuilds(jobOf(source), [source.status ?? 'succeeded'].flat(), version);
  const versions = builds.map(({ id, name }) => ({ build: name, id: String(id) }));
  // A version that was given by some of its keys is named as it was given.
  const isGiven =
    version !== undefined && Object.entries(version).every(([key, value]) => value === { ...versions[0] }[key as 'id']);
  return isGiven ? [version, ...versions.slice(1)] : versions;
}
