import {
  comparePlaces,
  type BuildPage,
  type BuildsQuery,
  type Pair,
  type PassedBuild,
  type Place,
} from '../model/index.js';
import { appended } from './small-list.js';

/**
 * The page that a query asks for of a job's builds at hand.
 * @param builds oldest first, all that might hold what the query wants
 */
export function pageOf(builds: readonly PassedBuild[], { having, order, after, until, limit }: BuildsQuery): BuildPage {
  const forward = order === 'oldest first';
  const step = forward ? 1 : -1;
  let at = forward ? 0 : builds.length - 1;
  if (after !== null) at = forward ? firstBehind(builds, after) : firstAt(builds, after) - 1;
  let page: PassedBuild[] = [];
  for (; page.length < limit; at += step) {
    const build = builds[at];
    if (build === undefined || (until !== null && comparePlaces(build.place, until) * step >= 0)) {
      return { builds: page, isLast: true };
    }
    if (holdsAll(build, having)) page = appended(page, build);
  }
  return { builds: page, isLast: false };
}

export function holdsAll({ versions }: Pick<PassedBuild, 'versions'>, pairs: readonly Pair[]): boolean {
  for (const { resourceId, digest } of pairs) if (!versions[resourceId]?.includes(digest)) return false;
  return true;
}

function firstBehind(builds: readonly PassedBuild[], bound: Place): number {
  return firstIndex(builds, ({ place }) => comparePlaces(place, bound) > 0);
}

function firstAt(builds: readonly PassedBuild[], bound: Place): number {
  return firstIndex(builds, ({ place }) => comparePlaces(place, bound) >= 0);
}

/** The first index whose item is `beyond`, in a list where all that are not come first. */
export function firstIndex<Item>(list: readonly Item[], beyond: (item: Item) => boolean): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (beyond(list[middle] as Item)) high = middle;
    else low = middle + 1;
  }
  return low;
}
