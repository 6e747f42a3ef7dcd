import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { DirectoryArtifactStore } from '../../src/runtime/index.js';
import { sh } from '../support/host-machine.js';

let dataDir: string;
let store: DirectoryArtifactStore;
beforeAll(async () => {
  dataDir = await mkdtemp(path.join(os.tmpdir(), 'weir-artifacts-'));
  store = new DirectoryArtifactStore(dataDir);
});
afterAll(() => rm(dataDir, { recursive: true }));

const inStore = (): Promise<string[]> => readdir(path.join(dataDir, 'artifacts'));
const withFile = (content: string) => (dir: string) => writeFile(path.join(dir, 'file'), content);

describe('making an artifact', () => {
  it('is done once for an id', async () => {
    const ref = await store.create('once', withFile('first'));
    expect(await store.create('once', withFile('second'))).toEqual(ref);
    expect((await store.readFile(ref, 'file')).toString()).toBe('first');
  });

  it('leaves one whole artifact when many make it at the same time', async () => {
    const refs = await Promise.all(
      Array.from({ length: 8 }, (_, i) => new DirectoryArtifactStore(dataDir).create('raced', withFile(String(i)))),
    );
    expect(new Set(refs.map(({ id }) => id))).toEqual(new Set(['raced']));
    expect((await store.readFile({ id: 'raced' }, 'file')).toString()).toMatch(/^[0-7]$/);
    expect((await inStore()).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('leaves nothing when filling it fails', async () => {
    const failing = store.create('failed', async (dir) => {
      await withFile('half')(dir);
      throw new Error('no luck');
    });
    await expect(failing).rejects.toThrow('no luck');
    expect(await store.exists({ id: 'failed' })).toBe(false);
    expect((await inStore()).filter((name) => name.startsWith('.') || name === 'failed')).toEqual([]);
  });

  it('from a folder goes on after a crash in the middle', async () => {
    const dir = path.join(dataDir, 'work');
    await mkdir(dir);
    await withFile('x')(dir);
    await mkdir(path.join(dataDir, 'artifacts', 'adopted')); // as far as the crashed one came
    expect(await store.exists({ id: 'adopted' })).toBe(false);
    await store.adopt('adopted', dir);
    await store.adopt('adopted', dir);
    expect((await store.readFile({ id: 'adopted' }, 'file')).toString()).toBe('x');
  });

  it.each(['', '.hidden', '../up', 'a/b', 'x'.repeat(300)])('is refused with the id %j', async (id) => {
    await expect(store.create(id, withFile('x'))).rejects.toMatchObject({ code: 'invalid-artifact-id' });
  });
});

describe('reading a file', () => {
  beforeAll(async () => {
    await store.create('links', (dir) =>
      sh(
        `mkdir sub; echo in >sub/in; ln -s sub/in inside; ln -s /etc/passwd outside; ln -s ../../.. up; ln -s loop loop; mkfifo pipe`,
        dir,
      ),
    );
  });

  it('follows links inside the artifact', async () => {
    expect((await store.readFile({ id: 'links' }, 'inside')).toString()).toBe('in\n');
    expect((await store.readFile({ id: 'links' }, './sub/../sub/in')).toString()).toBe('in\n');
  });

  it.each([
    'outside',
    'up/artifacts/once/tree/file',
    '../../once/tree/file',
    '/etc/passwd',
    'loop',
    'sub',
    'pipe',
    'missing',
    '',
    'inside/x',
    'a\0b',
  ])('refuses %j with the names of artifact and path', async (file) => {
    await expect(store.readFile({ id: 'links' }, file)).rejects.toMatchObject({
      code: 'file-not-found',
      message: expect.stringContaining(`"${file}" in artifact "links"`),
    });
  });

  it('refuses an artifact that is not there', async () => {
    await expect(store.readFile({ id: 'nothing' }, 'x')).rejects.toMatchObject({
      code: 'not-found',
      message: expect.stringContaining('nothing'),
    });
  });
});

describe('an artifact', () => {
  it('is copied to a folder that must not exist', async () => {
    const ref = await store.create('copied', withFile('x'));
    const copy = path.join(dataDir, 'copy');
    await store.copyTo(ref, copy);
    await withFile('changed')(copy);
    expect((await store.readFile(ref, 'file')).toString()).toBe('x');
    await expect(store.copyTo(ref, copy)).rejects.toMatchObject({ code: 'EEXIST' });
  });

  it('is read as a tar', async () => {
    const ref = await store.create('packed', (dir) =>
      sh('mkdir -p a/empty; head -c 3000000 /dev/urandom >a/big; ln -s a/big link', dir),
    );
    const target = path.join(dataDir, 'unpacked');
    await mkdir(target);
    const tar = spawn('tar', ['-C', target, '-xf', '-'], { stdio: ['pipe', 'ignore', 'inherit'] });
    const closed = new Promise((resolve) => tar.on('close', resolve));
    (await store.read(ref)).pipe(tar.stdin);
    expect(await closed).toBe(0);
    expect((await readFile(path.join(target, 'link'))).equals(await store.readFile(ref, 'a/big'))).toBe(true);
    expect(await readdir(path.join(target, 'a'))).toEqual(['big', 'empty']);
  });

  it('may be left in the middle of its tar', async () => {
    const ref = await store.create('left', (dir) => sh('head -c 3000000 /dev/zero >big', dir));
    const stream = await store.read(ref);
    for await (const _ of stream) break;
    expect(stream.destroyed).toBe(true);
  });

  it('is listed with its time until it is removed', async () => {
    const ref = await store.create('listed', withFile('x'));
    const found = (await store.list()).find(({ ref: { id } }) => id === 'listed');
    expect(Math.abs(Date.now() - found!.createdAt.getTime())).toBeLessThan(60_000);
    await store.remove(ref);
    await store.remove(ref);
    expect((await store.list()).some(({ ref: { id } }) => id === 'listed')).toBe(false);
    await expect(store.copyTo(ref, path.join(dataDir, 'x'))).rejects.toMatchObject({ code: 'not-found' });
  });

  it('that a crash left half made or half removed is cleared away', async () => {
    await mkdir(path.join(dataDir, 'artifacts', '.new-1-1-x', 'tree'), { recursive: true });
    await mkdir(path.join(dataDir, 'artifacts', '.gone-x', 'tree'), { recursive: true });
    await store.list();
    expect((await inStore()).filter((name) => name.startsWith('.'))).toEqual([]);
  });
});
