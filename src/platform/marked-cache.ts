/** What is known of a thing before it is read: a mark that is another one as soon as anything of the thing is. */
export interface Marked<Id> {
  readonly id: Id;
  readonly mark: string;
}

interface Kept<Item> {
  readonly mark: string;
  readonly item: Item;
}

/**
 * Keeps what was made of rows for as long as their marks stay the same. The marks are read each time, from the database, so
 * it is right on every server; what is read for a mark may be newer than the mark, never older, and is then read once more.
 */
export class MarkedCache<Id, Item> {
  private readonly kept = new Map<Id, Kept<Item>>();

  /** @param most as many items are kept; then the oldest go. */
  constructor(private readonly most: number) {}

  /**
   * The items of these marks, in order; the same objects as the last time where the mark is the same.
   * @param read reads those that are missing or have changed. What it does not find is left out.
   */
  async get(wanted: readonly Marked<Id>[], read: (ids: Id[]) => Promise<ReadonlyMap<Id, Item>>): Promise<Item[]> {
    const held = new Map<Id, Item>(); // taken before the wait, in which others may make the cache forget
    const stale: Marked<Id>[] = [];
    for (const of of wanted) {
      const kept = this.kept.get(of.id);
      if (kept?.mark === of.mark) held.set(of.id, kept.item);
      else stale.push(of);
    }
    if (stale.length > 0) {
      const fresh = await read(stale.map(({ id }) => id));
      this.keep(stale, fresh);
      for (const [id, item] of fresh) held.set(id, item);
    }
    const items: Item[] = [];
    for (const { id } of wanted) {
      const item = held.get(id);
      if (item !== undefined) items.push(item);
    }
    return items;
  }

  private keep(stale: readonly Marked<Id>[], fresh: ReadonlyMap<Id, Item>): void {
    for (const { id, mark } of stale) {
      const item = fresh.get(id);
      this.kept.delete(id);
      if (item !== undefined) this.kept.set(id, { mark, item });
    }
    for (const id of this.kept.keys()) {
      if (this.kept.size <= this.most) return;
      this.kept.delete(id);
    }
  }
}
