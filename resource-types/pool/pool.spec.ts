import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from '@jest/globals';
import { StepInterrupted, type StepContext } from '../../src/resources/contract.js';
import { parseInput } from '../../src/resources/parse-input.js';
import { GitSandbox, silentServer } from '../../test/support/git-sandbox.js';
import { eventually } from '../../test/support/processes.js';
import { describeResourceTypeContract, stepContext } from '../../test/support/resource-type-contract.js';
import { pool } from './index.js';

const sandbox = new GitSandbox();
afterAll(() => sandbox.remove());
let count = 0;
let remote: string;

/** A repository with a pool `aws`. */
function makePool(locks: Record<string, string>): string {
  const bare = sandbox.remote(`remote-${++count}.git`);
  const files = Object.fromEntries(Object.entries(locks).map(([path, text]) => [`aws/${path}`, text]));
  sandbox.push(bare, { 'aws/claimed/.gitkeep': '', 'aws/unclaimed/.gitkeep': '', ...files }, 'pool');
  return bare;
}

const sourceOf = (more: Record<string, unknown> = {}) => ({
  uri: `file://${remote}`,
  branch: 'main',
  pool: 'aws',
  retry_delay: '50ms',
  ...more,
});

describeResourceTypeContract({
  type: pool,
  source: async () => {
    remote = makePool({ 'unclaimed/a': 'text of a' });
    return sourceOf();
  },
  advance: async () => void sandbox.push(remote, { [`aws/unclaimed/new-${++count}`]: 'x' }, 'by hand'),
  preparePut: async (dir) => {
    folder(dir, 'lock', { name: 'fresh\n', metadata: 'm' });
    return { add: 'lock' };
  },
  hang: async () => {
    const server = await silentServer();
    let isConnected = false;
    void server.connected.then(() => (isConnected = true));
    const marker = `127.0.0.1:${server.port}`;
    return {
      source: sourceOf({ uri: `http://${marker}/x.git` }),
      marker,
      isStarted: () => isConnected,
      close: () => server.close(),
    };
  },
});

