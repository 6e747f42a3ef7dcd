import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { parseInput } from '../../src/resources/parse-input.js';
import { GitSandbox } from '../../test/support/git-sandbox.js';
import { filesOf, stepContext } from '../../test/support/resource-type-contract.js';
import { git } from './index.js';

let sandbox: GitSandbox;
let remote: string;
let dir: string;
let context: ReturnType<typeof stepContext>;

beforeEach(() => {
  sandbox = new GitSandbox();
  remote = sandbox.remote();
  dir = sandbox.folder('get-');
  context = stepContext(join(sandbox.dir, 'cache'));
});
afterEach(() => sandbox.remove());

const get = (ref: string, params: unknown = {}, more: Record<string, unknown> = {}) =>
  git.get(context, {
    source: parseInput(git.schema.source, { uri: remote, branch: 'main', ...more }, 'source'),
    params: parseInput(git.schema.getParams, params, 'params'),
    version: { ref },
    dir,
  });
const helper = (name: string) => readFileSync(join(dir, '.git', name), 'utf8').replace(/\n$/, '');
const inDir = (...args: string[]) => sandbox.git(dir, ...args);

describe('git get', () => {
  it('checks out the commit of the version, not the newest', async () => {
    const old = sandbox.push(remote, { a: 'old' }, 'old');
    sandbox.push(remote, { a: 'new' }, 'new');
    const { version } = await get(old);
    expect(version).toEqual({ ref: old });
    expect(readFileSync(join(dir, 'a'), 'utf8')).toBe('old');
    expect(inDir('rev-parse', 'HEAD')).toBe(old);
    expect(inDir('status', '--porcelain')).toBe('');
    expect(inDir('rev-list', '--count', 'HEAD')).toBe('2');
  });

  it('leaves branch and remote as of the version, for later steps', async () => {
    const old = sandbox.push(remote, { a: 'old' }, 'old');
    sandbox.push(remote, { a: 'new' }, 'new');
    await get(old, { all_branches: true });
    expect(inDir('rev-parse', 'main', 'origin/main', 'origin/HEAD')).toBe([old, old, old].join('\n'));
    expect(inDir('remote', 'get-url', 'origin')).toBe(remote);
  });

  it('writes the helper files and gives the metadata', async () => {
    const sha = sandbox.push(remote, { a: '1' }, 'subject\n\nbody ✓');
    sandbox.git(remote, 'tag', 'v1', sha);
    sandbox.git(remote, 'tag', 'v1-final', sha);
    const { metadata } = await get(sha, { short_ref_format: 'dev-%s', timestamp_format: 'format:%Y' });
    const year = sandbox.git(remote, 'log', '-1', '--format=%cd', '--date=format:%Y', sha);
    const expected = {
      ref: sha,
      commit: sha,
      short_ref: `dev-${sha.slice(0, 7)}`,
      branch: 'main',
      tags: 'v1\nv1-final',
      author: 'Ada',
      author_date: year,
      committer: 'grace@example.test',
      committer_name: 'Grace',
      committer_date: year,
      commit_message: 'subject\n\nbody ✓',
      commit_timestamp: year,
      url: '',
    };
    expect(Object.fromEntries(Object.keys(expected).map((name) => [name, helper(name)]))).toEqual(expected);
    expect(helper('describe_ref')).toMatch(new RegExp(`^${sha.slice(0, 7)}`));
    expect(metadata).toEqual([
      { name: 'commit', value: sha },
      { name: 'author', value: 'Ada' },
      { name: 'author_date', value: year },
      { name: 'committer', value: 'Grace' },
      { name: 'committer_date', value: year },
      { name: 'message', value: 'subject\n\nbody ✓' },
      { name: 'branch', value: 'main' },
      { name: 'tags', value: 'v1, v1-final' },
    ]);
    expect(JSON.parse(helper('metadata.json'))).toEqual(metadata);
  });

  it('describes the commit with the options of the params', async () => {
    sandbox.git(remote, 'tag', 'v1', 'main');
    const sha = sandbox.push(remote, { a: '1' }, 'a');
    await get(sha, { describe_ref_options: '--tags --long' });
    expect(helper('describe_ref')).toBe(`v1-1-g${sha.slice(0, 7)}`);
  });

  it.each(['v1', 'annotated'])('checks out the tag of a version: %s', async (tag) => {
    sandbox.git(remote, '-c', 'user.name=T', 'tag', ...(tag === 'v1' ? [] : ['-a', '-m', 'note']), tag, 'main');
    sandbox.push(remote, { a: '1' }, 'a');
    await get(tag, {}, { tag_filter: '*' });
    expect(helper('ref')).toBe(tag);
    expect(helper('short_ref')).toBe(tag);
    expect(helper('commit')).toBe(sandbox.git(remote, 'rev-parse', `${tag}^{commit}`));
    expect(existsSync(join(dir, 'a'))).toBe(false);
  });

  it('checks out a short sha', async () => {
    const sha = sandbox.push(remote, { a: '1' }, 'a');
    await get(sha.slice(0, 9));
    expect(helper('commit')).toBe(sha);
  });

  it('takes the branch of the remote when none is named', async () => {
    await get(sandbox.push(remote, { a: '1' }, 'a'), {}, { branch: undefined });
    expect(helper('branch')).toBe('main');
  });

  it('fetches as much history as depth says, ending at the version', async () => {
    const shas = [1, 2, 3, 4].map((n) => sandbox.push(remote, { a: String(n) }, String(n)));
    await get(shas[1]!, { depth: 2 }, { uri: `file://${remote}` });
    expect(inDir('rev-list', 'HEAD')).toBe([shas[1], shas[0]].join('\n'));
  });

  it('fetches tags of its history, all, none, or deletes them', async () => {
    const old = sandbox.push(remote, { a: '1' }, 'a');
    sandbox.git(remote, 'tag', 'before', old);
    sandbox.git(remote, 'tag', 'after', sandbox.push(remote, { a: '2' }, 'b'));
    const tags = async (params: unknown, more = {}) => {
      dir = sandbox.folder('get-');
      await get(old, params, more);
      return inDir('tag').split('\n').filter(Boolean);
    };
    expect(await tags({})).toEqual(['before']);
    expect(await tags({ fetch_tags: true })).toEqual(['after', 'before']);
    expect(await tags({}, { fetch_tags: true })).toEqual(['after', 'before']);
    expect(await tags({ fetch_tags: false }, { fetch_tags: true })).toEqual([]);
    expect(await tags({ clean_tags: true })).toEqual([]);
  });

  it('fetches further branches', async () => {
    sandbox.git(remote, 'branch', 'one', 'main');
    sandbox.git(remote, 'branch', 'two', 'main');
    const sha = sandbox.push(remote, { a: '1' }, 'a');
    await get(sha, { fetch: ['one'] });
    expect(inDir('branch', '-r', '--format=%(refname:short)').split('\n')).toEqual(
      expect.arrayContaining(['origin/one']),
    );
    expect(inDir('branch', '-r')).not.toContain('origin/two');
    dir = sandbox.folder('get-');
    await get(sha, { all_branches: true });
    expect(inDir('branch', '-r')).toMatch(/origin\/one[^]*origin\/two/);
  });

  it('checks out only sparse_paths', async () => {
    const sha = sandbox.push(remote, { 'a/x': '1', 'b/y': '1', 'a/z/q': '1' }, 'files');
    await get(sha, {}, { sparse_paths: ['a/*', '!a/z'] });
    expect(Object.keys(filesOf(dir)).filter((path) => !path.startsWith('.git'))).toEqual(['a/x']);
  });

  it('says when the version is gone', async () => {
    await expect(get('f'.repeat(40))).rejects.toMatchObject({
      name: 'ResourceFailure',
      message: `there is no '${'f'.repeat(40)}' in ${remote}, branch main: was it pushed over or deleted?`,
    });
  });

  it.each(['--upload-pack=x', 'a..b', 'HEAD^', ''])(
    'takes no ref that git could read as more than a name: %j',
    async (ref) => {
      await expect(get(ref)).rejects.toThrow('the version has no usable ref');
    },
  );

  const hasLfs = spawnSync('git', ['lfs', 'version']).status === 0;
  if (!hasLfs) console.warn('git-lfs is not installed: the test that needs it is skipped');

  (hasLfs ? it.skip : it)('warns of Git LFS where git-lfs is not installed', async () => {
    const sha = sandbox.push(remote, { '.gitattributes': '*.bin filter=lfs diff=lfs merge=lfs -text\n' }, 'lfs');
    await get(sha);
    expect(context.text()).toContain('uses Git LFS');
  });

  (hasLfs ? it : it.skip)('fetches the files of Git LFS, unless it is told not to, and none of folders', async () => {
    const work = sandbox.clone(remote, 'large');
    sandbox.git(work, 'lfs', 'install', '--local');
    sandbox.git(work, 'lfs', 'track', '*.bin');
    const sha = sandbox.commit(work, { 'a.bin': 'large file' }, 'large');
    sandbox.git(work, 'push', '--quiet', 'origin', 'main');
    await get(sha);
    expect(readFileSync(join(dir, 'a.bin'), 'utf8')).toBe('large file');
    dir = sandbox.folder();
    await get(sha, { disable_git_lfs: true });
    expect(readFileSync(join(dir, 'a.bin'), 'utf8')).toMatch(/^version https:.*git-lfs/);
    dir = sandbox.folder();
    const elsewhere = sandbox.push(remote, { '.lfsconfig': '[lfs]\n\turl = file:///etc\n' }, 'leads to a folder');
    await expect(get(elsewhere)).rejects.toThrow(".lfsconfig names 'file:///etc', which is not fetched from");
  });

  it('runs no program that files of the repository name', async () => {
    const mark = join(sandbox.dir, 'was-run');
    const sha = sandbox.push(
      remote,
      { '.gitattributes': '* filter=evil\n', '.gitconfig': `[filter "evil"]\n\tsmudge = touch ${mark}\n`, x: '1' },
      'evil',
    );
    await get(sha);
    expect(existsSync(mark)).toBe(false);
  });
});

