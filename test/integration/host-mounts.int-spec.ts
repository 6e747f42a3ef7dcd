import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Mount } from '../../src/runtime/index.js';
import { openHostMachine, type HostMachine } from '../support/host-machine.js';

let m: HostMachine;
beforeAll(async () => {
  m = await openHostMachine();
});
afterAll(() => m.close());

const output = (name: string, at = name): Mount => ({ path: at, source: { output: name } });
const cache = (key: string, at = 'cache'): Mount => ({ path: at, source: { cache: key } });
/** Runs a script to its end, fails when it fails, and returns its handle. */
async function run(script: string, mounts: readonly Mount[]): Promise<string> {
  const handle = await m.start(script, { mounts });
  const state = await m.wait(handle);
  if (state.exit?.code !== 0) throw new Error(`${JSON.stringify(state)}: ${await m.logOf(handle)}`);
  return handle;
}
/** Everything that makes up a tree, one line per file. */
const describeTree = (dir: string): string =>
  execFileSync('sh', ['-c', 'find . -printf "%P %y %m %l %T@ %s\\n" | sort'], { cwd: dir, encoding: 'utf8' });
const onLinux = process.platform === 'linux' ? it : it.skip;
if (process.platform !== 'linux') console.warn('SKIPPED: comparing whole trees needs the find of GNU');

describe('a tree that goes from step to step', () => {
  onLinux('keeps modes, links, times, empty folders, long and foreign names', async () => {
    const long = 'n'.repeat(255);
    const handle = await run(
      `cd tree
       mkdir -p empty deep/$(printf 'd%.0s' $(seq 200))/er && touch ${long} 'ünïcödé 日本語 🚀' 'new
line' ' space ' ./-dash "quo'te"
       echo run >script && chmod 755 script && echo ro >readonly && chmod 400 readonly
       mkdir closed && echo x >closed/file && chmod 555 closed
       ln -s script link && ln -s /nowhere/at/all broken && ln -s ../.. up
       touch -d '2001-02-03 04:05:06' old empty`,
      [output('tree')],
    );
    const before = describeTree(m.stepFile(handle, 'work/tree'));
    expect(before.split('\n').length).toBe(21);
    const ref = await m.runtime.sealOutput(handle, 'tree');
    await m.runtime.remove(handle);
    const next = await run('echo changed >input/old', [{ path: 'input', source: { artifact: ref } }]);
    const plain = (tree: string): string => tree.replace(/^(old .*)$/m, 'old');
    expect(plain(describeTree(m.stepFile(next, 'work/input')))).toBe(plain(before));
    const again = await run('true', [{ path: 'input', source: { artifact: ref } }]);
    expect(describeTree(m.stepFile(again, 'work/input'))).toBe(before);
    // Folders that nobody may write to do not stand in the way of removal.
    await m.runtime.remove(next);
    await m.artifacts.remove(ref);
    expect(await m.artifacts.exists(ref)).toBe(false);
  });
});

describe('mounts', () => {
  it('stand inside each other, whatever their order in the spec', async () => {
    const outer = await m.artifact('outer', 'mkdir -p sub/inner; echo outer >file; echo hidden >sub/inner/hidden');
    const inner = await m.artifact('inner', 'echo inner >file');
    const handle = await run('cat file sub/inner/file; ls sub/inner', [
      { path: './sub//inner/', source: { artifact: inner } },
      { path: '.', source: { artifact: outer } },
    ]);
    expect(await m.logOf(handle)).toBe('outer\ninner\nfile\n');
  });

  it('cannot leave the working folder by its path', async () => {
    const handle = await run('ls', [output('out', '../../out')]);
    expect(await m.logOf(handle)).toBe('out\n');
  });

  it('cannot leave the working folder by a link of an input', async () => {
    const target = path.join(m.dataDir, 'outside');
    await mkdir(target);
    await writeFile(path.join(target, 'precious'), 'x');
    const trap = await m.artifact('trap', `ln -s '${target}' out`);
    const spec = m.spec('true', { mounts: [{ path: '.', source: { artifact: trap } }, output('o', 'out/deeper')] });
    await expect(m.runtime.start(spec)).rejects.toMatchObject({
      code: 'bad-mount',
      message: expect.stringContaining('"out"'),
    });
    const over = await run('ls -d out/', [{ path: '.', source: { artifact: trap } }, output('out')]);
    expect(await readdir(target)).toEqual(['precious']);
    expect(await readdir(m.stepFile(over, 'work/out'))).toEqual([]);
  });

  it('of an artifact that is gone are refused, and nothing is left behind', async () => {
    const before = await readdir(path.join(m.dataDir, 'steps'));
    const spec = m.spec('true', { mounts: [{ path: 'in', source: { artifact: { id: 'never-made' } } }] });
    await expect(m.runtime.start(spec)).rejects.toMatchObject({
      code: 'not-found',
      message: expect.stringContaining('never-made'),
    });
    expect(await readdir(path.join(m.dataDir, 'steps'))).toEqual(before);
  });

  onLinux('of a file have the asked mode, and are for nobody else without one', async () => {
    const file = Buffer.from('#!/bin/sh\necho ran\n');
    const handle = await run('./run; stat -c %a run secret', [
      { path: 'run', source: { file, mode: 0o755 } },
      { path: 'secret', source: { file } },
    ]);
    expect(await m.logOf(handle)).toBe('ran\n755\n600\n');
  });
});

