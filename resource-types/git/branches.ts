import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  ResourceFailure,
  type CheckContext,
  type FetchResult,
  type StepContext,
  type Version,
} from '../../src/resources/contract.js';
import { cleanUri } from './cache.js';
import { Git } from './git.js';
import { readLocalRefs } from './local-refs.js';
import { matching } from './matching.js';
import type { GitSource } from './schema.js';
import { refuseClosedFolder, withWorkshop } from './workshop.js';

/**
 * The set of branches now; a new version when it is not that of the given one. `branches` names them all, with spaces between,
 * which no name can hold; `number` tells apart the same set at two times.
 */
export async function checkBranches(
  context: CheckContext,
  { source, version }: { readonly source: GitSource; readonly version?: Version },
): Promise<readonly Version[]> {
  await refuseClosedFolder(source, context);
  const local = await readLocalRefs(source, [], ['refs/heads']);
  const all = local
    ? [...local.keys()].map((name) => name.slice('refs/heads/'.length))
    : await askNames(context, source);
  const branches = matching(all, source.branch_regex, 'branch_regex').toSorted().join(' ');
  if (version !== undefined && version['branches'] === branches) return [version];
  return [{ branches, number: String((Number(version?.['number']) || 0) + 1) }];
}

function askNames(context: CheckContext, source: GitSource): Promise<readonly string[]> {
  return withWorkshop(source, context, async (workshop) => {
    const git = new Git(workshop, context, source);
    const listing = await git.run(workshop.dir, 'ls-remote', '--quiet', '--heads', '--', cleanUri(source));
    return listing.split('\n').flatMap((line) => line.split('\trefs/heads/')[1] ?? []);
  });
}

/** Writes the names of the version into `branches.json`, for `load_var` and `across`. */
export async function getBranches(
  context: StepContext,
  { version, dir }: { readonly version: Version; readonly dir: string },
): Promise<FetchResult> {
  context.signal.throwIfAborted();
  const text = version['branches'];
  if (text === undefined)
    throw new ResourceFailure(
      `the version is no set of branches: ${JSON.stringify(version)}; was version_type changed?`,
    );
  const branches = text === '' ? [] : text.split(' ');
  await writeFile(join(dir, 'branches.json'), `${JSON.stringify(branches, null, 2)}\n`);
  return { version, metadata: [{ name: 'branches', value: String(branches.length) }] };
}
