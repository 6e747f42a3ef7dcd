import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { setTimeout as pause } from 'node:timers/promises';
import {
  Db,
  NotificationListener,
  landRuntime,
  requestAbort,
  listRuntimes,
  noteRuntime,
  pruneRuntime,
  touchRuntimes,
  type RuntimeId,
  type RuntimeLoad,
} from '../persistence/index.js';
import { LOGGER, LoopRunner, Settings, messageOf, type Logger, type Loop } from '../platform/index.js';
import { RUNTIME, RuntimePool, type Member, type Runtime } from '../runtime/index.js';
import { Places } from './server-runtimes.js';

const TICK_MS = 5_000;
/** A runtime that takes longer to say what it can is taken for one that does not answer. */
const ANSWER_MS = 10_000;

/**
 * Looks whether each runtime of this server answers, and notes what it can: new steps wait while theirs does not. Steps that
 * run there are the affair of whoever follows them.
 */
@Injectable()
export class RuntimeMonitor implements Loop, OnApplicationBootstrap, OnApplicationShutdown {
  readonly name = 'runtimes';
  readonly tickMs = TICK_MS;
  private readonly pool: RuntimePool;
  private readonly places: Places;
  private readonly instanceId: string;
  private readonly runner: LoopRunner;
  /** What was noted last, by name; only changes are written. */
  private readonly noted = new Map<string, string>();

  constructor(
    @Inject(Db) private readonly db: Db,
    @Inject(NotificationListener) notifications: NotificationListener,
    @Inject(RUNTIME) runtime: Runtime,
    @Inject(Settings) { instanceId }: Settings,
    @Inject(LOGGER) private readonly log: Logger,
  ) {
    this.pool = RuntimePool.of(runtime);
    this.places = new Places(db, notifications, this.pool, instanceId);
    this.instanceId = instanceId;
    this.runner = new LoopRunner(this, log);
  }

  onApplicationBootstrap(): void {
    this.runner.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.runner.stop();
  }

  async runOnce(): Promise<void> {
    const ids = await this.places.ids();
    await this.db.tx((tx) => touchRuntimes(tx, this.instanceId));
    for (const member of this.pool.members) {
      const id = ids.get(member.name);
      const seen = await look(member);
      const text = JSON.stringify(seen);
      if (id === undefined || this.noted.get(member.name) === text) continue;
      await this.db.tx((tx) => noteRuntime(tx, id, seen));
      const before = this.noted.get(member.name);
      this.noted.set(member.name, text);
      if ('unreachable' in seen) this.log.warn({ runtime: member.name, reason: seen.unreachable }, 'a runtime is away');
      else if (before?.includes('"unreachable"')) this.log.warn({ runtime: member.name }, 'a runtime is back');
    }
  }

  /** Every runtime of every server with its load and its queue, by name. */
  list(): Promise<RuntimeLoad[]> {
    return listRuntimes(this.db);
  }

  /** It takes no more steps until its server starts again. Those that run there go on, but builds of interruptible jobs are aborted. */
  async land(id: RuntimeId, by: string): Promise<void> {
    const interruptible = await this.db.tx((tx) => landRuntime(tx, id));
    for (const build of interruptible) await this.db.tx((tx) => requestAbort(tx, build, by));
  }

  /** Forgets the runtime of a server that is gone. @returns false when that server is alive. */
  async prune(id: RuntimeId): Promise<boolean> {
    return this.db.tx((tx) => pruneRuntime(tx, id));
  }
}

async function look({ runtime }: Member): Promise<Parameters<typeof noteRuntime>[2]> {
  try {
    const answer = runtime.capabilities();
    const late = pause(ANSWER_MS, undefined, { ref: false });
    const capabilities = await Promise.race([answer, late]);
    answer.catch(() => undefined); // it came too late to be of interest
    return capabilities ? { capabilities } : { unreachable: `no answer within ${ANSWER_MS / 1000} s` };
  } catch (error) {
    return { unreachable: messageOf(error) };
  }
}
