import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import { ResourceFailure, type FetchResult, type StepContext } from '../../src/resources/contract.js';
import { cleanUri, followsTags } from './cache.js';
import { metadataOf, readCommitFacts } from './commit-facts.js';
import { Git } from './git.js';
import { integrate, isIn, settledVersion, type Push } from './integrate.js';
import { openPushedRepository, readStepFile } from './pushed-repository.js';
import type { GitPutParams, GitSource } from './schema.js';
import { withWorkshop } from './workshop.js';

const NOTES = 'refs/notes/commits';
const RETRY_DELAY_MS = 200;

interface PutRequest {
  readonly source: GitSource;
  readonly params: GitPutParams;
  readonly dir: string;
}

/**
 * Pushes the HEAD of the repository, its tags and what the params ask for. Repeated after a crash it finds what the first
 * attempt has pushed and gives the same version.
 */
export async function putGit(context: StepContext, { source, params, dir }: PutRequest): Promise<FetchResult> {
  if (source.version_type === 'branches')
    throw new ResourceFailure('a resource with version_type branches cannot be put to: use another one of type git');
  const branch = params.branch ?? source.branch;
  if (branch === undefined && params.only_tag !== true) {
    throw new ResourceFailure('put needs a branch: set source.branch or params.branch');
  }
  return withWorkshop(source, context, async (workshop) => {
    const repository = join(workshop.dir, 'repository');
    const git = new Git(workshop, context, source);
    await openPushedRepository(git, dir, params.repository, repository);
    const head = await git.attempt(repository, 'rev-parse', '--verify', '--quiet', 'HEAD^{commit}');
    if (head.exitCode !== 0) throw new ResourceFailure(`repository '${params.repository}' has no commit to push`);
    const push: Push = { git, repository, uri: cleanUri(source), head: head.stdout.trim(), params, context };

    const pushed =
      branch === undefined || params.only_tag === true
        ? push.head
        : await pushBranch(push, `${params.refs_prefix ?? 'refs/heads'}/${branch}`);
    const tag = await pushTags(push, dir, pushed);
    if (params.notes !== undefined) await pushNote(push, await readStepFile(dir, params.notes, 'notes'), pushed);

    const version = { ref: params.merge === true && params.returning === 'unmerged' ? push.head : pushed };
    const facts = await readCommitFacts(git, repository, version.ref, {
      uri: push.uri,
      ...(branch === undefined || params.only_tag === true ? {} : { branch }),
    });
    // A source that follows tags knows its versions by their names.
    return { version: followsTags(source) && tag !== undefined ? { ref: tag } : version, metadata: metadataOf(facts) };
  });
}

/** Pushes until it succeeds, integrating what others pushed meanwhile if the params allow that. @returns the pushed commit. */
async function pushBranch(push: Push, target: string): Promise<string> {
  const { params } = push;
  for (let attempt = 1; ; attempt++) {
    const tip = await fetchTip(push, target);
    const settled = await settledVersion(push, tip);
    if (settled !== undefined) {
      push.context.log(`${target} holds ${push.head.slice(0, 7)} already\n`);
      return settled;
    }
    const commit = await integrate(push, tip, target);
    if (params.force !== true && (await isIn(push, commit, tip))) return commit;
    const failure = await pushRefs(push, [`${commit}:${target}`]);
    if (failure === undefined) return commit;
    if ((await fetchTip(push, target)) === tip) throw failure;
    if (params.rebase !== true && params.merge !== true && params.force !== true) continue;
    push.context.log(`${target} has moved; attempt ${attempt + 1}\n`);
    await delay(RETRY_DELAY_MS, undefined, { signal: push.context.signal });
  }
}

/** The remote's state of the reference with its history; undefined when the remote has none. */
async function fetchTip({ git, repository, uri }: Push, target: string): Promise<string | undefined> {
  const listing = await git.run(repository, 'ls-remote', '--quiet', '--', uri, target);
  const sha = listing.split('\n').flatMap((line) => (line.endsWith(`\t${target}`) ? [line.split('\t')[0]] : []))[0];
  if (sha === undefined) return undefined;
  await git.run(
    repository,
    'fetch',
    '--quiet',
    '--no-tags',
    '--no-write-fetch-head',
    '--',
    uri,
    `+${target}:refs/weir/tip`,
  );
  return git.run(repository, 'rev-parse', 'refs/weir/tip');
}

