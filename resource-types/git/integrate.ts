import { join } from 'node:path';
import { stat } from 'node:fs/promises';
import { ResourceFailure, type StepContext } from '../../src/resources/contract.js';
import type { Git } from './git.js';
import type { GitPutParams } from './schema.js';

/** One put of one commit. */
export interface Push {
  readonly git: Git;
  readonly repository: string;
  /** Address without credentials. */
  readonly uri: string;
  /** The commit the step wants to have pushed. */
  readonly head: string;
  readonly params: GitPutParams;
  readonly context: StepContext;
}

/**
 * The version when the branch (now at `tip`) holds the commit already, for example because the server died after the push
 * and before it was recorded: the commit itself, or the merge that brought it in. Undefined when it is still to be pushed.
 */
export async function settledVersion(push: Push, tip: string | undefined): Promise<string | undefined> {
  const { head, params } = push;
  if (tip === undefined || tip === head) return tip;
  if (params.force === true || !(await isIn(push, head, tip))) return undefined;
  return params.merge === true ? bringerOf(push, head, tip) : head;
}

/** The commit of the branch's own line that is the commit, or brought it in by a merge. */
async function bringerOf({ git, repository }: Push, head: string, tip: string): Promise<string> {
  const descendants = new Set(
    (await git.run(repository, 'rev-list', '--ancestry-path', `${head}..${tip}`, '--')).split('\n'),
  );
  const mainline = await git.run(repository, 'rev-list', '--first-parent', '--parents', `${head}..${tip}`, '--');
  const [bringer, firstParent] =
    mainline
      .split('\n')
      .map((line) => line.split(' '))
      .findLast(([sha]) => descendants.has(sha ?? '')) ?? [];
  return bringer === undefined || firstParent === head ? head : bringer;
}

/** True when the history of `tip` holds the commit. */
export async function isIn({ git, repository }: Push, commit: string, tip: string | undefined): Promise<boolean> {
  return tip !== undefined && (await git.succeeds(repository, 'merge-base', '--is-ancestor', commit, tip));
}

/** The commit to push so that nothing of the branch is lost. @throws ResourceFailure when that is not possible or not allowed. */
export async function integrate(push: Push, tip: string | undefined, target: string): Promise<string> {
  const { head, params } = push;
  if (tip === undefined || params.force === true) return head;
  if (await isIn(push, tip, head)) return head;
  if (params.rebase !== true && params.merge !== true) {
    throw new ResourceFailure(
      `${target} is at ${tip.slice(0, 7)}, which ${head.slice(0, 7)} does not build on (non-fast-forward): ` +
        'use rebase or merge to bring them together, or force to overwrite',
    );
  }
  await completeHistory(push);
  return params.rebase === true ? rebase(push, tip) : merge(push, tip);
}

async function rebase(push: Push, tip: string): Promise<string> {
  const { git, repository, head, params } = push;
  const strategy = params.rebase_strategy === undefined ? [] : [`--strategy=${params.rebase_strategy}`];
  if (params.rebase_strategy_option !== undefined) strategy.push(`--strategy-option=${params.rebase_strategy_option}`);
  await git.run(repository, 'checkout', '--quiet', '--force', '--detach', head);
  const outcome = await git.attempt(repository, 'rebase', '--quiet', ...strategy, tip);
  if (outcome.exitCode !== 0)
    throw await conflict(push, `rebase of ${head.slice(0, 7)} onto ${tip.slice(0, 7)} failed`);
  const rebased = await git.run(repository, 'rev-parse', 'HEAD');
  if (rebased !== tip) return rebased;
  // Nothing was left to push: the branch has the same changes already, under other names. Ours is the newest of them.
  const marked = await git.run(
    repository,
    'rev-list',
    '--cherry-mark',
    '--right-only',
    '--no-merges',
    `${head}...${tip}`,
    '--',
  );
  return (
    marked
      .split('\n')
      .find((line) => line.startsWith('='))
      ?.slice(1) ?? tip
  );
}

/** The branch's own history stays the first parent, so that checks see the merge and not the single commits. */
async function merge(push: Push, tip: string): Promise<string> {
  const { git, repository, head } = push;
  await git.run(repository, 'checkout', '--quiet', '--force', '--detach', tip);
  const outcome = await git.attempt(
    repository,
    'merge',
    '--quiet',
    '--no-ff',
    `--message=Merge ${head.slice(0, 7)}`,
    head,
  );
  if (outcome.exitCode !== 0) throw await conflict(push, `merge of ${head.slice(0, 7)} into ${tip.slice(0, 7)} failed`);
  return git.run(repository, 'rev-parse', 'HEAD');
}

async function conflict({ git, repository }: Push, what: string): Promise<ResourceFailure> {
  const files = (await git.run(repository, 'diff', '--name-only', '--diff-filter=U'))
    .split('\n')
    .filter((name) => name !== '');
  return new ResourceFailure(files.length === 0 ? what : `${what}: conflicts in ${files.slice(0, 20).join(', ')}`);
}

/** A shallow repository may lack the commit where the two histories part. */
async function completeHistory({ git, repository, uri }: Push): Promise<void> {
  const isShallow = await stat(join(repository, '.git', 'shallow')).then(
    () => true,
    () => false,
  );
  if (isShallow)
    await git.run(repository, 'fetch', '--quiet', '--no-tags', '--no-write-fetch-head', '--unshallow', '--', uri);
}
