import type { Version } from '../../src/resources/contract.js';
import { followsTags, TIP_REF } from './cache.js';
import type { Git } from './git.js';
import { matching } from './matching.js';
import type { GitSource } from './schema.js';

const SKIP_MARKS = ['\\[ci skip\\]', '\\[skip ci\\]'];

/** Versions from the given one on, oldest first, as the cached history knows them. */
export async function listVersions(
  git: Git,
  repository: string,
  source: GitSource,
  version?: Version,
): Promise<Version[]> {
  return (followsTags(source) ? listTags : listCommits)(git, repository, source, version);
}

async function listCommits(git: Git, repository: string, source: GitSource, version?: Version): Promise<Version[]> {
  const given = version === undefined ? undefined : await ancestorOfTip(git, repository, version['ref'] ?? '');
  const range = ['--first-parent', given === undefined ? TIP_REF : `${given}..${TIP_REF}`];
  const skip = source.disable_ci_skip === true ? [] : SKIP_MARKS;
  let newestFirst = await filteredCommits(git, repository, source, range, skip);
  if (source.tag_behaviour === 'match_tag_ancestors') {
    const tags = await matchingTags(git, repository, source);
    const untagged = new Set(await revList(git, repository, '--first-parent', TIP_REF, '--not', ...tags.map(refOfTag)));
    newestFirst = newestFirst.filter((sha) => tags.length > 0 && !untagged.has(sha));
  }
  if (version === undefined || given === undefined) return versionsOf(newestFirst.slice(0, source.version_depth ?? 1));
  return [version, ...versionsOf(newestFirst)];
}

/** Commits of the range that paths and messages let through, newest first. */
async function filteredCommits(
  git: Git,
  repository: string,
  source: GitSource,
  range: readonly string[],
  skip: readonly string[],
): Promise<string[]> {
  const paths = pathspecsOf(source);
  const filter = source.commit_filter ?? {};
  const exclude = filter.exclude ?? [];
  const unwanted = filter.exclude_all_match === true ? skip : [...skip, ...exclude];
  const list = (...options: readonly string[]) => revList(git, repository, ...options, ...range, '--', ...paths);

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
  return newestFirst;
}

/** The commit when it still is in the branch's history; after a force push it is not. */
async function ancestorOfTip(git: Git, repository: string, ref: string): Promise<string | undefined> {
  if (!/^[0-9a-f]{4,64}$/.test(ref)) return undefined;
  const found = await git.attempt(repository, 'rev-parse', '--verify', '--quiet', `${ref}^{commit}`);
  const sha = found.stdout.trim();
  if (found.exitCode !== 0 || sha === '') return undefined;
  return (await git.succeeds(repository, 'merge-base', '--is-ancestor', sha, TIP_REF)) ? sha : undefined;
}

async function listTags(git: Git, repository: string, source: GitSource, version?: Version): Promise<Version[]> {
  const tags = await matchingTags(git, repository, source);
  const passing = await passingFilters(git, repository, source, tags);
  const from = passing.indexOf(version?.['ref'] ?? '');
  const wanted = from === -1 ? passing.slice(-(source.version_depth ?? 1)) : passing.slice(from);
  const versions: Version[] = wanted.map((ref) => ({ ref }));
  return version === undefined || from === -1 ? versions : [version, ...versions.slice(1)];
}

/** Tags ordered by the date of the tag (of its commit, for a tag without a date of its own), then by version number. */
async function matchingTags(git: Git, repository: string, source: GitSource): Promise<readonly string[]> {
  const merged = source.branch === undefined ? [] : [`--merged=${TIP_REF}`];
  const order = ['--sort=version:refname', '--sort=creatordate'];
  const pattern = source.tag_filter === undefined ? [] : [source.tag_filter];
  const names = ['tag', '--list', '--format=%(refname:strip=2)', ...order, ...merged, '--', ...pattern];
  return matching(linesOf(await git.run(repository, ...names)), source.tag_regex, 'tag_regex');
}

/** The tags whose commits pass `paths`, `ignore_paths` and `commit_filter`. */
async function passingFilters(
  git: Git,
  repository: string,
  source: GitSource,
  tags: readonly string[],
): Promise<readonly string[]> {
  const isFiltered = source.paths ?? source.ignore_paths ?? source.commit_filter;
  if (isFiltered === undefined || tags.length === 0) return tags;
  const commits = new Set(await filteredCommits(git, repository, source, tags.map(refOfTag), []));
  const listing = await git.run(
    repository,
    'for-each-ref',
    '--format=%(refname:strip=2)%00%(objectname)%00%(*objectname)',
    'refs/tags',
  );
  const commitOf = new Map(
    linesOf(listing).map((line) => {
      const [name = '', object = '', peeled = ''] = line.split('\0');
      return [name, peeled === '' ? object : peeled];
    }),
  );
  return tags.filter((tag) => commits.has(commitOf.get(tag) ?? ''));
}

function pathspecsOf(source: GitSource): string[] {
  const exclude = (path: string) => (path.startsWith(':(') ? `:(exclude,${path.slice(2)}` : `:(exclude)${path}`);
  return [...(source.paths ?? []), ...(source.ignore_paths ?? []).map(exclude)];
}

const revList = async (git: Git, repository: string, ...args: readonly string[]): Promise<string[]> =>
  linesOf(await git.run(repository, 'rev-list', ...args));

const grep = (pattern: string) => `--grep=${pattern}`;

const refOfTag = (name: string) => `refs/tags/${name}`;

const linesOf = (text: string) => (text === '' ? [] : text.split('\n'));

const versionsOf = (newestFirst: readonly string[]): Version[] => newestFirst.toReversed().map((ref) => ({ ref }));
