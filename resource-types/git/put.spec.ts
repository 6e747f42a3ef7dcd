import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { parseInput } from '../../src/resources/parse-input.js';
import { GitSandbox } from '../../test/support/git-sandbox.js';
import { stepContext } from '../../test/support/resource-type-contract.js';
import { git } from './index.js';

let sandbox: GitSandbox;
let remote: string;
let dir: string;
let repo: string;
let context: ReturnType<typeof stepContext>;

beforeEach(() => {
  sandbox = new GitSandbox();
  remote = sandbox.remote();
  dir = sandbox.folder('put-');
  repo = sandbox.clone(remote, join(dir, 'repo'));
  context = stepContext(join(sandbox.dir, 'cache'));
});
afterEach(() => sandbox.remove());

const put = (params: Record<string, unknown> = {}, more: Record<string, unknown> = {}) =>
  git.put(context, {
    source: parseInput(git.schema.source, { uri: remote, branch: 'main', ...more }, 'source'),
    params: parseInput(git.schema.putParams, { repository: 'repo', ...params }, 'params'),
    dir,
  });
const check = (ref: string) =>
  git.check(context, {
    source: parseInput(git.schema.source, { uri: remote, branch: 'main' }, 'source'),
    version: { ref },
  });
const at = (ref: string) => sandbox.git(remote, 'rev-parse', `${ref}^{commit}`);
const file = (name: string, text: string) => {
  mkdirSync(join(dir, 'files'), { recursive: true });
  writeFileSync(join(dir, 'files', name), text);
  return `files/${name}`;
};

