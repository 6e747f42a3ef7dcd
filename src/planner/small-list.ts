/**
 * The list with one more item, in place unless it is empty. Most lists of a search hold one or two items: each that begins as
 * `[]` and is pushed to would reserve 17 places.
 */
export function appended<Item>(list: Item[], item: Item): Item[] {
  if (list.length === 0) return [item];
  list.push(item);
  return list;
}
