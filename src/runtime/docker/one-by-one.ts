const queues = new Map<string, Promise<unknown>>();

/** Runs works with the same key in this process one after the other, in the order they were asked for. */
export async function oneByOne<Value>(key: string, work: () => Promise<Value>): Promise<Value> {
  // Whoever asked for the work before hears of its failure.
  const mine = (queues.get(key) ?? Promise.resolve()).catch(() => undefined).then(work);
  queues.set(key, mine);
  try {
    return await mine;
  } finally {
    if (queues.get(key) === mine) queues.delete(key);
  }
}