describe('git put', () => {
  it('pushes HEAD and gives its version and metadata', async () => {
    const sha = sandbox.commit(repo, { a: '1' }, 'a');
    const result = await put();
    expect(result.version).toEqual({ ref: sha });
    expect(result.metadata).toContainEqual({ name: 'message', value: 'a' });
    expect(at('main')).toBe(sha);
  });

  it('pushes to another branch and another prefix', async () => {
    const sha = sandbox.commit(repo, { a: '1' }, 'a');
    await put({ branch: 'new' });
    await put({ branch: 'main', refs_prefix: 'refs/for' });
    expect([at('refs/heads/new'), at('refs/for/main')]).toEqual([sha, sha]);
  });

  it('pushes what get has fetched and a task has added to, also from a shallow history', async () => {
    const newest = sandbox.push(remote, { a: '1' }, 'a');
    rmSync(repo, { recursive: true });
    mkdirSync(repo);
    const source = parseInput(git.schema.source, { uri: `file://${remote}`, branch: 'main' }, 'source');
    await git.get(context, { source, params: { depth: 1 }, version: { ref: newest }, dir: repo });
    const sha = sandbox.commit(repo, { b: '1' }, 'b');
    expect((await put()).version).toEqual({ ref: sha });
    sandbox.push(remote, { c: '1' }, 'c');
    sandbox.commit(repo, { d: '1' }, 'd');
    const { version } = await put({ rebase: true });
    expect(at('main')).toBe(version['ref']);
    expect(sandbox.git(remote, 'log', '--reverse', '--format=%s', 'main').split('\n')).toEqual([
      'first',
      'a',
      'b',
      'c',
      'd',
    ]);
  });

  describe('when the branch has moved', () => {
    let [mine, theirs] = ['', ''];
    beforeEach(() => {
      theirs = sandbox.push(remote, { theirs: '1' }, 'theirs');
      mine = sandbox.commit(repo, { mine: '1' }, 'mine');
    });

    it('fails, says why, and changes nothing', async () => {
      await expect(put()).rejects.toMatchObject({
        name: 'ResourceFailure',
        message: expect.stringMatching(/refs\/heads\/main is at .*non-fast-forward.*rebase or merge/),
      });
      expect(at('main')).toBe(theirs);
    });

    it('rebases', async () => {
      const { version } = await put({ rebase: true });
      expect(at('main')).toBe(version['ref']);
      expect(at('main~1')).toBe(theirs);
      expect((await check(theirs)).map((v) => v['ref'])).toEqual([theirs, version['ref']]);
    });

    it('merges, and returns the merge', async () => {
      const { version } = await put({ merge: true });
      expect(at('main')).toBe(version['ref']);
      expect([at('main^1'), at('main^2')]).toEqual([theirs, mine]);
    });

    it('merges, and returns the unmerged commit, which check finds', async () => {
      const { version } = await put({ merge: true, returning: 'unmerged' });
      expect(version).toEqual({ ref: mine });
      expect((await check(mine)).map((v) => v['ref'])).toEqual([mine, theirs, at('main')]);
    });

    it('overwrites by force', async () => {
      expect((await put({ force: true })).version).toEqual({ ref: mine });
      expect(at('main')).toBe(mine);
    });

    it('gives the same version when repeated, even when others have pushed since', async () => {
      for (const params of [{ rebase: true }, { merge: true }]) {
        const { version } = await put(params);
        expect((await put(params)).version).toEqual(version);
        sandbox.push(remote, { [`later-${JSON.stringify(params).length}`]: '1' }, 'later');
        expect((await put(params)).version).toEqual(version);
        mine = sandbox.commit(repo, { [`more-${JSON.stringify(params).length}`]: '1' }, 'more');
      }
    });

    it('names the files in conflict, and leaves the branch', async () => {
      sandbox.commit(repo, { theirs: 'mine' }, 'conflict');
      await expect(put({ rebase: true })).rejects.toThrow(/^rebase of .* failed: conflicts in theirs$/);
      await expect(put({ merge: true })).rejects.toThrow(/^merge of .* failed: conflicts in theirs$/);
      expect(at('main')).toBe(theirs);
      await put({ rebase: true, rebase_strategy_option: 'theirs' });
      expect(sandbox.git(remote, 'show', 'main:theirs')).toBe('mine');
    });
  });

  it('tries again when others push at the same moment', async () => {
    // The hook of the remote commits to the branch itself before the first push is taken.
    const hook = join(remote, 'hooks', 'pre-receive');
    writeFileSync(
      hook,
      `#!/bin/sh\n[ -e raced ] && exit 0\ntouch raced\nunset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES\nexport GIT_AUTHOR_NAME=R GIT_AUTHOR_EMAIL=r GIT_COMMITTER_NAME=R GIT_COMMITTER_EMAIL=r\nnew=$(git commit-tree -p main -m raced main^{tree})\ngit update-ref refs/heads/main $new\n`,
    );
    chmodSync(hook, 0o755);
    sandbox.commit(repo, { mine: '1' }, 'mine');
    await put({ rebase: true });
    expect(context.text()).toContain('refs/heads/main has moved; attempt 2');
    expect(sandbox.git(remote, 'log', '--reverse', '--format=%s', 'main').split('\n')).toEqual([
      'first',
      'raced',
      'mine',
    ]);
  });

  it("fails with the words of the remote's hook", async () => {
    const hook = join(remote, 'hooks', 'pre-receive');
    writeFileSync(hook, '#!/bin/sh\necho "no pushes on Fridays" >&2\nexit 1\n');
    chmodSync(hook, 0o755);
    sandbox.commit(repo, { mine: '1' }, 'mine');
    await expect(put({ rebase: true })).rejects.toThrow(/push failed: .*pre-receive hook declined/);
    expect(context.text()).toContain('no pushes on Fridays');
  });

  it('hands push options to the remote', async () => {
    sandbox.git(remote, 'config', 'receive.advertisePushOptions', 'true');
    const hook = join(remote, 'hooks', 'post-receive');
    writeFileSync(hook, '#!/bin/sh\necho "$GIT_PUSH_OPTION_COUNT $GIT_PUSH_OPTION_0" > options\n');
    chmodSync(hook, 0o755);
    sandbox.commit(repo, { mine: '1' }, 'mine');
    await put({ push_options: ['ci.skip'] });
    expect(readFileSync(join(remote, 'options'), 'utf8')).toBe('1 ci.skip\n');
  });

  describe('of tags', () => {
    it('tags the pushed commit, with a prefix, and repeats without a change', async () => {
      const sha = sandbox.commit(repo, { a: '1' }, 'a');
      const params = {
        tag: file('tag', '1.2.3\n'),
        tag_prefix: 'v',
        annotate: file('note', 'The note\n# not a comment\n'),
      };
      expect((await put(params)).version).toEqual({ ref: sha });
      expect(at('v1.2.3')).toBe(sha);
      const object = sandbox.git(remote, 'rev-parse', 'v1.2.3');
      expect(sandbox.git(remote, 'cat-file', '-p', object)).toContain('# not a comment');
      await put(params);
      expect(sandbox.git(remote, 'rev-parse', 'v1.2.3')).toBe(object);
    });

    it('pushes only tags when told so', async () => {
      const before = at('main');
      const sha = sandbox.commit(repo, { a: '1' }, 'a');
      await put({ tag: file('tag', 't1'), only_tag: true }, { branch: undefined });
      expect([at('main'), at('t1')]).toEqual([before, sha]);
    });

    it('gives the name of the tag when versions are tags', async () => {
      sandbox.commit(repo, { a: '1' }, 'a');
      expect((await put({ tag: file('tag', 'v7') }, { tag_filter: 'v*' })).version).toEqual({ ref: 'v7' });
    });

    it('moves no tag that stands elsewhere, but by force', async () => {
      sandbox.git(remote, 'tag', 't1', 'main');
      const sha = sandbox.commit(repo, { a: '1' }, 'a');
      await expect(put({ tag: file('tag', 't1') })).rejects.toThrow(/push failed: .*already exists/);
      await put({ tag: file('tag', 't1'), force: true });
      expect(at('t1')).toBe(sha);
    });

    it('refuses a file with a bad name', async () => {
      for (const name of ['', 'a b', '--force', '../x', 'a..b']) {
        await expect(put({ tag: file('tag', name) })).rejects.toThrow(`'${name}' is not a valid name of a tag`);
      }
    });
  });

  it('writes a note, keeps those of others, and repeats without a change', async () => {
    sandbox.git(remote, '-c', 'user.name=T', 'notes', 'add', '-m', 'theirs', 'main');
    const sha = sandbox.commit(repo, { a: '1' }, 'a');
    const params = { notes: file('notes', 'built by 7\n') };
    await put(params);
    expect(sandbox.git(remote, 'notes', 'show', sha)).toBe('built by 7');
    expect(sandbox.git(remote, 'notes', 'show', `${sha}~1`)).toBe('theirs');
    const before = sandbox.git(remote, 'rev-parse', 'refs/notes/commits');
    await put(params);
    expect(sandbox.git(remote, 'rev-parse', 'refs/notes/commits')).toBe(before);
  });

  describe('trusts nothing in the repository of a step', () => {
    it('runs no hook and no program of its configuration', async () => {
      const mark = join(sandbox.dir, 'was-run');
      const script = `touch ${mark}`;
      sandbox.commit(repo, { a: '1' }, 'a');
      appendFileSync(
        join(repo, '.git', 'config'),
        `[core]\n\tfsmonitor = "${script}"\n\tsshCommand = "${script}"\n\thooksPath = hooks\n\tpager = "${script}"\n` +
          `[filter "x"]\n\tsmudge = "${script}"\n[credential]\n\thelper = "!${script}"\n[remote "origin"]\n\tuploadpack = "${script}"\n\treceivepack = "${script}"\n`,
      );
      for (const hook of ['pre-push', 'reference-transaction', 'post-checkout', 'pre-rebase']) {
        writeFileSync(join(repo, '.git', 'hooks', hook), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      }
      sandbox.push(remote, { theirs: '1' }, 'theirs');
      await put({ rebase: true });
      expect(existsSync(mark)).toBe(false);
    });

    it.each([
      ['a repository outside of the inputs', () => ({ repository: '../remote.git' }), /leads out of the step's inputs/],
      [
        'a link to a repository outside',
        () => {
          symlinkSync(remote, join(dir, 'link'));
          return { repository: 'link' };
        },
        /leads out of the step's inputs/,
      ],
      [
        'a .git file that points outside',
        () => {
          rmSync(join(repo, '.git'), { recursive: true });
          writeFileSync(join(repo, '.git'), `gitdir: ${remote}\n`);
          return {};
        },
        /leads out of the step's inputs/,
      ],
      [
        'objects borrowed from outside',
        () => {
          writeFileSync(join(repo, '.git', 'objects', 'info', 'alternates'), `${remote}/objects\n`);
          return {};
        },
        /borrows objects/,
      ],
      [
        'objects behind a link',
        () => {
          renameSync(join(repo, '.git', 'objects'), join(sandbox.dir, 'elsewhere'));
          symlinkSync(join(sandbox.dir, 'elsewhere'), join(repo, '.git', 'objects'));
          return {};
        },
        /symbolic link/,
      ],
      ['a tag file outside', () => ({ tag: '../remote.git/HEAD' }), /tag '..\/remote.git\/HEAD' leads out/],
      ['a missing repository', () => ({ repository: 'nothing' }), /repository 'nothing' does not exist/],
      [
        'a folder that is no repository',
        () => {
          mkdirSync(join(dir, 'plain'));
          return { repository: 'plain' };
        },
        /'plain' is not a git repository/,
      ],
      [
        'a repository without a commit',
        () => {
          sandbox.git(dir, 'init', '--quiet', 'empty');
          return { repository: 'empty' };
        },
        /'empty' has no commit to push/,
      ],
    ])('refuses %s', async (_title, prepare, message) => {
      const params = prepare();
      await expect(put(params)).rejects.toThrow(message);
    });
  });

  it('pushes from the folder of a submodule and from a worktree', async () => {
    sandbox.git(repo, 'worktree', 'add', '--quiet', join(dir, 'tree'));
    const sha = sandbox.commit(join(dir, 'tree'), { t: '1' }, 'in the worktree');
    expect((await put({ repository: 'tree' })).version).toEqual({ ref: sha });
    const other = sandbox.remote('other.git');
    sandbox.git(repo, 'submodule', '--quiet', 'add', other, 'sub');
    const inSub = sandbox.commit(join(repo, 'sub'), { s: '1' }, 'in the submodule');
    expect((await put({ repository: 'repo/sub' }, { uri: other })).version).toEqual({ ref: inSub });
  });

  it('needs a branch', async () => {
    await expect(put({}, { branch: undefined })).rejects.toThrow('put needs a branch');
  });
});
