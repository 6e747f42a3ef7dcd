import { mkdir, rm } from 'node:fs/promises';
import picomatch from 'picomatch';
import { GitError, type Git } from './git-session.js';

const ASK_TIMEOUT_MS = 60_000;
const FETCH_TIMEOUT_MS = 300_000;
const LOCAL_TIMEOUT_MS = 60_000;
const MAX_FILES = 1_000;

export interface Repository {
  readonly uri: string;
  /** null: the repository's default branch. */
  readonly branch: string | null;
}

/** A commit's files that match, read without a work tree. */
export interface CommitFiles {
  readonly commit: string;
  /** `Name <address>`. */
  readonly author: string;
  /** By path. */
  readonly files: readonly { readonly path: string; readonly text: string }[];
}

/**
 * The newest commit of the branch, in one short exchange.
 * @throws GitError when the repository does not answer or has no such branch.
 */
export async function askForCommit(git: Git, cwd: string, { uri, branch }: Repository): Promise<string> {
  const ref = refOf(branch);
  const answer = await git(['ls-remote', '--', uri, ref], { cwd, timeoutMs: ASK_TIMEOUT_MS });
  const commit = answer
    .split('\n')
    .map((line) => line.split('\t'))
    .find(([, name]) => name === ref)?.[0];
  if (commit !== undefined && commit !== '') return commit;
  throw new GitError(branch === null ? 'the repository has no commit' : `the repository has no branch '${branch}'`);
}

/**
 * Fetches the branch's newest commit into the bare clone at `dir`, made if need be, and reads the files that match. Only
 * one commit deep and, where the server can, only the files that are read. A clone that is broken is made anew.
 */
export async function readCommit(git: Git, dir: string, repository: Repository, glob: string): Promise<CommitFiles> {
  try {
    return await fetchAndRead(git, dir, repository, glob);
  } catch (error) {
    if (!(error instanceof GitError)) throw error;
    await rm(dir, { recursive: true, force: true, maxRetries: 3 });
    return fetchAndRead(git, dir, repository, glob);
  }
}

async function fetchAndRead(git: Git, dir: string, { uri, branch }: Repository, glob: string): Promise<CommitFiles> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const local = { cwd: dir, timeoutMs: LOCAL_TIMEOUT_MS };
  await git(['init', '--quiet', '--bare'], local);
  await git(['config', 'remote.origin.url', uri], local);
  await git(
    [
      'fetch',
      '--quiet',
      '--depth=1',
      '--filter=blob:none',
      '--no-tags',
      '--force',
      'origin',
      `${refOf(branch)}:${HEAD}`,
    ],
    { cwd: dir, timeoutMs: FETCH_TIMEOUT_MS },
  );
  const facts = await git(['log', '-1', '--format=%H%n%an <%ae>', HEAD], local);
  const [commit = '', author = ''] = facts.split('\n');
  const files: CommitFiles['files'][number][] = [];
  for (const { path, blob } of await listFiles(git, dir, commit, glob)) {
    // In a partial clone this fetches the file.
    files.push({ path, text: await git(['cat-file', 'blob', blob], { cwd: dir, timeoutMs: FETCH_TIMEOUT_MS }) });
  }
  return { commit, author, files };
}

async function listFiles(
  git: Git,
  dir: string,
  commit: string,
  glob: string,
): Promise<{ readonly path: string; readonly blob: string }[]> {
  const { base } = picomatch.scan(glob);
  const below = base === '' || base === '.' ? [] : [base];
  const listing = await git(['ls-tree', '-r', '-z', '--full-tree', commit, '--', ...below], {
    cwd: dir,
    timeoutMs: FETCH_TIMEOUT_MS,
  });
  const matches = picomatch(glob);
  const files = listing.split('\0').flatMap((entry) => {
    const [, mode, blob, path] = /^(\d+) \w+ ([0-9a-f]+)\t(.+)$/s.exec(entry) ?? [];
    const isFile = mode === '100644' || mode === '100755';
    return isFile && path !== undefined && blob !== undefined && matches(path) ? [{ path, blob }] : [];
  });
  if (files.length > MAX_FILES)
    throw new GitError(`${files.length} files match '${glob}'; at most ${MAX_FILES} can be pipelines`);
  return files;
}

const HEAD = 'refs/weir/head';

function refOf(branch: string | null): string {
  return branch === null ? 'HEAD' : `refs/heads/${branch}`;
}