function folder(dir: string, name: string, files: Record<string, string>): void {
  mkdirSync(join(dir, name), { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(dir, name, file), text);
}

describe('pool', () => {
  let dir: string;
  beforeEach(() => {
    dir = sandbox.folder('put-');
  });
  /** A step with a cache of its own, as on another server. */
  const step = (more: Partial<StepContext> = {}) => ({ ...stepContext(sandbox.folder('cache-')), ...more });
  const put = (params: Record<string, unknown>, context: StepContext = step()) =>
    pool.put(context, {
      source: parseInput(pool.schema.source, sourceOf(), 'source'),
      params: parseInput(pool.schema.putParams, params, 'params'),
      dir,
    });
  const get = async (version: Record<string, string>, name: string) => {
    mkdirSync(join(dir, name), { recursive: true });
    const source = parseInput(pool.schema.source, sourceOf(), 'source');
    await pool.get(step(), { source, params: {}, version, dir: join(dir, name) });
  };
  const locks = () =>
    sandbox
      .git(remote, 'ls-tree', '-r', '--name-only', 'main', 'aws/')
      .split('\n')
      .filter((path) => !path.endsWith('.gitkeep'))
      .map((path) => path.slice('aws/'.length));
  const commits = () => Number(sandbox.git(remote, 'rev-list', '--count', 'main'));

  it('claims a named lock, gives its files, and releases it', async () => {
    remote = makePool({ 'unclaimed/a': 'text of a', 'unclaimed/b': 'b' });
    const { version, metadata } = await put({ claim: 'a' });
    expect(metadata).toContainEqual({ name: 'lock_name', value: 'a' });
    expect(locks()).toEqual(['claimed/a', 'unclaimed/b']);
    await get(version, 'mine');
    expect(readFileSync(join(dir, 'mine', 'name'), 'utf8')).toBe('a\n');
    expect(readFileSync(join(dir, 'mine', 'metadata'), 'utf8')).toBe('text of a');
    await put({ release: 'mine' });
    expect(locks()).toEqual(['unclaimed/a', 'unclaimed/b']);
  });

  it('gives every one of many claimers at once a lock of its own', async () => {
    remote = makePool({ 'unclaimed/a': '', 'unclaimed/b': '', 'unclaimed/c': '' });
    const results = await Promise.all([1, 2, 3].map(() => put({ acquire: true })));
    expect(results.map(({ metadata }) => metadata[0]?.value).toSorted()).toEqual(['a', 'b', 'c']);
    expect(locks()).toEqual(['claimed/a', 'claimed/b', 'claimed/c']);
  });

  it('waits for a lock, says who holds it, and takes it when it is free', async () => {
    remote = makePool({ 'unclaimed/a': '' });
    const env = { BUILD_TEAM_NAME: 'main', BUILD_PIPELINE_NAME: 'app', BUILD_JOB_NAME: 'deploy', BUILD_NAME: '7' };
    const first = await put({ acquire: true }, step({ env }));
    const context = stepContext(sandbox.folder('cache-'));
    const waiting = put({ acquire: true }, context);
    await eventually('it waits', () => context.text().includes('a is held by main/app/deploy #7 since 20'), 15_000);
    await get(first.version, 'mine');
    await put({ release: 'mine' });
    expect((await waiting).metadata).toContainEqual({ name: 'lock_name', value: 'a' });
    expect(context.text().match(/waiting/g)).toHaveLength(1);
  });

  it('stops waiting when it is aborted, and has claimed nothing', async () => {
    remote = makePool({ 'claimed/a': '' });
    const stop = new AbortController();
    const context = { ...stepContext(sandbox.folder('cache-')), signal: stop.signal };
    const waiting = put({ claim: 'a' }, context);
    await eventually('it waits', () => context.text().includes('waiting: a is not free'), 15_000);
    stop.abort(new StepInterrupted());
    await expect(waiting).rejects.toThrow(/interrupted|abort/);
    expect(locks()).toEqual(['claimed/a']);
  });

  it('finds its claim again when the step is repeated after a crash', async () => {
    remote = makePool({ 'unclaimed/a': '', 'unclaimed/b': '' });
    const first = await put({ acquire: true }, step({ stepId: 'b1-s1-x' }));
    const before = commits();
    expect(await put({ acquire: true }, step({ stepId: 'b1-s1-x' }))).toEqual(first);
    expect(commits()).toBe(before);
    await put({ acquire: true }, step({ stepId: 'b1-s1' }));
    expect(locks()).toEqual(['claimed/a', 'claimed/b']);
  });

  it('does not take a claim for its own that was released meanwhile', async () => {
    remote = makePool({ 'unclaimed/a': '' });
    const first = await put({ claim: 'a' }, step({ stepId: 'b2-s1-x' }));
    await get(first.version, 'mine');
    const released = await put({ release: 'mine' }, step({ stepId: 'b2-s2-x' }));
    expect(await put({ release: 'mine' }, step({ stepId: 'b2-s2-x' }))).toEqual(released);
    const again = await put({ claim: 'a' }, step({ stepId: 'b2-s1-x' }));
    expect(again.version).not.toEqual(first.version);
    await expect(put({ release: 'mine' })).rejects.toThrow(/^not ours: a is held by/);
  });

  it('gives a lock back that was claimed while the step was being aborted', async () => {
    remote = makePool({ 'unclaimed/a': '' });
    const stop = new AbortController();
    // The hook of the remote runs in the middle of our push.
    const mark = join(sandbox.dir, `pushed-${count}`);
    const hook = `#!/bin/sh\n[ -e ${mark} ] || { touch ${mark}; while [ ! -e ${mark}.go ]; do sleep 0.05; done; }\n`;
    writeFileSync(join(remote, 'hooks', 'pre-receive'), hook, { mode: 0o755 });
    const context = { ...stepContext(sandbox.folder('cache-')), signal: stop.signal };
    const claiming = put({ claim: 'a' }, context);
    await eventually('the push has begun', () => existsMark(mark), 15_000);
    stop.abort(new StepInterrupted());
    writeFileSync(`${mark}.go`, '');
    await expect(claiming).rejects.toThrow('interrupted');
    expect(locks()).toEqual(['unclaimed/a']);
    expect(sandbox.git(remote, 'log', '-2', '--format=%s', 'main')).toBe('unclaiming: a (interrupted)\nclaiming: a');
    expect(context.text()).toContain('a was given back');
  });

  it('adds, updates and removes locks', async () => {
    remote = makePool({});
    folder(dir, 'lock', { name: 'x', metadata: '1' });
    await put({ add: 'lock' });
    expect(locks()).toEqual(['unclaimed/x']);
    folder(dir, 'lock', { name: 'x', metadata: '2' });
    await expect(put({ add: 'lock' })).rejects.toThrow('there is a lock x already: use update to change it');
    await put({ update: 'lock' });
    expect(sandbox.git(remote, 'show', 'main:aws/unclaimed/x')).toBe('2');
    await expect(put({ remove: 'lock' })).rejects.toThrow('x is not claimed');
    folder(dir, 'held', { name: 'y', metadata: '' });
    const { version } = await put({ add_claimed: 'held' });
    expect(locks()).toEqual(['claimed/y', 'unclaimed/x']);
    await put({ check: 'x' });
    expect((await put({ check_unclaimed: 'y' })).version).toEqual(version);
    await put({ remove: 'held' });
    expect(locks()).toEqual(['unclaimed/x']);
    await expect(put({ claim: 'z' })).rejects.toThrow('there is no lock z in the pool; there are x');
  });

  it.each([
    ['no commit', (ref: string) => writeFileSync(ref, 'HEAD\n'), /^mine\/ref holds no commit: "HEAD"/],
    ['a folder', (ref: string) => mkdirSync(ref), /^ref: 'mine\/ref' is not a file/],
    ['a link to nothing', (ref: string) => symlinkSync('nowhere', ref), /^ref 'mine\/ref' does not exist/],
  ])('does not let go of a lock whose ref is %s', async (_title, spoil, message) => {
    remote = makePool({ 'unclaimed/a': '' });
    await get((await put({ claim: 'a' })).version, 'mine');
    rmSync(join(dir, 'mine', 'ref'));
    spoil(join(dir, 'mine', 'ref'));
    for (const params of [{ release: 'mine' }, { remove: 'mine' }]) await expect(put(params)).rejects.toThrow(message);
    expect(locks()).toEqual(['claimed/a']);
  });

  it('fails with the words of the remote when it refuses the push', async () => {
    remote = makePool({ 'unclaimed/a': '' });
    writeFileSync(join(remote, 'hooks', 'pre-receive'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    await expect(put({ acquire: true })).rejects.toThrow(/^push failed: .*pre-receive hook declined/);
  });

  it.each([
    [{}, 'params: needs one of acquire, claim, release'],
    [{ acquire: true, claim: 'a' }, 'not several'],
    [{ claim: '../a' }, 'params: claim: must be the name of a lock'],
  ])('refuses params %j', (value, message) => {
    expect(() => parseInput(pool.schema.putParams, value, 'params')).toThrow(message);
  });

  it.each([
    [{ pool: '../x' }, 'source: pool: must be a folder'],
    [{ branch: undefined }, 'source: branch: is missing'],
    [{ retry_delay: 'soon' }, 'source: retry_delay: is not a duration'],
    [{ https_tunnel: {} }, 'source: https_tunnel.proxy_host: is missing'],
  ])('refuses a source with %j', (more, message) => {
    remote ??= '/nowhere';
    expect(() => parseInput(pool.schema.source, sourceOf(more), 'source')).toThrow(message);
  });
});

function existsMark(path: string): boolean {
  try {
    readFileSync(path);
    return true;
  } catch {
    return false;
  }
}
