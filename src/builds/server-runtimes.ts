import type { BuildId } from '../model/index.js';
import { declareRuntimes, type Db, type NotificationListener, type RuntimeId } from '../persistence/index.js';
import type { RuntimePool } from '../runtime/index.js';

/** A step that waits looks again after this time, in case nobody wakes it. */
const LOOK_MS = 5_000;

/** The runtimes of this server in the database, and who is woken when a step of a build gets a slot there. */
export class Places {
  private declared: Promise<ReadonlyMap<string, RuntimeId>> | undefined;

  constructor(
    private readonly db: Db,
    private readonly notifications: NotificationListener,
    private readonly pool: RuntimePool,
    private readonly instanceId: string,
  ) {}

  /** Ids by name; the first call of this server's life declares its runtimes. */
  ids(): Promise<ReadonlyMap<string, RuntimeId>> {
    this.declared ??= this.declare().catch((error: unknown) => {
      this.declared = undefined;
      throw error;
    });
    return this.declared;
  }

  private declare(): Promise<ReadonlyMap<string, RuntimeId>> {
    const runtimes = this.pool.members.map(({ name, runtime, tags, slots }) => ({
      name,
      kind: runtime.kind,
      tags,
      slots,
    }));
    return this.db.tx((tx) => declareRuntimes(tx, this.instanceId, runtimes));
  }

  /** Resolves when a step of the build may have got a slot, when the signal aborts, and after a while. Never rejects. */
  async change(buildId: BuildId, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    let wake = (): void => undefined;
    const woken = new Promise<void>((resolve) => (wake = resolve));
    const unlisten = this.notifications.on('slots', (id) => {
      if (id === undefined || id === buildId) wake();
    });
    const timer = setTimeout(wake, LOOK_MS);
    signal.addEventListener('abort', wake);
    try {
      await woken;
    } finally {
      unlisten();
      clearTimeout(timer);
      signal.removeEventListener('abort', wake);
    }
  }
}
