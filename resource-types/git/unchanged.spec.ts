import { execFileSync } from 'node:child_process';
import { appendFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Version } from '../../src/resources/contract.js';
import { parseInput } from '../../src/resources/parse-input.js';
import { GitSandbox } from '../../test/support/git-sandbox.js';
import { stepContext } from '../../test/support/resource-type-contract.js';
import { git } from './index.js';
import { readLocalRefs } from './local-refs.js';

let sandbox: GitSandbox;
let remote: string;
let context: ReturnType<typeof stepContext>;
beforeEach(() => {
  sandbox = new GitSandbox();
  remote = sandbox.remote();
  context = stepContext(join(sandbox.dir, 'cache'));
});
afterEach(() => sandbox.remove());

const source = (more: Record<string, unknown> = {}) =>
  parseInput(git.schema.source, { uri: remote, branch: 'main', debug: true, ...more }, 'source');
const check = (more: Record<string, unknown>, version?: Version) =>
  git.check(context, { source: source(more), ...(version && { version }) });
const refs = async (more: Record<string, unknown>, from?: string) =>
  (await check(more, from === undefined ? undefined : { ref: from })).map((version) => version['ref']);
/** How many git commands `work` runs. */
async function commands(work: () => Promise<unknown>): Promise<number> {
  const count = () => context.text().match(/^\+ git /gm)?.length ?? 0;
  const before = count();
  await work();
  return count() - before;
}
const isLinux = process.platform === 'linux';
const onLinux = isLinux ? it : it.skip;

describe('a repository on this machine that stands still', () => {
  onLinux.each<[string, Record<string, unknown>]>([
    ['the branch', {}],
    ['the default branch', { branch: undefined }],
    ['a branch with a newest commit that is no version', { paths: ['README.md'] }],
    ['tags', { tag_filter: 'v*' }],
    ['tags of a branch by a regular expression', { tag_regex: 'v\\d+', branch: undefined }],
    ['ancestors of tags', { tag_filter: 'v*', tag_behaviour: 'match_tag_ancestors' }],
  ])('is checked without a process, once its history is known: %s', async (_title, more) => {
    sandbox.git(remote, 'tag', 'v1', 'main');
    sandbox.push(remote, { other: '1' }, 'other');
    const found = await check(more);
    const [newest] = found.slice(-1);
    await check(more, newest);
    expect(await commands(async () => expect(await check(more, newest)).toEqual([newest]))).toBe(0);
  });

  onLinux('is checked without a process for its set of branches', async () => {
    const more = { version_type: 'branches', branch: undefined, branch_regex: 'ma.*' };
    sandbox.git(remote, 'branch', 'other', 'main');
    expect(await commands(() => check(more))).toBe(0);
    expect(await check(more)).toEqual([{ branches: 'main', number: '1' }]);
  });
});

describe('what is known of a repository answers no other question', () => {
  const known = async (more: Record<string, unknown>, from: string): Promise<void> => {
    for (let times = 0; times < 3; times++) await refs(more, from);
  };

  it('after a force push, and after one back', async () => {
    const more = { paths: ['*'] };
    const first = sandbox.git(remote, 'rev-parse', 'main');
    const gone = sandbox.push(remote, { a: '1' }, 'a');
    await known(more, first);
    sandbox.git(remote, 'update-ref', 'refs/heads/main', first);
    const other = sandbox.push(remote, { b: '1' }, 'b');
    expect(await refs(more, first)).toEqual([first, other]);
    expect(await refs(more, gone)).toEqual([other]);
    sandbox.git(remote, 'update-ref', 'refs/heads/main', gone);
    expect(await refs(more, first)).toEqual([first, gone]);
  });

  it('when keys of the source are others', async () => {
    const work = sandbox.clone(remote, 'work');
    for (const name of ['v1', 'w1', 'v2', 'w2']) {
      sandbox.commit(work, { [name]: '1' }, name);
      sandbox.git(work, 'tag', name);
    }
    sandbox.git(work, 'push', '--quiet', '--tags', 'origin', 'main');
    await known({ tag_filter: 'v*' }, 'v1');
    expect(await refs({ tag_filter: 'v*' }, 'v1')).toEqual(['v1', 'v2']);
    expect(await refs({ tag_filter: 'w*' }, 'w1')).toEqual(['w1', 'w2']);
    expect(await refs({ tag_regex: 'v2' }, 'v1')).toEqual(['v2']);
    expect(await refs({ tag_filter: 'v*', version_depth: 2 })).toEqual(['v1', 'v2']);
    expect(await refs({ tag_filter: 'v*' })).toEqual(['v2']);
    expect(await refs({ tag_filter: 'v*', paths: ['v1'] }, 'v1')).toEqual(['v1']);
  });

  it('when it is asked from another version, or from one that never was', async () => {
    const first = sandbox.git(remote, 'rev-parse', 'main');
    const [a, b] = [sandbox.push(remote, { a: '1' }, 'a'), sandbox.push(remote, { b: '1' }, 'b [ci skip]')];
    await known({}, a);
    expect(await refs({}, first)).toEqual([first, a]);
    expect(await refs({}, 'f'.repeat(40))).toEqual([a]);
    expect(await refs({})).toEqual([a]);
    expect(await refs({}, b)).toEqual([b]);
  });

  it('when the branch is gone', async () => {
    const a = sandbox.push(remote, { a: '1' }, 'a [ci skip]');
    await known({}, a);
    sandbox.git(remote, 'update-ref', '-d', 'refs/heads/main');
    await expect(check({}, { ref: a })).rejects.toThrow(`there is no branch 'main' in ${remote}`);
  });

  it('when a tag was moved', async () => {
    sandbox.git(remote, 'tag', 'v1', 'main');
    await known({ tag_filter: 'v*', paths: ['a'] }, 'v1');
    expect(await refs({ tag_filter: 'v*', paths: ['a'] })).toEqual([]);
    sandbox.push(remote, { a: '1' }, 'a');
    sandbox.git(remote, 'tag', '--force', 'v1', 'main');
    expect(await refs({ tag_filter: 'v*', paths: ['a'] })).toEqual(['v1']);
  });

  it('and needs no history that was lost or damaged, which is made anew for the next question', async () => {
    const more = { paths: ['a'] };
    const a = sandbox.push(remote, { a: '1' }, 'a');
    sandbox.push(remote, { b: '1' }, 'b');
    await known(more, a);
    rmSync(context.cacheDir, { recursive: true });
    expect(await refs(more, a)).toEqual([a]);
    const again = sandbox.push(remote, { a: '2' }, 'a again');
    expect(await refs(more, a)).toEqual([a, again]);
    rmSync(join(context.cacheDir, 'history.git', 'objects'), { recursive: true });
    const third = sandbox.push(remote, { a: '3' }, 'a a third time');
    expect(await refs(more, a)).toEqual([a, again, third]);
  });
});

