import { spawn, type ChildProcess } from 'node:child_process';
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Version } from '../../src/resources/contract.js';
import { parseInput } from '../../src/resources/parse-input.js';
import { GitSandbox } from '../../test/support/git-sandbox.js';
import { eventually } from '../../test/support/processes.js';
import { stepContext } from '../../test/support/resource-type-contract.js';
import { git } from './index.js';

let sandbox: GitSandbox;
let remote: string;
let context: ReturnType<typeof stepContext>;

beforeEach(() => {
  sandbox = new GitSandbox();
  remote = sandbox.remote();
  context = stepContext(join(sandbox.dir, 'cache'));
});
afterEach(() => sandbox.remove());

const first = () => sandbox.git(remote, 'rev-list', '--max-parents=0', 'main');
const check = (more: Record<string, unknown> = {}, version?: Version) =>
  git.check(context, {
    source: parseInput(git.schema.source, { uri: remote, branch: 'main', debug: true, ...more }, 'source'),
    ...(version && { version }),
  });
const refs = async (more?: Record<string, unknown>, from?: string) =>
  (await check(more, from === undefined ? undefined : { ref: from })).map((version) => version['ref']);
const fetches = () => context.text().match(/^\+ git fetch .*$/gm)?.length ?? 0;

describe('git check', () => {
  it('finds only the newest commit at first, and all commits after a given one, oldest first', async () => {
    const [a, b] = [sandbox.push(remote, { a: '1' }, 'a'), sandbox.push(remote, { b: '1' }, 'b')];
    expect(await refs()).toEqual([b]);
    expect(await refs({}, first())).toEqual([first(), a, b]);
  });

  it('finds version_depth commits at first', async () => {
    const [a, b] = [sandbox.push(remote, { a: '1' }, 'a'), sandbox.push(remote, { b: '1' }, 'b')];
    expect(await refs({ version_depth: 2 })).toEqual([a, b]);
    expect(await refs({ version_depth: 9 })).toEqual([first(), a, b]);
  });

  it('fetches nothing while the branch stands still, filtered or not', async () => {
    const a = sandbox.push(remote, { a: '1' }, 'a');
    expect(await refs({}, a)).toEqual([a]);
    expect(fetches()).toBe(0);
    sandbox.push(remote, { b: '1' }, 'b [ci skip]');
    expect(await refs({}, a)).toEqual([a]);
    expect(await refs({}, a)).toEqual([a]);
    expect(fetches()).toBe(1);
  });

  it('follows the default branch when none is named', async () => {
    const a = sandbox.push(remote, { a: '1' }, 'a');
    expect(await refs({ branch: undefined })).toEqual([a]);
  });

  it('finds a merge, and not the commits it brought', async () => {
    const work = sandbox.clone(remote, 'work');
    sandbox.git(work, 'checkout', '--quiet', '-b', 'side');
    sandbox.commit(work, { side: '1' }, 'on the side');
    sandbox.git(work, 'checkout', '--quiet', 'main');
    const a = sandbox.commit(work, { a: '1' }, 'a');
    sandbox.git(work, 'merge', '--quiet', '--no-edit', 'side');
    const merge = sandbox.git(work, 'rev-parse', 'HEAD');
    sandbox.git(work, 'push', '--quiet', 'origin', 'main');
    expect(await refs({}, first())).toEqual([first(), a, merge]);
    expect(await refs({ paths: ['side'] }, a)).toEqual([a, merge]);
  });

  it('starts again from the newest after a force push', async () => {
    const gone = sandbox.push(remote, { a: '1' }, 'a');
    expect(await refs({}, gone)).toEqual([gone]);
    const work = sandbox.clone(remote, 'work');
    sandbox.git(work, 'reset', '--quiet', '--hard', 'HEAD~1');
    const other = sandbox.commit(work, { b: '1' }, 'b');
    sandbox.git(work, 'push', '--quiet', '--force', 'origin', 'main');
    expect(await refs({}, gone)).toEqual([other]);
  });

  it('starts again from the newest when the given version never was a commit', async () => {
    expect(await refs({}, 'f'.repeat(40))).toEqual([first()]);
    expect(await refs({}, '--all')).toEqual([first()]);
  });

  it('begins with a given short sha as it was given', async () => {
    const a = sandbox.push(remote, { a: '1' }, 'a');
    const short = first().slice(0, 8);
    expect(await refs({}, short)).toEqual([short, a]);
  });

  describe('of changed paths', () => {
    let [docs, code, both] = ['', '', ''];
    beforeEach(() => {
      docs = sandbox.push(remote, { 'docs/a.md': '1' }, 'docs');
      code = sandbox.push(remote, { 'src/deep/a.ts': '1' }, 'code');
      both = sandbox.push(remote, { 'docs/a.md': '2', 'src/deep/a.ts': '2' }, 'both');
    });
    it.each([
      ['paths', { paths: ['docs'] }, () => [docs, both]],
      ['paths with a glob', { paths: ['src/*.ts'] }, () => [code, both]],
      ['ignore_paths', { ignore_paths: ['docs/*'] }, () => [code, both]],
      ['paths and ignore_paths', { paths: ['docs', 'src'], ignore_paths: ['src/deep/*'] }, () => [docs, both]],
      ['git magic in both', { paths: [':(icase)DOCS'], ignore_paths: [':(glob)docs/**'] }, () => []],
    ])('%s', async (_title, more, expected) => {
      expect(await refs(more, first())).toEqual([first(), ...expected()]);
    });
  });

  it('finds nothing when no commit matches', async () => {
    expect(await refs({ paths: ['nowhere'] })).toEqual([]);
  });

  it.each([
    [{}, ['plain', 'feat: x', 'fix: y', 'feat: y']],
    [{ disable_ci_skip: true }, ['plain', 'no build [ci skip]', 'neither [skip ci]', 'feat: x', 'fix: y', 'feat: y']],
    [{ commit_filter: { include: ['^feat'] } }, ['feat: x', 'feat: y']],
    [{ commit_filter: { include: ['feat', 'y'] } }, ['feat: x', 'fix: y', 'feat: y']],
    [{ commit_filter: { include: ['feat', 'y'], include_all_match: true } }, ['feat: y']],
    [{ commit_filter: { exclude: ['feat', 'y'] } }, ['plain']],
    [{ commit_filter: { exclude: ['feat', 'y'], exclude_all_match: true } }, ['plain', 'feat: x', 'fix: y']],
    [{ commit_filter: { include: ['y'], exclude: ['fix'] } }, ['feat: y']],
  ])('chooses commits by their message: %j', async (more, expected) => {
    const start = first();
    const work = sandbox.clone(remote, 'work');
    const messages = ['plain', 'no build [ci skip]', 'neither [skip ci]', 'feat: x', 'fix: y', 'feat: y'];
    const named = new Map(messages.map((message) => [sandbox.commit(work, {}, message), message]));
    sandbox.git(work, 'push', '--quiet', 'origin', 'main');
    const found = await refs(more, start);
    expect(found.slice(1).map((ref) => named.get(ref ?? ''))).toEqual(expected);
  });

  describe('of tags', () => {
    beforeEach(() => {
      const work = sandbox.clone(remote, 'work');
      for (const [index, name] of ['v1.0.0', 'other', 'v1.9.0', 'v1.10.0'].entries()) {
        sandbox.commit(work, { n: name }, name);
        sandbox.git(work, '-c', `user.name=T`, 'tag', ...(index % 2 ? ['-a', '-m', name] : []), name);
      }
      sandbox.git(work, 'push', '--quiet', 'origin', 'main', '--tags');
      sandbox.git(work, 'checkout', '--quiet', '-b', 'side');
      sandbox.commit(work, { n: 'side' }, 'side');
      sandbox.git(work, 'tag', 'v2.0.0');
      sandbox.git(work, 'push', '--quiet', 'origin', 'v2.0.0');
    });

    it('finds the newest at first, then all that are newer than the given one', async () => {
      expect(await refs({ tag_filter: 'v*' })).toEqual(['v1.10.0']);
      expect(await refs({ tag_filter: 'v*' }, 'v1.0.0')).toEqual(['v1.0.0', 'v1.9.0', 'v1.10.0']);
      expect(await refs({ tag_filter: 'v*' }, 'v0.0.0')).toEqual(['v1.10.0']);
    });

    it('finds tags of every branch when no branch is named', async () => {
      expect(await refs({ tag_filter: 'v*', branch: undefined }, 'v1.10.0')).toEqual(['v1.10.0', 'v2.0.0']);
    });

    it('matches a regular expression with the whole name', async () => {
      expect(await refs({ tag_regex: 'v1\\.\\d\\.0' }, 'v1.0.0')).toEqual(['v1.0.0', 'v1.9.0']);
    });

    it('stops a regular expression that does not end', async () => {
      sandbox.git(remote, 'tag', `v${'a'.repeat(60)}!`, 'main');
      await expect(refs({ tag_regex: 'v(a+)+' })).rejects.toThrow('tag_regex takes too long');
    });

    it('fetches only when tags have changed, and forgets deleted ones', async () => {
      expect(await refs({ tag_filter: 'v*' })).toEqual(['v1.10.0']);
      expect(await refs({ tag_filter: 'v*' })).toEqual(['v1.10.0']);
      expect(fetches()).toBe(1);
      sandbox.git(remote, 'tag', '-d', 'v1.10.0');
      expect(await refs({ tag_filter: 'v*' })).toEqual(['v1.9.0']);
    });
  });

  it('says which branch is missing', async () => {
    await expect(check({ branch: 'mian' })).rejects.toMatchObject({
      name: 'ResourceFailure',
      message: `there is no branch 'mian' in ${remote}`,
    });
  });

  it('says why a repository cannot be read', async () => {
    await expect(check({ uri: join(sandbox.dir, 'gone') })).rejects.toMatchObject({
      name: 'ResourceFailure',
      message: expect.stringMatching(/^git ls-remote failed: fatal: .*gone/),
    });
  });

  it('does not mistake a branch whose name ends alike', async () => {
    sandbox.git(remote, 'update-ref', 'refs/heads/x/refs/heads/main', first());
    const a = sandbox.push(remote, { a: '1' }, 'a');
    expect(await refs()).toEqual([a]);
  });

  it('uses the cache from several checks at once', async () => {
    sandbox.push(remote, { a: '1' }, 'a');
    const b = sandbox.push(remote, { b: '1' }, 'b');
    const all = await Promise.all(Array.from({ length: 8 }, () => refs({}, first())));
    expect(new Set(all.map(String)).size).toBe(1);
    expect(all[0]?.at(-1)).toBe(b);
    expect(fetches()).toBe(1);
  });

  it('mends a cache that a killed fetch or a full disk has left behind', async () => {
    await refs();
    const cache = join(context.cacheDir, 'history.git');
    writeFileSync(join(cache, 'refs', 'weir', 'tip.lock'), '');
    const a = sandbox.push(remote, { a: '1' }, 'a');
    expect(await refs({}, first())).toEqual([first(), a]);
    rmSync(join(cache, 'objects'), { recursive: true });
    sandbox.push(remote, { b: '1' }, 'b');
    expect(await refs({}, first())).toHaveLength(3);
    writeFileSync(join(cache, 'config'), 'broken');
    sandbox.push(remote, { c: '1' }, 'c');
    expect(await refs({}, first())).toHaveLength(4);
  });

  it('begins anew when the address of the source is another', async () => {
    await refs();
    const other = sandbox.remote('other.git');
    const tip = sandbox.push(other, { a: '1' }, 'only there');
    expect(await refs({ uri: other })).toEqual([tip]);
  });

  it('does not run what a configuration of the machine or of the repository names', async () => {
    const mark = join(sandbox.dir, 'was-run');
    appendFileSync(
      join(remote, 'config'),
      `[core]\n\tfsmonitor = touch ${mark}\n[uploadpack]\n\tpackObjectsHook = touch ${mark}; exec\n`,
    );
    sandbox.push(remote, { a: '1' }, 'a');
    await refs({}, first());
    expect(() => readFileSync(mark)).toThrow('ENOENT');
  });

  it('can be aborted while a remote prints without end', async () => {
    let markRead = () => {};
    const isRead = new Promise<void>((resolve) => (markRead = resolve));
    const flood = createServer((socket) => {
      socket.on('error', () => undefined);
      // Valid packets of the git protocol: one reference after the other.
      const line = `${'a'.repeat(40)} refs/heads/${'x'.repeat(60_000)}\n`;
      const packet = (line.length + 4).toString(16).padStart(4, '0') + line;
      const pump = () => {
        while (!socket.destroyed && socket.write(packet));
        if (socket.bytesWritten > 1_000_000) markRead();
      };
      socket.on('drain', pump);
      socket.once('data', pump);
    });
    await new Promise<void>((resolve) => flood.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = flood.address() as { port: number };
      const stop = new AbortController();
      context = stepContext(context.cacheDir, { signal: stop.signal });
      const checking = check({ uri: `git://127.0.0.1:${port}/x` }).then(
        () => undefined,
        (error: unknown) => error,
      );
      await isRead;
      stop.abort(new Error('deadline'));
      expect(await checking).toMatchObject({ message: 'deadline' });
    } finally {
      flood.close();
    }
  });
});

describe('git check over git://', () => {
  let daemon: ChildProcess | undefined;
  afterEach(() => {
    if (daemon?.pid !== undefined) process.kill(-daemon.pid, 'SIGKILL');
  });

  it('works without filters of the server, and only asks for references while they stand still', async () => {
    const port = await freePort();
    daemon = spawn(
      'git',
      ['daemon', '--export-all', '--listen=127.0.0.1', `--port=${port}`, `--base-path=${sandbox.dir}`, '--reuseaddr'],
      { stdio: 'ignore', detached: true, env: { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null' } },
    );
    const source = { uri: `git://127.0.0.1:${port}/remote.git` };
    await eventually('the daemon answers', () =>
      refs(source).then(
        () => true,
        () => false,
      ),
    );
    const a = sandbox.push(remote, { a: '1' }, 'a');
    expect(await refs({ ...source, paths: ['a'] }, first())).toEqual([first(), a]);
    for (let times = 0; times < 2; times++) await refs({ ...source, paths: ['a'] }, first());
    const before = context.text().length;
    expect(await refs({ ...source, paths: ['a'] }, first())).toEqual([first(), a]);
    expect(context.text().slice(before)).toMatch(/^\+ git ls-remote .*\n$/);
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
