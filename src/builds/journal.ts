import type { BuildEvent, BuildId, FinalStatus } from '../model/index.js';
import {
  beginStep,
  endStep,
  finishBuild,
  holdsLease,
  loadJournal,
  lockJobsAround,
  moveLogCursor,
  takeOverSteps,
  type Db,
  type JournaledStep,
  type LeaseHolder,
  type Tx,
} from '../persistence/index.js';
import { writeEvents, type Redactor } from '../events/index.js';
import { RunSuspended, type Outcome } from './outcome.js';

/**
 * The durable memory of one build. Every write is one transaction behind the fence of the lease: a server that lost the build
 * cannot write, and what is written together is seen together. A write that fails suspends the run ({@link RunSuspended}).
 */
export class Journal {
  private constructor(
    private readonly db: Db,
    private readonly buildId: BuildId,
    private readonly holder: LeaseHolder,
    private readonly redactor: Redactor,
    private readonly steps: Map<string, JournaledStep>,
  ) {}

  static async load(db: Db, buildId: BuildId, holder: LeaseHolder, redactor: Redactor): Promise<Journal> {
    const steps = await loadJournal(db, buildId);
    return new Journal(db, buildId, holder, redactor, new Map(steps.map((step) => [step.stepId, step])));
  }

  /** What is known of the step; undefined when it never began. */
  step(stepId: string): JournaledStep | undefined {
    return this.steps.get(stepId);
  }

  allSteps(): readonly JournaledStep[] {
    return [...this.steps.values()];
  }

  /** The journal of a build that has not begun starts with ends of steps of an earlier one. */
  async takeOver(
    from: BuildId,
    stepIds: readonly string[],
    putNames: readonly string[],
    events: readonly BuildEvent[],
  ): Promise<void> {
    await this.write(async (tx) => {
      await takeOverSteps(tx, this.buildId, from, stepIds, putNames);
      await writeEvents(tx, this.buildId, events, this.redactor);
    });
    for (const step of await loadJournal(this.db, this.buildId)) this.steps.set(step.stepId, step);
  }

  async begin(
    stepId: string,
    begin: {
      readonly handle?: string;
      readonly deadlineAt?: Date;
      readonly result?: unknown;
      readonly container?: { readonly kind: string; readonly name?: string; readonly attempt?: string };
    },
    events: readonly BuildEvent[],
  ): Promise<JournaledStep> {
    const { instance } = this.holder;
    await this.write(async (tx) => {
      await beginStep(tx, this.buildId, stepId, { ...begin, instance });
      await writeEvents(tx, this.buildId, events, this.redactor);
    });
    const step: JournaledStep = {
      stepId,
      handle: begin.handle,
      instance,
      deadlineAt: begin.deadlineAt,
      result: begin.result,
      outcome: undefined,
      logCursor: undefined,
    };
    this.steps.set(stepId, step);
    return step;
  }

  /** Output and how far it is stored, in one transaction: no byte is lost or told twice. */
  async log(stepId: string, events: readonly BuildEvent[], cursor?: string): Promise<void> {
    if (events.length === 0 && cursor === undefined) return;
    await this.write(async (tx) => {
      await writeEvents(tx, this.buildId, events, this.redactor);
      if (cursor !== undefined) await moveLogCursor(tx, this.buildId, stepId, cursor);
    });
  }

  /** The end of a step: outcome, what it gives to later steps, its last events, and what else belongs to it (`also`). */
  async end(
    stepId: string,
    outcome: Outcome,
    result: unknown,
    events: readonly BuildEvent[],
    also?: (tx: Tx) => Promise<void>,
  ): Promise<void> {
    await this.write(async (tx) => {
      await writeEvents(tx, this.buildId, events, this.redactor);
      await also?.(tx);
      await endStep(tx, this.buildId, stepId, outcome, result);
    });
    const known = this.steps.get(stepId);
    this.steps.set(stepId, {
      stepId,
      handle: known?.handle,
      instance: known?.instance,
      deadlineAt: known?.deadlineAt,
      logCursor: known?.logCursor,
      outcome,
      result,
    });
  }

  /** The end of the build. */
  async finish(status: FinalStatus, events: readonly BuildEvent[] = []): Promise<void> {
    await this.write(
      async (tx) => {
        await writeEvents(tx, this.buildId, events, this.redactor);
        await finishBuild(tx, this.buildId, status);
      },
      (tx) => lockJobsAround(tx, this.buildId),
    );
  }

  /** Other writes of a step, behind the same fence. What `work` throws is thrown on. */
  async fenced<Value>(work: (tx: Tx) => Promise<Value>): Promise<Value> {
    return this.db.tx(async (tx) => {
      if (!(await holdsLease(tx, this.buildId, this.holder))) throw new RunSuspended('the lease is lost');
      return work(tx);
    });
  }

  private async write(work: (tx: Tx) => Promise<void>, lockFirst?: (tx: Tx) => Promise<unknown>): Promise<void> {
    try {
      await this.db.tx(async (tx) => {
        await lockFirst?.(tx);
        if (!(await holdsLease(tx, this.buildId, this.holder))) throw new RunSuspended('the lease is lost');
        await work(tx);
      });
    } catch (cause) {
      if (cause instanceof RunSuspended) throw cause;
      throw new RunSuspended('the journal could not be written', { cause });
    }
  }
}
