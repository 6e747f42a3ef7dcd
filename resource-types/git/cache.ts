import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Git } from './git.js';
import { readLocalRefs } from './local-refs.js';
import type { GitSource } from './schema.js';
import { parseRepositoryUri } from './uri.js';

/** Where the followed branch is kept in the cache. */
export const TIP_REF = 'refs/weir/tip';

/** What a remote has, by name of the reference; annotated tags stand with the sha of the tag object. */
export type Advertised = ReadonlyMap<string, string>;

/** True when versions are tags and not commits. */
export function followsTags(source: GitSource): boolean {
  return source.version_type === 'tags' || (hasTagFilter(source) && source.tag_behaviour !== 'match_tag_ancestors');
}

/** True when tags decide which commits are versions. */
function hasTagFilter(source: GitSource): boolean {
  return source.tag_filter !== undefined || source.tag_regex !== undefined;
}

/** True when a check must know the tags. */
function needsTags(source: GitSource): boolean {
  return followsTags(source) || hasTagFilter(source);
}

/** What {@link askRemote} would answer, without a process; undefined when the remote has to be asked. */
export async function readRemote(source: GitSource): Promise<Advertised | undefined> {
  const branch = branchRefOf(source);
  const refs = await readLocalRefs(source, [branch], needsTags(source) ? ['refs/tags'] : []);
  return refs && new Map([...refs].map(([name, sha]) => [name === branch ? TIP_REF : name, sha]));
}

/** Asks the remote for the followed branch under {@link TIP_REF}, and for all tags when versions are tags. No objects are fetched. */
export async function askRemote(git: Git, cwd: string, source: GitSource): Promise<Advertised> {
  const branch = branchRefOf(source);
  const wanted = needsTags(source) ? [branch, 'refs/tags/*'] : [branch];
  const listing = await git.run(cwd, 'ls-remote', '--quiet', '--', cleanUri(source), ...wanted);
  const advertised = new Map<string, string>();
  for (const line of listing.split('\n')) {
    const [sha, name] = line.split('\t');
    // A pattern also matches at the end of longer names: refs/heads/x/refs/heads/main.
    if (sha === undefined || name === undefined || name.endsWith('^{}')) continue;
    if (name === branch) advertised.set(TIP_REF, sha);
    else if (name.startsWith('refs/tags/')) advertised.set(name, sha);
  }
  return advertised;
}

const branchRefOf = ({ branch }: GitSource): string => (branch === undefined ? 'HEAD' : `refs/heads/${branch}`);

export interface History {
  /** Bare, with commits only where the remote allows that. */
  readonly repository: string;
  /** False: it stood where the remote stands already. */
  readonly isFetched: boolean;
}

/** The history behind `advertised`, fetched only when something new is there. The caller must hold the lock of the folder. */
export async function refreshCache(git: Git, dir: string, source: GitSource, advertised: Advertised): Promise<History> {
  const repository = join(dir, 'history.git');
  await openRepository(git, dir, repository, source);
  if (await isCurrent(git, repository, advertised)) return { repository, isFetched: false };
  const refspecs = advertised.has(TIP_REF) ? [`+${branchRefOf(source)}:${TIP_REF}`] : [];
  if (needsTags(source)) refspecs.push('+refs/tags/*:refs/tags/*');
  // Finding commits by path needs folder listings; otherwise the commits alone are enough.
  const filter = source.paths === undefined && source.ignore_paths === undefined ? 'tree:0' : 'blob:none';
  await git.run(
    repository,
    'fetch',
    '--quiet',
    '--prune',
    '--no-tags',
    '--no-write-fetch-head',
    `--filter=${filter}`,
    'origin',
    ...refspecs,
  );
  return { repository, isFetched: true };
}

/** Forgets the cached history. */
export async function dropCache(dir: string): Promise<void> {
  await rm(join(dir, 'history.git'), { recursive: true, force: true, maxRetries: 3 });
}

/** The address git is given: without credentials. */
export function cleanUri(source: GitSource): string {
  return parseRepositoryUri(source.uri)?.clean ?? source.uri;
}

async function openRepository(git: Git, dir: string, repository: string, source: GitSource): Promise<void> {
  await mkdir(dir, { recursive: true });
  const found = await git.attempt(dir, `--git-dir=${repository}`, 'config', '--get', 'remote.origin.url');
  if (found.exitCode === 0 && found.stdout.trimEnd() === cleanUri(source)) {
    await removeStaleLocks(repository);
    return;
  }
  await dropCache(dir);
  await git.run(dir, 'init', '--quiet', '--bare', repository);
  await git.run(repository, 'remote', 'add', 'origin', cleanUri(source));
}

/** A fetch that was killed leaves lock files; we hold the folder alone, so nobody else's can be among them. */
async function removeStaleLocks(repository: string): Promise<void> {
  const top = (await readdir(repository)).filter((name) => name.endsWith('.lock'));
  const refs = await readdir(join(repository, 'refs'), { recursive: true });
  const stale = [...top, ...refs.filter((name) => name.endsWith('.lock')).map((name) => join('refs', name))];
  await Promise.all(stale.map((name) => rm(join(repository, name), { force: true })));
}

async function isCurrent(git: Git, repository: string, advertised: Advertised): Promise<boolean> {
  const listing = await git.run(repository, 'for-each-ref', '--format=%(objectname) %(refname)', TIP_REF, 'refs/tags');
  const lines = listing === '' ? [] : listing.split('\n');
  if (lines.length !== advertised.size) return false;
  return lines.every((line) => {
    const space = line.indexOf(' ');
    return advertised.get(line.slice(space + 1)) === line.slice(0, space);
  });
}
