import type { PipelineId } from '../../model/index.js';

/** Those that belong to a pipeline which the caller may see; all when `ids` is undefined. */
export function visibleOf<Item>(
  items: readonly Item[],
  ids: ReadonlySet<PipelineId> | undefined,
  pipelineIdOf: (item: Item) => PipelineId,
): readonly Item[] {
  return ids ? items.filter((item) => ids.has(pipelineIdOf(item))) : items;
}
