import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Version } from '../../src/resources/contract.js';
import { parseInput } from '../../src/resources/parse-input.js';
import { GitSandbox } from '../../test/support/git-sandbox.js';
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

const source = (more: Record<string, unknown>) => parseInput(git.schema.source, { uri: remote, ...more }, 'source');
const check = (more: Record<string, unknown>, version?: Version) =>
  git.check(context, { source: source(more), ...(version && { version }) });
const refs = async (more: Record<string, unknown>, from?: string) =>
  (await check(more, from === undefined ? undefined : { ref: from })).map((version) => version['ref']);

describe('version_type tags', () => {
  it('are all tags, or those of the branch', async () => {
    sandbox.git(remote, 'tag', 'v1', 'main');
    const work = sandbox.clone(remote, 'work');
    sandbox.git(work, 'checkout', '--quiet', '-b', 'side');
    sandbox.commit(work, {}, 'side');
    sandbox.git(work, 'tag', 'v2');
    sandbox.git(work, 'push', '--quiet', 'origin', 'v2');
    expect(await refs({ version_type: 'tags' }, 'v1')).toEqual(['v1', 'v2']);
    expect(await refs({ version_type: 'tags', branch: 'main' }, 'v1')).toEqual(['v1']);
    const dir = sandbox.folder();
    await git.get(context, { source: source({ version_type: 'tags' }), params: {}, version: { ref: 'v2' }, dir });
    expect(readFileSync(join(dir, '.git', 'ref'), 'utf8')).toBe('v2\n');
  });

  it('are filtered by the paths and messages of their commits', async () => {
    for (const [tag, file] of [
      ['v1', 'docs/a'],
      ['v2', 'src/a'],
      ['v3', 'docs/b'],
    ] as const) {
      sandbox.push(remote, { [file]: tag }, `for ${tag}`);
      sandbox.git(remote, '-c', 'user.name=T', 'tag', ...(tag === 'v3' ? ['-a', '-m', tag] : []), tag, 'main');
    }
    expect(await refs({ tag_filter: 'v*', paths: ['docs'] }, 'v1')).toEqual(['v1', 'v3']);
    expect(await refs({ tag_filter: 'v*', ignore_paths: ['docs/*'] }, 'v2')).toEqual(['v2']);
    expect(await refs({ version_type: 'tags', commit_filter: { exclude: ['v3'] } }, 'v1')).toEqual(['v1', 'v2']);
  });
});

describe('tag_behaviour match_tag_ancestors', () => {
  it('gives the commits up to the newest matching tag', async () => {
    const first = sandbox.git(remote, 'rev-parse', 'main');
    const more = { branch: 'main', tag_filter: 'v*', tag_behaviour: 'match_tag_ancestors' };
    const a = sandbox.push(remote, { a: '1' }, 'a');
    expect(await refs(more, first)).toEqual([first]);
    expect(await refs(more)).toEqual([]);
    sandbox.git(remote, 'tag', 'other', 'main');
    sandbox.git(remote, 'tag', 'v1', 'main');
    const b = sandbox.push(remote, { b: '1' }, 'b');
    expect(await refs(more, first)).toEqual([first, a]);
    expect(await refs(more)).toEqual([a]);
    sandbox.push(remote, { c: '1' }, 'c [ci skip]');
    sandbox.git(remote, 'tag', 'v2', 'main');
    expect(await refs(more, a)).toEqual([a, b]);
  });
});

describe('version_type branches', () => {
  it('is a version per set of branches, and gives their names', async () => {
    const branches = { version_type: 'branches' };
    const [first] = await check(branches);
    expect(first).toEqual({ branches: 'main', number: '1' });
    expect(await check(branches, first)).toEqual([first]);
    sandbox.push(remote, { a: '1' }, 'a commit changes nothing');
    expect(await check(branches, first)).toEqual([first]);
    sandbox.git(remote, 'branch', 'release/1,0', 'main');
    const [second] = await check(branches, first);
    expect(second).toEqual({ branches: 'main release/1,0', number: '2' });
    sandbox.git(remote, 'branch', '-D', 'release/1,0');
    expect(await check(branches, second)).toEqual([{ branches: 'main', number: '3' }]);
    const dir = sandbox.folder();
    await git.get(context, { source: source(branches), params: {}, version: second!, dir });
    expect(JSON.parse(readFileSync(join(dir, 'branches.json'), 'utf8'))).toEqual(['main', 'release/1,0']);
  });

  it('keeps to the branches that branch_regex matches as a whole', async () => {
    for (const name of ['release/1', 'release/2', 'x/release/1']) sandbox.git(remote, 'branch', name, 'main');
    const found = await check({ version_type: 'branches', branch_regex: 'release/.*' });
    expect(found).toEqual([{ branches: 'release/1 release/2', number: '1' }]);
  });

  it('is no place to put to', async () => {
    const put = git.put(context, {
      source: source({ version_type: 'branches' }),
      params: { repository: 'x' },
      dir: sandbox.folder(),
    });
    await expect(put).rejects.toThrow('version_type branches cannot be put to');
  });
});

describe('a commit that only another reference of the remote holds', () => {
  it.each(['0', '2'])('is got by its sha, with version %s of the protocol', async (version) => {
    const work = sandbox.clone(remote, 'work');
    const sha = sandbox.commit(work, { a: '1' }, 'a change');
    sandbox.git(work, 'push', '--quiet', 'origin', 'HEAD:refs/changes/01/1/1');
    const more = {
      branch: 'main',
      search_remote_refs: true,
      git_config: [{ name: 'protocol.version', value: version }],
    };
    const dir = sandbox.folder();
    const got = await git.get(context, { source: source(more), params: {}, version: { ref: sha }, dir });
    expect(got.metadata).toContainEqual({ name: 'commit', value: sha });
  });
});
