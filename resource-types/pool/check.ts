import type { CheckContext, Version } from '../../src/resources/contract.js';
import { RemoteBranch } from '../git/shared.js';
import type { PoolSource } from './schema.js';

/** The commits that changed the pool, from the given one on; without one the newest. */
export async function checkPool(
  context: CheckContext,
  { source, version }: { readonly source: PoolSource; readonly version?: Version },
): Promise<readonly Version[]> {
  return RemoteBranch.use(context, source, {}, async (branch) => {
    const tip = await branch.fetch();
    const paths = ['--', `:(literal)${source.pool}`];
    const given = version?.['ref'] ?? '';
    const isThere =
      /^[0-9a-f]{40,64}$/.test(given) && (await branch.succeeds('merge-base', '--is-ancestor', given, tip));
    if (version === undefined || !isThere) {
      const newest = await branch.run('log', '-1', '--format=%H', tip, ...paths);
      return newest === '' ? [] : [{ ref: newest }];
    }
    const newer = await branch.run('rev-list', '--first-parent', '--reverse', `${given}..${tip}`, ...paths);
    return [version, ...newer.split('\n').flatMap((ref) => (ref === '' ? [] : [{ ref }]))];
  });
}
