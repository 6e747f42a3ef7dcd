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

  /** Watches for slots of the build's steps from now on: look only after this, so that none is given unseen. */
  watch(buildId: BuildId): SlotWatch {
    let isNews = false;
    let wake = (): void => undefined;
    const unlisten = this.notifications.on('slots', (id) => {
      if (id !== undefined && id !== buildId) return;
      isNews = true;
      wake();
    });
    return {
      stop: unlisten,
      change: async (signal) => {
        if (!isNews && !signal.aborted) {
          await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, LOOK_MS);
            wake = () => {
              clearTimeout(timer);
              resolve();
            };
            signal.addEventListener('abort', wake, { once: true });
          });
          signal.removeEventListener('abort', wake);
        }
        isNews = false;
      },
    };
  }
}

/** One step's wait for a slot. */
export interface SlotWatch {
  /** Resolves when a step of the build may have got a slot since the last call, when the signal aborts, and after a while. */
  change(signal: AbortSignal): Promise<void>;
  stop(): void;
}
