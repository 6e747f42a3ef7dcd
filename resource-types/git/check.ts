import { ResourceFailure, type CheckContext, type Version } from '../../src/resources/contract.js';
import { keepAnswer, keptAnswer, questionOf } from './answers.js';
import { checkBranches } from './branches.js';
import {
  askRemote,
  dropCache,
  followsTags,
  readRemote,
  refreshCache,
  TIP_REF,
  type Advertised,
  type History,
} from './cache.js';
import { Git } from './git.js';
import { listVersions } from './list-versions.js';
import { withLock } from './lock.js';
import type { GitSource } from './schema.js';
import { refuseClosedFolder, withWorkshop } from './workshop.js';

/**
 * Versions from the given one on, oldest first. The references of the remote are looked at first; while they stand still,
 * nothing else is done. Commits are fetched only when they have moved.
 */
export async function checkGit(
  context: CheckContext,
  { source, version }: { readonly source: GitSource; readonly version?: Version },
): Promise<readonly Version[]> {
  if (source.version_type === 'branches') return checkBranches(context, { source, ...(version && { version }) });
  context.signal.throwIfAborted();
  await refuseClosedFolder(source, context);
  const local = await readRemote(source);
  const known = local && answerWithoutHistory(source, version, local);
  if (known !== undefined) return known;
  return withWorkshop(source, context, async (workshop) => {
    const git = new Git(workshop, context, source);
    const advertised = local ?? (await askRemote(git, workshop.dir, source));
    if (!advertised.has(TIP_REF) && (source.branch !== undefined || !followsTags(source))) {
      if (source.branch === undefined) return [];
      throw new ResourceFailure(`there is no branch '${source.branch}' in ${git.redact(source.uri)}`);
    }
    return (
      answerWithoutHistory(source, version, advertised) ??
      withLock(context.cacheDir, context.signal, () => askHistory(git, context, source, version, advertised))
    );
  });
}

function answerWithoutHistory(
  source: GitSource,
  version: Version | undefined,
  advertised: Advertised,
): readonly Version[] | undefined {
  const tip = advertised.get(TIP_REF);
  if (version !== undefined && tip !== undefined && version['ref'] === tip && !followsTags(source)) return [version];
  return keptAnswer(questionOf(source, version, advertised));
}

async function askHistory(
  git: Git,
  context: CheckContext,
  source: GitSource,
  version: Version | undefined,
  advertised: Advertised,
): Promise<readonly Version[]> {
  return withSoundCache(git, context, source, advertised, async ({ repository, isFetched }) => {
    const versions = await listVersions(git, repository, source, version);
    // What was fetched may be newer than what was advertised.
    if (!isFetched) keepAnswer(questionOf(source, version, advertised), versions);
    return versions;
  });
}

/** Runs `list` on the cache; a cache that cannot be read (a disk was full, a server was killed) is made anew, once. */
async function withSoundCache<T>(
  git: Git,
  context: CheckContext,
  source: GitSource,
  advertised: Advertised,
  list: (history: History) => Promise<T>,
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
