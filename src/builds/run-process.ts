import type { BuildEvent, PlanNode } from '../model/index.js';
import type { LogChunk, StepSpec, StepState } from '../runtime/index.js';
import type { JournaledStep } from '../persistence/index.js';
import { messageOf } from '../platform/index.js';
import type { Walk } from './build-run.js';
import type { Deadline } from './deadline.js';
import { LogCutter, MAX_EVENT_BYTES, type LogRest } from './log-cutter.js';

/** Output waits at most this long before it is stored. */
const FLUSH_MS = 250;
/** What a killed process gets to go away before nobody waits any longer. */
const AFTER_KILL_MS = 5_000;

export interface ProcessEnd {
  readonly state: StepState;
  /** The process was told to stop; how it took that does not matter. */
  readonly isInterrupted: boolean;
  /** Its last output, to be stored with the end of the step. */
  readonly lastEvents: readonly BuildEvent[];
}

/**
 * Starts the process, or joins it when it was started before a crash, stores its output as it comes and returns when it is
 * over. When the deadline's signal aborts it gets TERM and, after the grace time, KILL.
 */
export async function runProcess(
  node: PlanNode,
  step: JournaledStep,
  spec: StepSpec,
  walk: Walk,
  deadline: Deadline,
): Promise<ProcessEnd> {
  const { run } = walk;
  const { runtime } = run.parts;
  run.noteProcess(spec.handle);
  if (spec.runtime !== undefined) runtime.remember(spec.handle, spec.runtime);
  const before = await runtime.inspect(spec.handle);
  const { instanceId } = run.parts.settings;
  if (before.phase === 'absent' && !runtime.isShared && step.instance !== instanceId) {
    // It may still run over there: starting it here could do its work twice.
    const reason = `it was started by the server ${step.instance}, which has lost the build; its processes cannot be joined from here`;
    return { state: { ...before, phase: 'lost', reason }, isInterrupted: false, lastEvents: [] };
  }
  if (before.phase === 'absent' || before.phase === 'pending') {
    if (deadline.signal.aborted) return { state: before, isInterrupted: true, lastEvents: [] };
    await runtime.start(spec);
  }
  // It did its work while nobody looked; that the time has run out since does not matter.
  const endedWell = deadline.hasPassed && before.phase === 'exited' && before.exit?.code === 0;
  const following = new AbortController();
  const stopper = new Stopper(spec.handle, walk, deadline, () => following.abort());
  try {
    const follow = AbortSignal.any([following.signal, run.letGoSignal]);
    const lastEvents = await followLog(node, step, runtime.logs(spec.handle, cursorOf(step).at, follow), walk, follow);
    run.throwIfLetGo();
    const isInterrupted = stopper.hasBegun && !endedWell;
    const state = await runtime.inspect(spec.handle).catch((error: unknown): StepState => {
      // Whatever a runtime that is away would say of it.
      if (isInterrupted) return { handle: spec.handle, phase: 'lost', reason: messageOf(error) };
      throw error;
    });
    if (state.reason !== undefined) run.noteReason(state.reason);
    return { state, isInterrupted, lastEvents };
  } finally {
    stopper.dispose();
  }
}

/** Stops a process in stages. */
class Stopper {
  hasBegun = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly handle: string,
    private readonly walk: Walk,
    private readonly deadline: Deadline,
    /** Called when not even KILL helped. */
    private readonly giveUp: () => void,
  ) {
    if (deadline.signal.aborted) this.term();
    else deadline.signal.addEventListener('abort', this.term);
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.deadline.signal.removeEventListener('abort', this.term);
  }

  private readonly term = (): void => {
    if (this.walk.run.letGoSignal.aborted) return;
    this.hasBegun = true;
    this.send('TERM');
    this.timer = setTimeout(() => {
      this.send('KILL');
      this.timer = setTimeout(this.giveUp, AFTER_KILL_MS);
    }, this.walk.run.parts.settings.stepGraceMs);
  };

  private send(signal: 'TERM' | 'KILL'): void {
    const { runtime, log } = this.walk.run.parts;
    runtime
      .signal(this.handle, signal)
      .catch((error: unknown) => log.warn({ handle: this.handle, signal, error }, 'signalling a step failed'));
  }
}

interface StoredCursor {
  readonly at: string | null;
  readonly rest: LogRest;
}

/** The journal's cursor holds the runtime's cursor and the bytes read up to it that are not yet stored as events. */
function cursorOf(step: JournaledStep): StoredCursor {
  return step.logCursor === undefined ? { at: null, rest: {} } : (JSON.parse(step.logCursor) as StoredCursor);
}

/** Stores output until it ends or `stop` aborts. @returns what is to be stored with the step's end. */
async function followLog(
  node: PlanNode,
  step: JournaledStep,
  log: AsyncIterable<LogChunk>,
  walk: Walk,
  stop: AbortSignal,
): Promise<readonly BuildEvent[]> {
  const { run } = walk;
  const stored = cursorOf(step);
  const cutter = new LogCutter(node.id, run.redactor, stored.rest);
  let at = stored.at;
  const flush = (upTo: 'lines' | 'runes'): Promise<void> => {
    const events = cutter.take(upTo, run.time);
    return run.journal.log(node.id, events, JSON.stringify({ at, rest: cutter.rest }));
  };
  const chunks = log[Symbol.asyncIterator]();
  const timer = new FlushTimer();
  try {
    let next = nextOf(chunks, stop);
    for (;;) {
      const got = await Promise.race([next, timer.due]);
      if (got === 'due') {
        await flush('runes');
        timer.rest();
        continue;
      }
      if (got === 'stopped' || got.done) break;
      cutter.push(got.value.stream, got.value.data);
      at = got.value.cursor;
      next = nextOf(chunks, stop);
      if (cutter.readyBytes >= MAX_EVENT_BYTES) {
        await flush('lines');
        timer.rest();
      }
      if (!cutter.isEmpty) timer.wind(FLUSH_MS);
    }
    return cutter.take('all', run.time);
  } finally {
    timer.rest();
    void chunks.return?.().catch(() => undefined); // not awaited: an iterator that hangs must not hold the step
  }
}

type Next = IteratorResult<LogChunk, unknown> | 'stopped';

/** The next chunk, or `stopped` as soon as nobody wants it: a runtime that is slow to notice must not hold us. */
function nextOf(chunks: AsyncIterator<LogChunk>, stop: AbortSignal): Promise<Next> {
  return new Promise((resolve, reject) => {
    const stopped = (): void => resolve('stopped');
    if (stop.aborted) return stopped();
    stop.addEventListener('abort', stopped, { once: true });
    chunks
      .next()
      .then(resolve, (error: unknown) => (stop.aborted ? stopped() : reject(error as Error)))
      .finally(() => stop.removeEventListener('abort', stopped));
  });
}

/** A promise that comes due some time after it was wound. */
class FlushTimer {
  due: Promise<'due'>;
  private resolve: (value: 'due') => void = () => undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor() {
    this.due = new Promise((resolve) => (this.resolve = resolve));
  }

  /** Starts the time unless it runs already. */
  wind(ms: number): void {
    this.timer ??= setTimeout(() => this.resolve('due'), ms);
  }

  rest(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.due = new Promise((resolve) => (this.resolve = resolve));
  }
}