describe('an output', () => {
  it('that overlaps with another one is in both artifacts', async () => {
    const handle = await run('echo a >all/file; echo b >all/part/file', [output('all'), output('part', 'all/part')]);
    const [all, part] = [await m.runtime.sealOutput(handle, 'all'), await m.runtime.sealOutput(handle, 'part')];
    expect((await m.artifacts.readFile(all, 'part/file')).toString()).toBe('b\n');
    expect((await m.artifacts.readFile(part, 'file')).toString()).toBe('b\n');
  });

  it.each([
    ['removed it', 'rm -r out'],
    ['put a link in its place', 'rm -r out; ln -s /etc out'],
    ['put a file in its place', 'rm -r out; echo x >out'],
    ['put a link in the place of its parent', 'mv deep elsewhere; ln -s elsewhere deep', 'deep/out'],
  ])('is refused when the step %s', async (_what, script, at = 'out') => {
    const handle = await run(script, [output('out', at)]);
    await expect(m.runtime.sealOutput(handle, 'out')).rejects.toMatchObject({ code: 'output-missing' });
  });

  it('may be a read-only folder', async () => {
    const handle = await run('echo x >out/file; chmod 555 out', [output('out')]);
    const ref = await m.runtime.sealOutput(handle, 'out');
    await m.runtime.remove(handle);
    expect((await m.artifacts.readFile(ref, 'file')).toString()).toBe('x\n');
    await run('cat in/file', [{ path: 'in', source: { artifact: ref } }]);
  });
});

describe('a cache', () => {
  const used = async (script: string, key: string): Promise<string> => {
    const handle = await m.start(script, { mounts: [cache(key)] });
    await m.wait(handle);
    const said = await m.logOf(handle);
    await m.runtime.remove(handle);
    return said;
  };

  it('is gone when its key is', async () => {
    await used('echo x >cache/a', 'alive');
    await used('echo x >cache/b', 'dead');
    await m.runtime.sweepCaches(() => Promise.resolve(['alive']));
    expect(await used('ls cache', 'alive')).toBe('a\n');
    expect(await used('ls cache', 'dead')).toBe('');
  });

  it('keeps its content for the next step with the same key, also when the step failed', async () => {
    expect(await used('ls cache; echo one >cache/a; exit 1', 'team/job')).toBe('');
    expect(await used('ls cache; echo two >cache/b', 'team/job')).toBe('a\n');
    expect(await used('ls cache', 'team/job')).toBe('a\nb\n');
    expect(await used('ls cache', 'team/other-job')).toBe('');
  });

  it('goes to the next step before the one that failed is removed, and is not brought back by that', async () => {
    const failed = await m.start('echo one >cache/a; exit 1', { mounts: [cache('early')] });
    await m.wait(failed);
    await m.runtime.returnCaches(failed);
    await m.runtime.returnCaches(failed); // as after a crash
    expect(await used('ls cache; echo two >cache/b', 'early')).toBe('a\n');
    const look = { argv: ['sh', '-c', 'touch cache/mine'], env: {} };
    expect(await (await m.runtime.exec(failed, look)).exit).toBe(0);
    await m.runtime.remove(failed);
    expect(await used('ls cache', 'early')).toBe('a\nb\n');
  });

  it('is empty for a second step at the same time, and the last one leaves its own', async () => {
    await used('echo x >cache/old', 'busy');
    const first = await m.start('ls cache; echo 1 >cache/first', { mounts: [cache('busy')] });
    const second = await m.start('ls cache; echo 2 >cache/second', { mounts: [cache('busy')] });
    await m.wait(first);
    await m.wait(second);
    expect([await m.logOf(first), await m.logOf(second)]).toEqual(['old\n', '']);
    await m.runtime.remove(first);
    await m.runtime.remove(second);
    expect(await used('ls cache', 'busy')).toBe('second\n');
  });

  it('is not kept from a step that was killed in the middle of its work', async () => {
    await used('echo x >cache/good', 'killed');
    const handle = await m.start('echo half >cache/half; exec sleep 600', { mounts: [cache('killed')] });
    await m.runtime.remove(handle);
    expect(await used('ls cache', 'killed')).toBe('');
  });

  it('comes back when the step could not be prepared', async () => {
    await used('echo x >cache/kept', 'unprepared');
    const mounts = [cache('unprepared'), { path: 'in', source: { artifact: { id: 'never-made' } } }];
    await expect(m.runtime.start(m.spec('true', { mounts }))).rejects.toThrow('never-made');
    expect(await used('ls cache', 'unprepared')).toBe('kept\n');
  });
});

describe('removal', () => {
  it('follows no link out of the step', async () => {
    const outside = path.join(m.dataDir, 'keep');
    await mkdir(outside);
    await writeFile(path.join(outside, 'file'), 'x');
    const handle = await run('mkdir closed; touch closed/x; chmod 500 closed', []);
    await symlink(outside, m.stepFile(handle, 'work/link'));
    await chmod(outside, 0o700);
    await m.runtime.remove(handle);
    expect(await readFile(path.join(outside, 'file'), 'utf8')).toBe('x');
  });

  it('is finished later when a crash came between', async () => {
    const steps = path.join(m.dataDir, 'steps');
    await mkdir(path.join(steps, '.gone-1234', 'x'), { recursive: true });
    await mkdir(path.join(steps, '.new-1-1-1234', 'x'), { recursive: true });
    await m.runtime.list({});
    expect((await readdir(steps)).filter((name) => name.startsWith('.'))).toEqual([]);
  });
});
