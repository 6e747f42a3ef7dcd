import type { CheckContext, Version } from '../../src/resources/contract.js';
import { GithubApi } from './api.js';
import type { GithubSource } from './schema.js';
import { selectReleases, versionsFrom } from './select.js';

/** The releases from the given one on, by version or time; without one the newest. */
export async function checkGithub(
  context: CheckContext,
  { source, version }: { readonly source: GithubSource; readonly version?: Version },
): Promise<readonly Version[]> {
  return GithubApi.use(context, source, async (api) =>
    versionsFrom(selectReleases(await api.releases(), source), version, source),
  );
}
