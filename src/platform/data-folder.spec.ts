import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from './clock.js';
import { openDataFolder } from './data-folder.js';
import { lockFolder } from './folder-lock.js';

let dir: string;
beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-folder-'));
});
afterEach(() => fs.rmSync(dir, { recursive: true, force: true }));

describe('the data folder', () => {
  it('keeps its name and counts its starts', async () => {
    const first = await openDataFolder(path.join(dir, 'new'), systemClock);
    await first.release();
    const second = await openDataFolder(path.join(dir, 'new'), systemClock);
    await second.release();
    expect(first.epoch).toBe(1);
    expect(second).toMatchObject({ epoch: 2, instanceId: first.instanceId });
  });

  it('belongs to one server at a time, which is named to the second', async () => {
    const first = await openDataFolder(dir, systemClock);
    await expect(openDataFolder(dir, systemClock)).rejects.toThrow(
      `the folder ${dir} is in use by process ${process.pid}; stop that one, or choose another --data-dir`,
    );
    await first.release();
    await (await openDataFolder(dir, systemClock)).release();
  });

  it('refuses what a newer Weir wrote, and says the ways out', async () => {
    fs.writeFileSync(
      path.join(dir, 'weir.json'),
      JSON.stringify({ format: 2, instanceId: 'x', epoch: 7, createdAt: '' }),
    );
    await expect(openDataFolder(dir, systemClock)).rejects.toThrow(
      /was written by a newer Weir \(format 2, this one knows 1\); start that newer/,
    );
    expect(fs.readFileSync(path.join(dir, 'weir.json'), 'utf8')).toContain('"epoch":7');
  });

  it('refuses a folder with other files, a damaged one and one it cannot write', async () => {
    fs.writeFileSync(path.join(dir, 'thesis.txt'), '');
    await expect(openDataFolder(dir, systemClock)).rejects.toThrow('is no data folder of Weir');
    fs.writeFileSync(path.join(dir, 'weir.json'), '');
    await expect(openDataFolder(dir, systemClock)).rejects.toThrow('is damaged');
    await expect(openDataFolder(path.join(dir, 'thesis.txt'), systemClock)).rejects.toThrow(
      'cannot use the data folder',
    );
  });
});

describe('the lock of a folder', () => {
  it('has one holder when many ask at the same moment', async () => {
    const all = await Promise.allSettled(Array.from({ length: 8 }, () => lockFolder(dir)));
    const held = all.filter((r) => r.status === 'fulfilled');
    expect(held).toHaveLength(1);
    await held[0]!.value.release();
  });

  it('is free again after its holder was killed', async () => {
    // A process that holds it in the way lockFolder does, and cannot clean up.
    const lock = path.join(dir, 'lock');
    fs.mkdirSync(lock);
    const holder = spawn(process.execPath, [
      '-e',
      `process.chdir(${JSON.stringify(lock)}); require('net').createServer((s) => s.end('holder')).listen('99-x.sock', () => console.log('up'))`,
    ]);
    await new Promise((resolve) => holder.stdout.once('data', resolve));
    await expect(lockFolder(dir)).rejects.toThrow('in use by process 99');
    holder.kill('SIGKILL');
    await new Promise((resolve) => holder.once('exit', resolve));
    expect(fs.readdirSync(lock)).toContain('99-x.sock');
    await (await lockFolder(dir)).release();
    expect(fs.readdirSync(lock)).toEqual([]);
  });

  it('is kept by a process that is stopped and does not answer', async () => {
    fs.mkdirSync(path.join(dir, 'lock'));
    const silent = net.createServer(() => undefined).listen(path.join(dir, 'lock', '98-x.sock'));
    await new Promise((resolve) => silent.once('listening', resolve));
    await expect(lockFolder(dir)).rejects.toThrow('in use by process 98');
    silent.close();
  });

  it('works however deep the folder is', async () => {
    const deep = path.join(dir, 'x'.repeat(100), 'y'.repeat(100));
    fs.mkdirSync(deep, { recursive: true });
    const lock = await lockFolder(deep);
    await expect(lockFolder(deep)).rejects.toThrow('in use');
    await lock.release();
  });
});
