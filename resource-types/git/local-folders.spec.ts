import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { parseInput } from '../../src/resources/parse-input.js';
import { GitSandbox } from '../../test/support/git-sandbox.js';
import { openDoor, stepContext } from '../../test/support/resource-type-contract.js';
import { git } from './index.js';

let sandbox: GitSandbox;
let remote: string;
beforeEach(() => {
  sandbox = new GitSandbox();
  remote = sandbox.remote();
});
afterEach(() => sandbox.remove());

/** A server that opens `remote` and no other folder. */
const context = () =>
  stepContext(join(sandbox.dir, 'cache'), {
    server: {
      ...openDoor,
      opensEveryFolder: false,
      refusalOfFolder: async (path) => (path === remote ? undefined : `${path} is closed: --git-local-paths`),
    },
  });
const source = (uri: string, more: Record<string, unknown> = {}) =>
  parseInput(git.schema.source, { uri, branch: 'main', ...more }, 'source');

describe('a folder of the server that is closed to pipelines', () => {
  it.each(['check', 'get', 'put'] as const)('is refused by %s with the words of the server', async (action) => {
    const request = { source: source(`file://${sandbox.remote('other.git')}`), params: {}, version: { ref: 'x' } };
    const dir = sandbox.folder();
    const done =
      action === 'check'
        ? git.check(context(), request)
        : action === 'get'
          ? git.get(context(), { ...request, dir })
          : git.put(context(), { ...request, params: { repository: 'x' }, dir });
    await expect(done).rejects.toMatchObject({
      name: 'ResourceFailure',
      message: expect.stringMatching(/other\.git is closed: --git-local-paths/),
    });
  });

  it('is not read through an open one: by insteadOf or by a submodule', async () => {
    const other = sandbox.remote('other.git');
    const instead = { git_config: [{ name: `url.${other}.insteadOf`, value: remote }] };
    await expect(git.check(context(), { source: source(remote, instead) })).rejects.toThrow('git_config: url.…');

    const work = sandbox.clone(remote, 'work');
    sandbox.git(work, 'submodule', '--quiet', 'add', other, 'sub');
    const ref = sandbox.commit(work, {}, 'submodule');
    sandbox.git(work, 'push', '--quiet', 'origin', 'main');
    const get = (params: Record<string, unknown>) =>
      git.get(context(), {
        source: source(remote),
        params: parseInput(git.schema.getParams, params, 'params'),
        version: { ref },
        dir: sandbox.folder(),
      });
    await expect(get({})).rejects.toThrow(/transport 'file' not allowed/);
    expect((await get({ submodules: 'none' })).version).toEqual({ ref });
  });

  it('is no hindrance for open ones', async () => {
    expect(await git.check(context(), { source: source(remote) })).toHaveLength(1);
    expect(await git.check(context(), { source: source(`file://${remote}`) })).toHaveLength(1);
  });
});