describe('references read from files', () => {
  const told = () => {
    const listing = sandbox.git(sandbox.dir, 'ls-remote', '--', remote, 'HEAD', 'refs/heads/*', 'refs/tags/*');
    const lines = listing.split('\n').map((line) => line.split('\t'));
    return Object.fromEntries(
      lines.flatMap(([sha, name = '']) => (/^(HEAD|refs\/(heads|tags)\/.*[^}])$/.test(name) ? [[name, sha]] : [])),
    ) as Record<string, string>;
  };
  const read = async (more: Record<string, unknown> = {}) => {
    const found = await readLocalRefs(source(more), ['HEAD'], ['refs/heads', 'refs/tags']);
    return found && Object.fromEntries(found);
  };
  beforeEach(() => {
    sandbox.git(remote, 'tag', 'plain', 'main');
    sandbox.git(remote, '-c', 'user.name=A', '-c', 'user.email=a@b', 'tag', '-am', 'x', 'deep/annotated', 'main');
    sandbox.push(remote, { a: '1' }, 'a');
  });

  onLinux.each<[string, () => void]>([
    ['in files of their own', () => undefined],
    ['in one table', () => sandbox.git(remote, 'pack-refs', '--all')],
    [
      'in a table, and newer ones in files',
      () => {
        sandbox.git(remote, 'branch', 'gone', 'main');
        sandbox.git(remote, 'pack-refs', '--all');
        sandbox.git(remote, 'branch', '-D', 'gone');
        sandbox.push(remote, { b: '1' }, 'b');
        sandbox.git(remote, 'tag', '--force', 'plain', 'main');
      },
    ],
    ['with a HEAD of its own', () => sandbox.git(remote, 'update-ref', '--no-deref', 'HEAD', 'main~1')],
    ['with a HEAD that leads nowhere', () => sandbox.git(remote, 'symbolic-ref', 'HEAD', 'refs/heads/none')],
    ['that stand for others', () => sandbox.git(remote, 'symbolic-ref', 'refs/heads/alias', 'refs/heads/main')],
    ['with a lock that was left', () => writeFileSync(join(remote, 'refs', 'heads', 'main.lock'), '')],
  ])('are those that git tells: %s', async (_title, change) => {
    change();
    expect(await read()).toEqual(told());
    remote = `file://${remote}`;
    expect(await read()).toEqual(told());
  });

  onLinux('are those of the repository of a working tree', async () => {
    const work = sandbox.clone(remote, 'work');
    remote = work;
    expect(await read()).toEqual(told());
  });

  const setting = (text: string) => appendFileSync(join(remote, 'config'), text);
  const main = () => join(remote, 'refs', 'heads', 'main');
  it.each<[string, () => void]>([
    ['references are hidden', () => setting('[transfer]\n\thideRefs = refs/tags\n')],
    ['settings stand elsewhere, too', () => setting('[include]\n\tpath = /etc/gitconfig\n')],
    ['they are kept in another way', () => setting('[extensions]\n\trefStorage = reftable\n')],
    ['the format is newer', () => setting('[core]\n\trepositoryFormatVersion = 1\n')],
    ['a reference is a link', () => (renameSync(main(), `${main()}2`), symlinkSync('refs/heads/main2', main()))],
    ['a reference is a pipe', () => (rmSync(main()), void execFileSync('mkfifo', [main()]))],
    ['a reference is broken', () => writeFileSync(main(), 'ref: somewhere\n')],
    ['a name is odd', () => writeFileSync(join(remote, 'refs', 'tags', 'a~b'), `${'a'.repeat(40)}\n`)],
    ['the folder is a link to a repository elsewhere', () => writeFileSync(join(remote, '.git'), 'gitdir: x\n')],
    ['there is no repository', () => rmSync(join(remote, 'objects'), { recursive: true })],
  ])('are left to git when %s', async (_title, change) => {
    change();
    expect(await read()).toBeUndefined();
  });

  it('are left to git when the repository is elsewhere or settings could lead there', async () => {
    expect(await read({ uri: 'https://example.test/x' })).toBeUndefined();
    expect(await read({ uri: '../x' })).toBeUndefined();
    expect(await read({ git_config: [{ name: 'url./x.insteadOf', value: remote }] })).toBeUndefined();
  });

  it('stay hidden to a check when the repository hides them', async () => {
    expect(await refs({ tag_filter: '*' })).toHaveLength(1);
    setting('[uploadpack]\n\thiderefs = refs/tags\n');
    expect(await refs({ tag_filter: '*' })).toEqual([]);
  });
});
