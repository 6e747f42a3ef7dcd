import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ResourceFailure, type FetchResult, type StepContext, type Version } from '../../src/resources/contract.js';
import { RemoteBranch } from '../git/shared.js';
import type { PoolGetParams, PoolSource } from './schema.js';

/** Writes the name and the text of the lock that the commit was about, and the commit itself. */
export async function getPool(
  context: StepContext,
  request: {
    readonly source: PoolSource;
    readonly params: PoolGetParams;
    readonly version: Version;
    readonly dir: string;
  },
): Promise<FetchResult> {
  const { source, version, dir } = request;
  const ref = version['ref'] ?? '';
  if (!/^[0-9a-f]{40,64}$/.test(ref)) {
    throw new ResourceFailure(`the version has no usable ref: ${JSON.stringify(version)}`);
  }
  return RemoteBranch.use(context, source, {}, async (branch) => {
    const tip = await branch.fetch();
    if (!(await branch.succeeds('merge-base', '--is-ancestor', ref, tip))) {
      throw new ResourceFailure(`there is no commit ${ref} in branch '${source.branch}': was it pushed over?`);
    }
    const { name, path, isGone } = await lockOf(branch, source, ref);
    const text = await branch.read(isGone ? `${ref}^` : ref, path);
    const files = { name: `${name}\n`, metadata: text ?? '', ref };
    await Promise.all(Object.entries(files).map(([file, content]) => writeFile(join(dir, file), content)));
    return {
      version,
      metadata: [
        { name: 'lock_name', value: name },
        { name: 'pool_name', value: source.pool },
      ],
    };
  });
}

/** The lock that a commit has claimed, released, added, changed or removed. */
async function lockOf(
  branch: RemoteBranch,
  { pool }: PoolSource,
  ref: string,
): Promise<{ name: string; path: string; isGone: boolean }> {
  const listing = await branch.run(
    ...['diff-tree', '--root', '-m', '--first-parent', '--no-commit-id', '--no-renames', '-r', '-z', '--name-status'],
    ...[ref, '--', `:(literal)${pool}/claimed`, `:(literal)${pool}/unclaimed`],
  );
  const words = listing.split('\0');
  const changes = words.flatMap((status, index) => {
    const path = words[index + 1];
    const name = path?.split('/').at(-1) ?? '';
    return index % 2 === 1 || path === undefined || name.startsWith('.')
      ? []
      : [{ name, path, isGone: status === 'D' }];
  });
  // A move is two changes; the place where the lock is now counts.
  const change = changes.find(({ isGone }) => !isGone) ?? changes[0];
  if (change === undefined) throw new ResourceFailure(`commit ${ref} changed no lock of pool ${pool}`);
  return change;
}
