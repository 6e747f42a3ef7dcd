import type { BuildEvent, PlanNode } from '../model/index.js';
import { messageOf } from '../platform/index.js';
import { ResourceFailure } from '../resources/index.js';
import type { Walk } from './build-run.js';
import type { Deadline } from './deadline.js';
import { LogCutter, MAX_EVENT_BYTES } from './log-cutter.js';

const FLUSH_MS = 250;
/** What work gets to stop when the server shuts down. It runs again anyway. */
const LEAVING_MS = 1_000;
/** More output than this that waits to be stored is dropped, with a line that says so. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;

export type WorkEnd<Value> = {
  /** The last of its log, to be stored with the end of the step. */
  readonly lastEvents: readonly BuildEvent[];
} & (
  | { readonly kind: 'done'; readonly value: Value }
  /** The resource said no; the reason stands in the log. */
  | { readonly kind: 'failed'; readonly exitStatus: number }
  | { readonly kind: 'interrupted' }
);

/**
 * Runs work inside the server, its log going to the build's events. When the deadline's signal aborts, or the build is let
 * go, the work's own signal aborts; work that does not stop within the grace time is left behind.
 * @throws what the work throws, unless it is a ResourceFailure.
 */
export async function runInProcess<Value>(
  node: PlanNode,
  walk: Walk,
  deadline: Deadline,
  work: (context: { readonly signal: AbortSignal; readonly log: (text: string) => void }) => Promise<Value>,
): Promise<WorkEnd<Value>> {
  const { run } = walk;
  const broken = new AbortController();
  const log = new LiveLog(node, walk, () => broken.abort());
  const signal = AbortSignal.any([deadline.signal, run.letGoSignal, broken.signal]);
  const graceMs = (): number => (run.letGoSignal.aborted ? LEAVING_MS : run.parts.settings.stepGraceMs);
  try {
    if (signal.aborted) throw new Error('the step was interrupted before its work began');
    const value = await orGivenUp(work({ signal, log: (text) => log.write(text) }), signal, graceMs);
    const lastEvents = await log.close();
    return { kind: 'done', value, lastEvents }; // also when it was interrupted too late: a version that was made is made
  } catch (error) {
    const refused = error instanceof ResourceFailure && !deadline.signal.aborted;
    if (refused) log.write(`${messageOf(error)}\n`);
    const lastEvents = await log.close();
    if (deadline.signal.aborted) return { kind: 'interrupted', lastEvents };
    if (refused) return { kind: 'failed', exitStatus: error.exitStatus, lastEvents };
    await run.journal.log(node.id, lastEvents);
    throw error;
  }
}

/** The promise's end, or a rejection some time after the signal aborted. */
async function orGivenUp<Value>(promise: Promise<Value>, signal: AbortSignal, graceMs: () => number): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  let abort = (): void => undefined;
  const givenUp = new Promise<never>((_, reject) => {
    const giveUp = (): void => reject(new Error('the step did not stop when it was interrupted'));
    abort = () => void (timer = setTimeout(giveUp, graceMs()));
  });
  signal.addEventListener('abort', abort);
  try {
    return await Promise.race([promise, givenUp]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

/** Log of work that cannot be held back: what comes too fast to be stored is dropped, and that is said. */
class LiveLog {
  private readonly cutter: LogCutter;
  private timer: NodeJS.Timeout | undefined;
  private storing: Promise<void> | undefined;
  private fault: Error | undefined;
  private isClosed = false;
  private isDropping = false;

  constructor(
    private readonly node: PlanNode,
    private readonly walk: Walk,
    private readonly onFault: () => void,
  ) {
    this.cutter = new LogCutter(node.id, walk.run.redactor);
  }

  write(text: string): void {
    if (this.isClosed) return;
    if (this.cutter.readyBytes > MAX_WAITING_BYTES) {
      this.isDropping = true;
      return;
    }
    if (this.isDropping) this.push('\n[some output was dropped: it came faster than it could be stored]\n');
    this.isDropping = false;
    this.push(text);
    if (this.cutter.readyBytes >= MAX_EVENT_BYTES) this.store('lines');
    else this.timer ??= setTimeout(() => this.store('runes'), FLUSH_MS);
  }

  /** Nothing is written after this. @returns what is not stored yet. @throws the first fault of storing. */
  async close(): Promise<readonly BuildEvent[]> {
    this.isClosed = true;
    clearTimeout(this.timer);
    while (this.storing) await this.storing;
    if (this.isDropping) this.push('\n[some output was dropped: it came faster than it could be stored]\n');
    if (this.fault) throw this.fault;
    this.walk.run.throwIfLetGo();
    return this.cutter.take('all', this.walk.run.time);
  }

  private push(text: string): void {
    this.cutter.push('stderr', Buffer.from(text));
  }

  private store(upTo: 'lines' | 'runes'): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.storing || this.fault) return;
    const events = this.cutter.take(upTo, this.walk.run.time);
    this.storing = this.walk.run.journal.log(this.node.id, events).then(
      () => {
        this.storing = undefined;
        if (this.cutter.readyBytes >= MAX_EVENT_BYTES) this.store('lines');
        else if (!this.cutter.isEmpty && !this.isClosed) this.timer ??= setTimeout(() => this.store('runes'), FLUSH_MS);
      },
      (fault: unknown) => {
        this.storing = undefined;
        this.fault = fault as Error;
        this.onFault();
      },
    );
  }
}
