import { runInNewContext } from 'node:vm';
import { ResourceFailure, type CheckContext, type Version } from '../../src/resources/contract.js';
import { askRemote, dropCache, followsTags, refreshCache, TIP_REF, type Advertised } from './cache.js';
import { Git } from './git.js';
import { withLock } from './lock.js';
import type { GitSource } from './schema.js';
import { withWorkshop } from './workshop.js';

const SKIP_MARKS = ['\\[ci skip\\]', '\\[skip ci\\]'];
const REGEXP_TIMEOUT_MS = 500;

/**
 * Versions from the given one on, oldest first. The remote is asked for its references first; commits are fetched only
 * when they have moved.
 */
export async function checkGit(
  context: CheckContext,
  { source, version }: { readonly source: GitSource; readonly version?: Version },
): Promise<readonly Version[]> {
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
      withSoundCache(git, context, source, advertised, (repository) =>
        followsTags(source)
          ? listTags(git, repository, source, version)
          : listCommits(git, repository, source, version),
      ),
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

async function listCommits(git: Git, repository: string, source: GitSource, version?: Version): Promise<Version[]> {
  const given = version === undefined ? undefined : await ancestorOfTip(git, repository, version['ref'] ?? '');
  const paths = pathspecsOf(source);
  const filter = source.commit_filter ?? {};
  const exclude = filter.exclude ?? [];
  const skip = source.disable_ci_skip === true ? [] : SKIP_MARKS;
  const unwanted = filter.exclude_all_match === true ? skip : [...skip, ...exclude];
  const range = given === undefined ? [TIP_REF] : [`${given}..${TIP_REF}`];
  const list = async (...options: readonly string[]) =>
    linesOf(await git.run(repository, 'rev-list', '--first-parent', ...options, ...range, '--', ...paths));

  let newestFirst = await list(...(unwanted.length === 0 ? [] : ['--invert-grep']), ...unwanted.map(grep));
  if (filter.exclude_all_match === true && exclude.length > 0) {
    const excluded = new Set(await list('--all-match', ...exclude.map(grep)));
    newestFirst = newestFirst.filter((sha) => !excluded.has(sha));
  }
  if (filter.include !== undefined && filter.include.length > 0) {
    const matchAll = filter.include_all_match === true ? ['--all-match'] : [];
    const included = new Set(await list(...matchAll, ...filter.include.map(grep)));
    newestFirst = newestFirst.filter((sha) => included.has(sha));
  }
  if (version === undefined || given === undefined) return versionsOf(newestFirst.slice(0, source.version_depth ?? 1));
  return [version, ...versionsOf(newestFirst)];
}

/** The commit when it still is in the branch's history; after a force push it is not. */
async function ancestorOfTip(git: Git, repository: string, ref: string): Promise<string | undefined> {
  if (!/^[0-9a-f]{4,64}$/.test(ref)) return undefined;
  const found = await git.attempt(repository, 'rev-parse', '--verify', '--quiet', `${ref}^{commit}`);
  const sha = found.stdout.trim();
  if (found.exitCode !== 0 || sha === '') return undefined;
  return (await git.succeeds(repository, 'merge-base', '--is-ancestor', sha, TIP_REF)) ? sha : undefined;
}

function pathspecsOf(source: GitSource): string[] {
  const exclude = (path: string) => (path.startsWith(':(') ? `:(exclude,${path.slice(2)}` : `:(exclude)${path}`);
  return [...(source.paths ?? []), ...(source.ignore_paths ?? []).map(exclude)];
}

const grep = (pattern: string) => `--grep=${pattern}`;

const linesOf = (text: string) => (text === '' ? [] : text.split('\n'));

const versionsOf = (newestFirst: readonly string[]): Version[] => newestFirst.toReversed().map((ref) => ({ ref }));

/** Tags ordered by the date of the tag (of its commit, for a tag without a date of its own), then by version number. */
async function listTags(git: Git, repository: string, source: GitSource, version?: Version): Promise<Version[]> {
  const merged = source.branch === undefined ? [] : [`--merged=${TIP_REF}`];
  const order = ['--sort=version:refname', '--sort=creatordate'];
  const pattern = source.tag_filter === undefined ? [] : [source.tag_filter];
  const listing = await git.run(
    repository,
    'tag',
    '--list',
    '--format=%(refname:strip=2)',
    ...order,
    ...merged,
    '--',
    ...pattern,
  );
  const tags = matching(linesOf(listing), source.tag_regex);
  const from = tags.indexOf(version?.['ref'] ?? '');
  const wanted = from === -1 ? tags.slice(-(source.version_depth ?? 1)) : tags.slice(from);
  const versions: Version[] = wanted.map((ref) => ({ ref }));
  return version === undefined || from === -1 ? versions : [version, ...versions.slice(1)];
}

/** A pipeline's expression may take for ever on a chosen name, so it runs where it can be stopped. */
function matching(tags: readonly string[], pattern: string | undefined): readonly string[] {
  if (pattern === undefined) return tags;
  try {
    return runInNewContext(
      'tags.filter((tag) => new RegExp(pattern).test(tag))',
      { tags: [...tags], pattern: `^(?:${pattern})$` },
      { timeout: REGEXP_TIMEOUT_MS },
    ) as string[];
  } catch {
    // The schema has parsed the expression, so this is the time limit.
    throw new ResourceFailure('tag_regex takes too long on the names of the tags');
  }
}
