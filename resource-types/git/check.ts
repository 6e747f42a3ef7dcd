import { ResourceFailure, type CheckContext, type Version } from '../../src/resources/contract.js';
import { checkBranches } from './branches.js';
import { askRemote, dropCache, followsTags, refreshCache, TIP_REF, type Advertised } from './cache.js';
import { Git } from './git.js';
import { listVersions } from './list-versions.js';
import { withLock } from './lock.js';
import type { GitSource } from './schema.js';
import { withWorkshop } from './workshop.js';

/**
 * Versions from the given one on, oldest first. The remote is asked for its references first; commits are fetched only
 * when they have moved.
 */
export async function checkGit(
  context: CheckContext,
  { source, version }: { readonly source: GitSource; readonly version?: Version },
): Promise<readonly Version[]> {
  if (source.version_type === 'branches') return checkBranches(context, { source, ...(version && { version }) });
  return withWorkshop(source, context, async (workshop) => {
    const git = new Git(workshop, context, source);
    const advertised = await askRemote(git, workshop.dir, source);
    const tip = advertised.get(TIP_REF);
    if (tip === undefined && (source.branch !== undefined || !followsTags(source))) {
      if (source.branch === undefined) return [];
      throw new ResourceFailure(`there is no branch '${source.branch}' in ${git.redact(source.uri)}`);
    }
    if (version !== undefined && version['ref'] === tip && !followsTags(source)) return [version];
    return withLock(context.cacheDir, context.signal, () =>
      withSoundCache(git, context, source, advertised, (repository) => listVersions(git, repository, source, version)),
    );
  });
}

/** Runs `list` on the cache; a cache that cannot be read (a disk was full, a server was killed) is made anew, once. */
async function withSoundCache<T>(
  git: Git,
  context: CheckContext,
  source: GitSource,
  advertised: Advertised,
  list: (repository: string) => Promise<T>,
): Promise<T> {
  const refreshed = await refreshCache(git, context.cacheDir, source, advertised);
  try {
    return await list(refreshed);
  } catch (error) {
    context.signal.throwIfAborted();
    if (!(error instanceof ResourceFailure)) throw error;
    context.log('the cached history cannot be read; fetching it again\n');
    await dropCache(context.cacheDir);
    return list(await refreshCache(git, context.cacheDir, source, advertised));
  }
}
