import { describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { openHostMachine, type HostMachine } from '../support/host-machine.js';

const newFolder = (): string => mkdtempSync(path.join(os.tmpdir(), 'weir-disk-'));
const canMount = ((): boolean => {
  const disk = newFolder();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk], { stdio: 'ignore' });
    execFileSync('umount', [disk]);
    return true;
  } catch {
    console.warn('SKIPPED: a full disk cannot be tested here, because this user may not mount a small one');
    return false;
  } finally {
    rmSync(disk, { recursive: true });
  }
})();

/** A data folder on a disk of 1 MiB. */
async function onSmallDisk(test: (m: HostMachine) => Promise<void>): Promise<void> {
  const disk = newFolder();
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk]);
  try {
    const m = await openHostMachine(disk);
    await test(m);
    await m.close();
  } finally {
    execFileSync('umount', ['-l', disk]); // lazily: a supervisor may be about to leave
    rmSync(disk, { recursive: true });
  }
}

describe('a full disk', () => {
  (canMount ? it : it.skip)('ends a step with a reason that says so, and what was written can be read', async () => {
    await onSmallDisk(async (m) => {
      const handle = await m.start('yes 0123456789');
      expect(await m.wait(handle)).toMatchObject({
        phase: 'exited',
        exit: { code: 1 },
        reason: expect.stringContaining('no space left on device'),
      });
      expect((await m.logOf(handle)).slice(0, 22)).toBe('0123456789\n0123456789\n');
      await expect(m.runtime.start(m.spec('true'))).rejects.toThrow('no space left on device');
      // Even then a running step can be ended and removed.
      await m.runtime.remove(handle);
      expect((await m.runtime.inspect(handle)).phase).toBe('absent');
      expect(await m.say('echo enough again')).toBe('enough again\n');
    });
  });

  (canMount ? it : it.skip)('that fills up while a step runs still lets it be ended and its exit be kept', async () => {
    await onSmallDisk(async (m) => {
      const handle = await m.start('exec sleep 600');
      await writeFile(path.join(m.dataDir, 'filler'), Buffer.alloc(2_000_000)).catch(() => undefined);
      await m.runtime.signal(handle, 'TERM');
      expect(await m.wait(handle)).toMatchObject({
        exit: { code: 143, signal: 'TERM' },
        reason: expect.stringContaining('no space left'),
      });
    });
  });
});
