import { createHash } from 'node:crypto';
import { copyFile, mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { CheckContext, Version } from '../../src/resources/contract.js';

const KEPT_VERSIONS = 5;
const MAX_KEPT_BYTES = 64 * 1024 * 1024;
const FILES = ['body', 'headers.json'];

/**
 * A URL has only its newest version, but a pipeline may get an older one again: the last few small ones that were fetched
 * are kept in the cache.
 */
export async function takeKept({ cacheDir }: CheckContext, version: Version, into: string): Promise<boolean> {
  const from = folderOf(cacheDir, version);
  try {
    for (const name of FILES) await copyFile(join(from, name), join(into, name));
    return true;
  } catch {
    return false;
  }
}

/** Keeps what was fetched; a cache that cannot be written is no fault. */
export async function keep(context: CheckContext, version: Version, from: string): Promise<void> {
  const target = folderOf(context.cacheDir, version);
  try {
    if ((await stat(join(from, 'body'))).size > MAX_KEPT_BYTES) return;
    const fresh = `${target}.new-${process.pid}`;
    await rm(fresh, { recursive: true, force: true });
    await mkdir(fresh, { recursive: true });
    for (const name of FILES) await copyFile(join(from, name), join(fresh, name));
    await utimes(fresh, context.now(), context.now());
    await rm(target, { recursive: true, force: true });
    await rename(fresh, target);
    await forgetOld(join(context.cacheDir, 'kept'));
  } catch {
    await rm(target, { recursive: true, force: true }).catch(() => undefined);
  }
}

async function forgetOld(folder: string): Promise<void> {
  const names = await readdir(folder);
  const ages = await Promise.all(names.map(async (name) => ({ name, age: -(await stat(join(folder, name))).mtimeMs })));
  const old = ages.toSorted((one, other) => one.age - other.age).slice(KEPT_VERSIONS);
  await Promise.all(old.map(({ name }) => rm(join(folder, name), { recursive: true, force: true })));
}

function folderOf(cacheDir: string, version: Version): string {
  const key = JSON.stringify(Object.entries(version).toSorted());
  return join(cacheDir, 'kept', createHash('sha256').update(key).digest('hex'));
}
