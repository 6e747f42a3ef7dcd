import { join } from 'node:path';
import { ResourceFailure, type FetchResult, type StepContext, type Version } from '../../src/resources/contract.js';
import { getBranches } from './branches.js';
import { cleanUri } from './cache.js';
import { metadataOf, readCommitFacts, writeHelperFiles } from './commit-facts.js';
import { decrypt } from './decrypt.js';
import { Git } from './git.js';
import { fetchLargeFiles } from './large-files.js';
import type { GitGetParams, GitSource } from './schema.js';
import { verifySignature } from './signature.js';
import { withWorkshop } from './workshop.js';

interface GetRequest {
  readonly source: GitSource;
  readonly params: GitGetParams;
  readonly version: Version;
  readonly dir: string;
}

/** A sha, or the name of a tag or branch; nothing git would take for an option or a range. */
const USABLE_REF = /^(?!-)(?!.*\.\.)[^\p{Cc} ~^:?*[\\]+$/u;
const FULL_SHA = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** Checks the version out into the folder, with its history as of that version, and writes the helper files. */
export async function getGit(context: StepContext, request: GetRequest): Promise<FetchResult> {
  const { source, params, version, dir } = request;
  if (source.version_type === 'branches') return getBranches(context, request);
  const ref = version['ref'];
  if (ref === undefined || !USABLE_REF.test(ref)) {
    throw new ResourceFailure(`the version has no usable ref: ${JSON.stringify(version)}`);
  }
  return withWorkshop(source, context, async (workshop) => {
    const git = new Git(workshop, context, source);
    await git.run(dir, 'init', '--quiet');
    await git.run(dir, 'remote', 'add', 'origin', cleanUri(source));
    const branch = source.branch ?? (await defaultBranch(git, dir));
    const sha = await fetchVersion(git, request, ref, branch);
    await verifySignature(git, workshop, source, { dir, ref, sha });
    await checkOut(git, request, sha, branch);
    await decrypt(git, workshop, source, dir);
    if (params.disable_git_lfs !== true) await fetchLargeFiles(git, context, dir);
    await fetchSubmodules(git, request);
    const facts = await readCommitFacts(git, dir, sha, {
      uri: cleanUri(source),
      branch,
      ...(params.timestamp_format === undefined ? {} : { dateFormat: params.timestamp_format }),
    });
    const describe = (params.describe_ref_options ?? '--always --dirty --broken')
      .split(/\s+/)
      .filter((word) => word !== '');
    const description = await git.attempt(dir, 'describe', ...describe);
    await writeHelperFiles(join(dir, '.git'), facts, {
      ref,
      shortRef: (params.short_ref_format ?? '%s').replace('%s', () => (FULL_SHA.test(ref) ? ref.slice(0, 7) : ref)),
      description: description.stdout.trim(),
    });
    if (params.clean_tags === true) await deleteTags(git, dir);
    context.log(`HEAD is now at ${sha.slice(0, 7)} ${facts.message.split('\n')[0] ?? ''}\n`);
    return { version, metadata: metadataOf(facts) };
  });
}

async function defaultBranch(git: Git, dir: string): Promise<string> {
  const listing = await git.run(dir, 'ls-remote', '--symref', '--', 'origin', 'HEAD');
  const branch = /^ref: refs\/heads\/(\S+)\tHEAD$/m.exec(listing)?.[1];
  if (branch === undefined) throw new ResourceFailure('the repository has no default branch: set source.branch');
  return branch;
}

/** Fetches what the version names, and all further branches and tags asked for. @returns the commit. */
async function fetchVersion(git: Git, request: GetRequest, ref: string, branch: string): Promise<string> {
  const { source, params, dir } = request;
  const tracking = `refs/remotes/origin/${branch}`;
  const depth = params.depth === undefined ? [] : [`--depth=${params.depth}`];
  const fetchTags = params.fetch_tags ?? source.fetch_tags;
  const tags = fetchTags === undefined ? [] : [fetchTags ? '--tags' : '--no-tags'];
  const fetch = (...args: readonly string[]) => ['fetch', '--quiet', '--no-write-fetch-head', ...args];
  await git.run(dir, 'config', 'remote.origin.fetch', `+refs/heads/${branch}:${tracking}`);

  // By its sha a commit comes with exactly its own history. Old servers refuse that; the branch then has it.
  const isFetched =
    FULL_SHA.test(ref) && (await git.succeeds(dir, ...fetch(...depth, ...tags, 'origin', `+${ref}:${tracking}`)));
  if (!isFetched) {
    const asTag = await git.attempt(dir, ...fetch(...depth, ...tags, 'origin', `+refs/tags/${ref}:refs/tags/${ref}`));
    if (asTag.exitCode !== 0) await git.run(dir, ...fetch('--tags', 'origin', `+refs/heads/${branch}:${tracking}`));
  }
  const sha = await git.attempt(dir, 'rev-parse', '--verify', '--quiet', `${ref}^{commit}`);
  if (sha.exitCode !== 0) {
    throw new ResourceFailure(
      `there is no '${ref}' in ${git.redact(cleanUri(source))}, branch ${branch}: was it pushed over or deleted?`,
    );
  }
  if (!isFetched) await git.run(dir, 'update-ref', tracking, sha.stdout.trim());

  const further = params.all_branches === true ? ['*'] : (params.fetch ?? []);
  const refspecs = further
    .filter((name) => name !== branch)
    .map((name) => `+refs/heads/${name}:refs/remotes/origin/${name}`);
  if (refspecs.length > 0) {
    await git.run(dir, ...fetch(...depth, ...tags, 'origin', ...refspecs));
    // `*` brought the branch's newest state, too: the version's own is what later steps must see.
    await git.run(dir, 'update-ref', tracking, sha.stdout.trim());
  }
  return sha.stdout.trim();
}

async function checkOut(git: Git, request: GetRequest, sha: string, branch: string): Promise<void> {
  const { source, dir } = request;
  if (source.sparse_paths !== undefined) {
    await git.run(dir, 'sparse-checkout', 'set', '--no-cone', '--', ...source.sparse_paths);
  }
  await git.run(dir, 'update-ref', `refs/heads/${branch}`, sha);
  await git.run(dir, 'symbolic-ref', 'refs/remotes/origin/HEAD', `refs/remotes/origin/${branch}`);
  await git.run(dir, 'checkout', '--quiet', '--force', '--detach', sha);
}

async function fetchSubmodules(git: Git, request: GetRequest): Promise<void> {
  const { params, dir } = request;
  const wanted = params.submodules ?? 'all';
  const hasSubmodules = await git.succeeds(dir, 'cat-file', '-e', 'HEAD:.gitmodules');
  if (wanted === 'none' || !hasSubmodules) return;
  const update = ['submodule', 'update', '--quiet', '--init'];
  if (params.submodule_recursive !== false) update.push('--recursive');
  if (params.submodule_remote === true) update.push('--remote');
  const paths = wanted === 'all' ? [] : wanted;
  if (params.depth !== undefined) {
    // Some servers cannot give a submodule's commit at a depth; then it comes whole.
    if (await git.succeeds(dir, ...update, `--depth=${params.depth}`, '--', ...paths)) return;
  }
  await git.run(dir, ...update, '--', ...paths);
}

async function deleteTags(git: Git, dir: string): Promise<void> {
  const tags = await git.run(dir, 'tag', '--list');
  if (tags !== '') await git.run(dir, 'tag', '--delete', ...tags.split('\n'));
}
