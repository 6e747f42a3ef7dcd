const queues = new Map<string, Promise<unknown>>();

/** Runs `work` when every earlier work under the same key (in this process) has ended. @throws the signal's reason while waiting. */
export async function withLock<T>(key: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const before = queues.get(key) ?? Promise.resolve();
  const turn = before.then(() => signal.throwIfAborted());
  const mine = turn.then(work);
  const settled = mine.catch(() => undefined);
  queues.set(key, settled);
  void settled.then(() => {
    if (queues.get(key) === settled) queues.delete(key);
  });
  await Promise.race([turn, rejectOnAbort(signal, turn)]);
  return mine;
}

/** Rejects when the signal aborts while the work waits in the queue; work that runs stops by itself. */
function rejectOnAbort(signal: AbortSignal, turn: Promise<unknown>): Promise<never> {
  return new Promise((_resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    void turn.catch(() => undefined).then(() => signal.removeEventListener('abort', abort));
  });
}
