/**
 * Writes lists as the JSON text of an answer. An item that is the same object as in a list before is not written again.
 * @param toView what is written of an item.
 */
export function listWriter<Item extends object>(toView: (item: Item) => unknown): (items: readonly Item[]) => string {
  const texts = new WeakMap<Item, string>();
  const textOf = (item: Item): string => {
    const known = texts.get(item);
    if (known !== undefined) return known;
    const text = JSON.stringify(toView(item));
    texts.set(item, text);
    return text;
  };
  return (items) => `[${items.map(textOf).join(',')}]`;
}
