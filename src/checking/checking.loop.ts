import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { ResourceId } from '../model/index.js';
import { Db, dueChecks, NotificationListener } from '../persistence/index.js';
import { LOGGER, LoopRunner, Settings, type Logger } from '../platform/index.js';
import { Checker, textOf, type ReadyTarget } from './checker.js';

/** How late a check may be that nobody asked for. */
const TICK_MS = 1_000;
/** More due checks than this are looked at in the next rounds. */
const MOST_CANDIDATES = 1_000;

/**
 * The checking loop: starts checks that are due. What is due stands in rows, so any number of servers may run it, and nothing
 * is lost when one dies. A round only starts checks: a slow one must not hold up the others. They are awaited on shutdown.
 */
@Injectable()
export class CheckingLoop implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly runner: LoopRunner;
  private readonly running = new Map<ResourceId, Promise<void>>();
  private readonly stopping = new AbortController();
  private stopListening: (() => void) | undefined;
  /** Something is due that found no room: it begins when a check ends. */
  private isCrowded = false;

  constructor(
    @Inject(Db) private readonly db: Db,
    @Inject(NotificationListener) private readonly listener: NotificationListener,
    @Inject(Checker) private readonly checker: Checker,
    @Inject(Settings) private readonly settings: Settings,
    @Inject(LOGGER) private readonly log: Logger,
  ) {
    this.runner = new LoopRunner({ name: 'checking', tickMs: TICK_MS, runOnce: () => this.startDue() }, log);
  }

  onApplicationBootstrap(): void {
    this.stopListening = this.listener.on('checks', () => this.runner.wake());
    this.runner.start();
  }

  /** Stops the checks that are running; they are due again at the next start. Resolves when all have ended. */
  async onModuleDestroy(): Promise<void> {
    this.stopListening?.();
    this.stopping.abort(new Error('the server is stopping'));
    await this.runner.stop();
    await Promise.all(this.running.values());
  }

  /** Starts what is due, as far as there is room. */
  async startDue(): Promise<void> {
    this.isCrowded = this.isFull();
    if (this.isCrowded) return;
    for (const due of await this.db.tx((tx) => dueChecks(tx, MOST_CANDIDATES))) {
      if (this.running.has(due.resourceId)) continue;
      const target = await this.checker.prepare(due);
      if (this.stopping.signal.aborted) return;
      if (!this.isFull() && this.checker.canBegin(target)) {
        this.start(target);
        continue;
      }
      this.isCrowded = true;
      await this.checker.attach(target);
    }
  }

  private isFull(): boolean {
    return this.running.size >= this.settings.maxConcurrentChecks;
  }

  private start(target: ReadyTarget): void {
    const check = this.check(target).then((hasRun) => {
      this.running.delete(target.resourceId);
      if (hasRun && this.isCrowded) this.runner.wake();
    });
    this.running.set(target.resourceId, check);
  }

  /** @returns false when it could not begin. */
  private async check(target: ReadyTarget): Promise<boolean> {
    try {
      const outcome = await this.checker.tryCheck(target, { signal: this.stopping.signal, log: () => undefined });
      return outcome.kind === 'done';
    } catch (error) {
      // It is saved with the resource, whose people must act; a server that stops has nothing to report.
      if (!this.stopping.signal.aborted)
        this.log.info({ resourceId: target.resourceId, error: textOf(error, target) }, 'check failed');
      return false;
    }
  }
}