/** @returns undefined when all were accepted, else the refusal in git's words. */
async function pushRefs(push: Push, refspecs: readonly string[]): Promise<ResourceFailure | undefined> {
  const { git, params, context } = push;
  const options = [
    ...(params.force === true ? ['--force'] : []),
    ...(params.push_options ?? []).map((o) => `--push-option=${o}`),
  ];
  const outcome = await git.attempt(
    push.repository,
    'push',
    '--porcelain',
    '--no-verify',
    ...options,
    '--',
    push.uri,
    ...refspecs,
  );
  context.log(git.redact(outcome.stderr.slice(-64 * 1024)));
  if (outcome.exitCode === 0) return undefined;
  const refused = outcome.stdout.split('\n').filter((line) => line.startsWith('!'));
  return new ResourceFailure(
    git.redact(`push failed: ${refused.length > 0 ? refused.join('\n') : outcome.stderr.trim().slice(-4000)}`),
  );
}

/** Makes the tag of the params and pushes it with all tags of the repository. @returns the name of the new tag. */
async function pushTags(push: Push, dir: string, commit: string): Promise<string | undefined> {
  const { git, repository, params, uri } = push;
  const name =
    params.tag === undefined
      ? undefined
      : `${params.tag_prefix ?? ''}${(await readStepFile(dir, params.tag, 'tag')).trim()}`;
  if (name !== undefined) {
    if (name.startsWith('-') || !(await git.succeeds(repository, 'check-ref-format', `refs/tags/${name}`))) {
      throw new ResourceFailure(`tag: '${name}' is not a valid name of a tag`);
    }
    // A tag of the same name that was pushed before (by us, before a crash) stays as it is.
    await git.attempt(
      repository,
      'fetch',
      '--quiet',
      '--no-tags',
      '--no-write-fetch-head',
      '--',
      uri,
      `refs/tags/${name}:refs/weir/tag`,
    );
    const there = await git.attempt(repository, 'rev-parse', '--verify', '--quiet', 'refs/weir/tag^{commit}');
    if (there.exitCode === 0 && there.stdout.trim() === commit) {
      await git.run(repository, 'update-ref', `refs/tags/${name}`, 'refs/weir/tag');
    } else {
      await makeTag(
        push,
        name,
        commit,
        params.annotate === undefined ? undefined : await readStepFile(dir, params.annotate, 'annotate'),
      );
    }
  }
  const tags = await git.run(repository, 'tag', '--list');
  if (tags !== '') {
    const failure = await pushRefs(push, ['refs/tags/*:refs/tags/*']);
    if (failure !== undefined) throw failure;
  }
  return name;
}

async function makeTag(
  { git, repository }: Push,
  name: string,
  commit: string,
  message: string | undefined,
): Promise<void> {
  // `--cleanup=verbatim`: lines that begin with # are text here.
  const annotation = message === undefined ? [] : ['--annotate', '--cleanup=verbatim', `--message=${message}`];
  await git.run(repository, 'tag', '--force', ...annotation, '--', name, commit);
}

async function pushNote(push: Push, text: string, commit: string): Promise<void> {
  const { git, repository, uri } = push;
  for (let attempt = 1; ; attempt++) {
    const before = await git.run(repository, 'ls-remote', '--quiet', '--', uri, NOTES);
    if (before !== '')
      await git.run(repository, 'fetch', '--quiet', '--no-write-fetch-head', '--', uri, `+${NOTES}:${NOTES}`);
    const there = await git.attempt(repository, 'notes', `--ref=${NOTES}`, 'show', commit);
    if (there.exitCode === 0 && there.stdout.trimEnd() === text.trimEnd()) return;
    await git.run(repository, 'notes', `--ref=${NOTES}`, 'add', '--force', `--message=${text}`, commit);
    const failure = await pushRefs(push, [`${NOTES}:${NOTES}`]);
    if (failure === undefined) return;
    if ((await git.run(repository, 'ls-remote', '--quiet', '--', uri, NOTES)) === before) throw failure;
    push.context.log(`${NOTES} has moved; attempt ${attempt + 1}\n`);
  }
}