describe('git get with submodules', () => {
  let sha = '';
  beforeEach(() => {
    const [outer, inner, other] = ['outer.git', 'inner.git', 'other.git'].map((name) => sandbox.remote(name));
    const add = (bare: string, uri: string, path: string) => {
      const work = sandbox.clone(bare, `with-${path}-${Math.random()}`);
      sandbox.git(work, 'submodule', '--quiet', 'add', uri, path);
      const commit = sandbox.commit(work, {}, `adds ${path}`);
      sandbox.git(work, 'push', '--quiet', 'origin', 'HEAD:main');
      return commit;
    };
    add(outer!, inner!, 'inner');
    add(remote, outer!, 'outer');
    sha = add(remote, '../other.git', 'other');
    sandbox.push(other!, { newer: '1' }, 'newer');
  });
  const has = (path: string) => existsSync(join(dir, path)) && statSync(join(dir, path)).isFile();

  it.each([
    [{}, ['outer/README.md', 'outer/inner/README.md', 'other/README.md'], ['other/newer']],
    [{ submodules: 'all', depth: 1 }, ['outer/README.md', 'outer/inner/README.md', 'other/README.md'], []],
    [{ submodules: 'none' }, [], ['outer/README.md', 'other/README.md']],
    [{ submodules: ['other'] }, ['other/README.md'], ['outer/README.md']],
    [{ submodule_recursive: false }, ['outer/README.md', 'other/README.md'], ['outer/inner/README.md']],
    [{ submodule_remote: true, submodules: ['other'] }, ['other/newer'], []],
  ])('%j', async (params, present, absent) => {
    await get(sha, params, 'depth' in params ? { uri: `file://${remote}` } : {});
    expect(present.filter((path) => !has(path))).toEqual([]);
    expect(absent.filter(has)).toEqual([]);
  });
});
