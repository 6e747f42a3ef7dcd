import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { pack, type Header } from 'tar-stream';
import { BadArchive, unpackTar, type UnpackLimits } from './unpack-tar.js';

let root: string;
let count = 0;
beforeAll(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), 'weir-unpack-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

type Entry = Partial<Header> & { readonly name: string; readonly content?: string };

async function tarOf(entries: readonly Entry[]): Promise<Buffer> {
  const archive = pack();
  for (const { content = '', ...header } of entries) archive.entry(header, content);
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function unpacked(bytes: Buffer, limits: UnpackLimits = { maxBytes: 1e9 }): Promise<string> {
  const dir = path.join(root, String(count++), 'in');
  await mkdir(dir, { recursive: true });
  await unpackTar(Readable.from([...pieces(bytes)]), dir, limits);
  return dir;
}

function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 700) yield bytes.subarray(at, at + 700);
}

describe('unpacking an archive', () => {
  it('keeps files, folders, links, modes and times, however it is compressed', async () => {
    const mtime = new Date('2020-02-03T04:05:06Z');
    const bytes = await tarOf([
      { name: './', type: 'directory', mode: 0o750 },
      { name: './run.sh', mode: 0o755, mtime, content: '#!/bin/sh\n' },
      { name: './a/', type: 'directory', mode: 0o500, mtime },
      { name: './a/b/deep', content: 'x'.repeat(100_000) },
      { name: './a/link', type: 'symlink', linkname: '../../outside' },
      { name: './hard', type: 'link', linkname: './run.sh' },
      { name: './empty/', type: 'directory' },
    ]);
    for (const form of [bytes, gzipSync(bytes)]) {
      const dir = await unpacked(form);
      expect(await readFile(path.join(dir, 'hard'), 'utf8')).toBe('#!/bin/sh\n');
      expect((await stat(path.join(dir, 'run.sh'))).mode & 0o777).toBe(0o755);
      expect((await stat(path.join(dir, 'run.sh'))).mtime).toEqual(mtime);
      expect((await stat(path.join(dir, 'a'))).mtime).toEqual(mtime);
      expect((await readFile(path.join(dir, 'a/b/deep'))).length).toBe(100_000);
      expect(await readlink(path.join(dir, 'a/link'))).toBe('../../outside');
      expect((await stat(path.join(dir, 'empty'))).isDirectory()).toBe(true);
    }
  });

  it('drops owners, set-user bits, devices and pipes', async () => {
    const dir = await unpacked(
      await tarOf([
        { name: 'su', mode: 0o6755, uid: 12345, content: 'x' },
        { name: 'pipe', type: 'fifo' },
        { name: 'disk', type: 'block-device', devmajor: 8, devminor: 0 },
      ]),
    );
    const { mode, uid } = await stat(path.join(dir, 'su'));
    expect([mode & 0o7777, uid]).toEqual([0o755, process.getuid?.()]);
    await expect(stat(path.join(dir, 'pipe'))).rejects.toThrow('ENOENT');
    await expect(stat(path.join(dir, 'disk'))).rejects.toThrow('ENOENT');
  });

  it.each<[string, readonly Entry[]]>([
    ['a path that climbs out', [{ name: '../evil', content: 'x' }]],
    ['a path that climbs out in its middle', [{ name: 'a/../../evil', content: 'x' }]],
    ['an absolute path', [{ name: '/tmp/evil', content: 'x' }]],
    [
      'a path through a link',
      [
        { name: 'out', type: 'symlink', linkname: '..' },
        { name: 'out/evil', content: 'x' },
      ],
    ],
    [
      'a folder over a link',
      [
        { name: 'out', type: 'symlink', linkname: '..' },
        { name: 'out/', type: 'directory' },
      ],
    ],
    [
      'a file over a link, which would write through it',
      [
        { name: 'evil', type: 'symlink', linkname: '../evil' },
        { name: 'evil', content: 'x' },
      ],
    ],
    ['a hard link to what is outside', [{ name: 'evil', type: 'link', linkname: '../secret' }]],
    ['a hard link to an absolute path', [{ name: 'evil', type: 'link', linkname: '/etc/passwd' }]],
    [
      'a hard link through a link',
      [
        { name: 'out', type: 'symlink', linkname: '..' },
        { name: 'evil', type: 'link', linkname: 'out/secret' },
      ],
    ],
    [
      'a hard link to a link',
      [
        { name: 'out', type: 'symlink', linkname: '../secret' },
        { name: 'evil', type: 'link', linkname: 'out' },
      ],
    ],
  ])('refuses %s', async (_, entries) => {
    const dir = path.join(root, String(count));
    await mkdir(dir);
    await writeFile(path.join(dir, 'secret'), 'secret');
    await expect(unpacked(await tarOf(entries))).rejects.toThrow(BadArchive);
    await expect(stat(path.join(dir, 'evil'))).rejects.toThrow('ENOENT');
  });

  it('refuses more bytes and entries than allowed, as they come', async () => {
    const bomb = gzipSync(await tarOf([{ name: 'zeros', content: '\0'.repeat(5_000_000) }]));
    expect(bomb.length).toBeLessThan(50_000);
    await expect(unpacked(bomb, { maxBytes: 1_000_000 })).rejects.toThrow('larger than 1000000 bytes');
    const many = await tarOf(Array.from({ length: 20 }, (_, i) => ({ name: `f${i}`, content: 'x' })));
    await expect(unpacked(many, { maxBytes: 1e9, maxEntries: 10 })).rejects.toThrow('too many entries');
  });

  it('refuses an archive that breaks off or is none', async () => {
    const bytes = await tarOf([{ name: 'f', content: 'x'.repeat(50_000) }]);
    await expect(unpacked(bytes.subarray(0, 20_000))).rejects.toThrow(BadArchive);
    await expect(unpacked(gzipSync(bytes).subarray(0, 60))).rejects.toThrow(BadArchive);
    await expect(unpacked(Buffer.from('no archive at all, but words'.repeat(100)))).rejects.toThrow(BadArchive);
  });

  it('passes on what breaks the source', async () => {
    const bytes = await tarOf([{ name: 'f', content: 'x'.repeat(50_000) }]);
    async function* broken(): AsyncGenerator<Buffer> {
      yield bytes.subarray(0, 10_000);
      await Promise.resolve();
      throw new Error('the client went away');
    }
    const dir = path.join(root, String(count++));
    await mkdir(dir);
    await expect(unpackTar(Readable.from(broken()), dir, { maxBytes: 1e9 })).rejects.toThrow('the client went away');
  });

  it('writes through no link that stood in the folder', async () => {
    const dir = path.join(root, String(count++));
    await mkdir(dir);
    await symlink(root, path.join(dir, 'out'));
    const bytes = await tarOf([{ name: 'out/evil', content: 'x' }]);
    await expect(unpackTar(Readable.from([bytes]), dir, { maxBytes: 1e9 })).rejects.toThrow(BadArchive);
  });
});
