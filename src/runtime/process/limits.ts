import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { hasCode, isThere } from '../files.js';
import type { StepLimits } from '../port.js';

/** Folders in which groups for steps can be made, by what they limit; the two are the same in version 2. */
export interface Cgroups {
  readonly version: 1 | 2;
  readonly memory: string;
  readonly cpu: string;
}

const ROOT = '/sys/fs/cgroup';

/** Finds where this server may limit its steps, by making a group there. Undefined: nowhere. */
export async function probeCgroups(root = ROOT, ownGroups = '/proc/self/cgroup'): Promise<Cgroups | undefined> {
  const lines = (await readFile(ownGroups, 'utf8').catch(() => '')).split('\n');
  const own = (controllers: (list: string) => boolean): string | undefined => {
    const fields = lines
      .map((line) => /^\d+:([^:]*):(.*)$/.exec(line))
      .find((found) => controllers(found?.[1] ?? 'none'));
    return fields?.[2];
  };
  const unified = own((list) => list === '');
  if (unified !== undefined && (await isThere(path.join(root, 'cgroup.controllers')))) {
    // A group that holds processes cannot limit groups of its own, but for the root; its parent may.
    for (const place of [unified, path.posix.dirname(unified)]) {
      const dir = path.join(root, place);
      const enabled = (await readFile(path.join(dir, 'cgroup.subtree_control'), 'utf8').catch(() => ''))
        .trim()
        .split(' ');
      if (['memory', 'cpu'].every((name) => enabled.includes(name)) && (await canMakeGroup(dir)))
        return { version: 2, memory: dir, cpu: dir };
    }
    return undefined;
  }
  const [memory, cpu] = await Promise.all(
    ['memory', 'cpu'].map(async (name) => {
      const place = own((list) => list.split(',').includes(name));
      const dirs = [path.join(root, name, place ?? ''), path.join(root, name)];
      for (const dir of place === undefined ? [] : dirs) if (await canMakeGroup(dir)) return dir;
      return undefined;
    }),
  );
  return memory === undefined || cpu === undefined ? undefined : { version: 1, memory, cpu };
}

async function canMakeGroup(dir: string): Promise<boolean> {
  const trial = path.join(dir, `weir-trial-${process.pid}`);
  try {
    await mkdir(trial);
    await rmdir(trial);
    return true;
  } catch {
    return false;
  }
}

/**
 * Makes the groups of a step. @returns their folders: a process joins them by its number in `cgroup.procs`
 * @param name unlike any other step's on this machine
 */
export async function makeGroups(cgroups: Cgroups, name: string, limits: StepLimits): Promise<string[]> {
  const made: string[] = [];
  const write = async (dir: string, settings: Readonly<Record<string, number>>): Promise<void> => {
    const group = path.join(dir, name);
    if (!made.includes(group)) {
      await mkdir(group).catch((error: unknown) => {
        if (!hasCode(error, 'EEXIST')) throw error;
      });
      made.push(group);
    }
    for (const [file, value] of Object.entries(settings)) {
      const isOptional = /swap|memsw|oom/.test(file) && !(await isThere(path.join(group, file)));
      if (!isOptional) await writeFile(path.join(group, file), String(value));
    }
  };
  const { memoryBytes: memory, cpuShares: shares } = limits;
  const isNew = cgroups.version === 2;
  if (memory !== undefined) {
    await write(
      cgroups.memory,
      isNew
        ? { 'memory.max': memory, 'memory.swap.max': 0, 'memory.oom.group': 1 }
        : { 'memory.limit_in_bytes': memory, 'memory.memsw.limit_in_bytes': memory },
    );
  }
  if (shares !== undefined)
    await write(cgroups.cpu, isNew ? { 'cpu.weight': weightOf(shares) } : { 'cpu.shares': Math.max(2, shares) });
  return made;
}

/** Shares from 2 to 262144 as a weight from 1 to 10000, as container runtimes do it. */
export function weightOf(shares: number): number {
  return Math.min(10_000, Math.max(1, Math.round(1 + ((shares - 2) * 9999) / 262_142)));
}

/** True when something in the groups was killed because it needed more memory than it may have. */
export async function ranOutOfMemory(groups: readonly string[]): Promise<boolean> {
  for (const group of groups) {
    for (const file of ['memory.events', 'memory.oom_control']) {
      const text = await readFile(path.join(group, file), 'utf8').catch(() => '');
      if (/^oom_kill [1-9]/m.test(text)) return true;
    }
  }
  return false;
}

/** No error when they are gone; one that still holds processes stays until the next call. */
export async function removeGroups(groups: readonly string[]): Promise<void> {
  for (const group of groups) {
    await rmdir(group).catch((error: unknown) => {
      if (!hasCode(error, 'ENOENT', 'EBUSY')) throw error;
    });
  }
}
