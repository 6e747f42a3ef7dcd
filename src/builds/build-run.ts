import { isDeepStrictEqual } from 'node:util';
import type { Build, BuildEvent, BuildId, EventOrigin, FinalStatus, PlanNode } from '../model/index.js';
import {
  buildsWithContainers,
  findBuild,
  findPlan,
  knownRefs,
  loadClaimedBuild,
  loadJournal,
  type Db,
  type LeaseHolder,
} from '../persistence/index.js';
import { messageOf, type Clock, type Logger, type Settings } from '../platform/index.js';
import type { CustomTypes } from '../custom-types/index.js';
import type { PipelinesService } from '../pipelines/index.js';
import type { ResourceTypeRegistry } from '../resources/index.js';
import type { ArtifactRef, ArtifactStore, Handle, RuntimePool } from '../runtime/index.js';
import { Redactor, secretsIn } from '../events/index.js';
import { mapNodes } from '../planner/index.js';
import { buildOfHandle } from './handle.js';
import { Journal } from './journal.js';
import { keptSteps, outcomesOf } from './kept-steps.js';
import { RunSuspended, statusOf, type Outcome } from './outcome.js';
import { recallSecrets } from './recall-secrets.js';
import type { Places } from './server-runtimes.js';
import type { CheckRunner, CredentialSource } from './ports.js';
import { Scope } from './scope.js';

/** What the engine works with. */
export interface EngineParts {
  readonly db: Db;
  readonly runtime: RuntimePool;
  readonly places: Places;
  readonly artifacts: ArtifactStore;
  readonly resourceTypes: Pick<ResourceTypeRegistry, 'get'>;
  readonly customTypes: CustomTypes;
  readonly pipelines: Pick<PipelinesService, 'setPipelineIn'>;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly log: Logger;
  readonly checkRunner?: CheckRunner;
  readonly credentials?: CredentialSource;
}

/** Runs a step of the plan; given to a run so that the tree of steps needs no knowledge of it. */
export type StepWalker = (node: PlanNode, walk: Walk) => Promise<Outcome>;

/** Where a walk over the plan stands. */
export interface Walk {
  readonly run: BuildRun;
  readonly scope: Scope;
  /** Aborts when the step is to be interrupted, not when the server lets go of the build: see {@link BuildRun.letGo}. */
  readonly signal: AbortSignal;
  /** Which try this is, of each retry around. */
  readonly attempt?: readonly number[];
  /** What resources inside a hook learn as BUILD_STATUS. */
  readonly buildStatus?: 'succeeded' | 'failed' | 'errored' | 'aborted';
}

/** One build in the hands of this server. */
export class BuildRun {
  private readonly aborting = new AbortController();
  private readonly lettingGo = new AbortController();
  private readonly processes = new Set<Handle>();
  /** The build has its final status, given here. */
  isFinished = false;
  private hasFilledDisk = false;

  private constructor(
    readonly parts: EngineParts,
    readonly build: Build,
    private readonly plan: PlanNode,
    readonly journal: Journal,
    readonly redactor: Redactor,
    private readonly resumeOf: BuildId | undefined,
  ) {}

  /** @returns undefined when the build is gone. */
  static async load(parts: EngineParts, buildId: BuildId, holder: LeaseHolder): Promise<BuildRun | undefined> {
    const redactor = new Redactor();
    const journal = await Journal.load(parts.db, buildId, holder, redactor);
    const [build, claimed] = [await findBuild(parts.db, buildId), await loadClaimedBuild(parts.db, buildId)];
    if (!build || !claimed) return undefined;
    redactor.add(secretsOf(claimed.plan));
    const run = new BuildRun(parts, build, claimed.plan, journal, redactor, claimed.resumeOf);
    if (claimed.aborted) run.abort();
    return run;
  }

  /**
   * Walks the plan to its end and finishes the build. Steps that the journal knows as finished give their recorded result
   * instead of running; a process that runs is joined.
   * @returns how the build ended.
   * @throws RunSuspended when the build was let go; it goes on elsewhere.
   */
  async execute(walk: StepWalker): Promise<FinalStatus> {
    const isReady = await this.takeOver();
    await this.recallSecrets();
    const outcome = !isReady
      ? 'errored'
      : await walk(this.plan, { run: this, scope: Scope.with(this.build.vars), signal: this.aborting.signal });
    this.throwIfLetGo();
    const status = statusOf(outcome);
    await this.journal.finish(status);
    this.isFinished = true;
    // Of a build that did not succeed everything stays for a while, to look into and to resume: the tracker sweeps it.
    if (status === 'succeeded') await this.removeTraces('all');
    // What nobody may ever look into must not keep every other build from running.
    else if (this.hasFilledDisk) await this.removeTraces('processes');
    else await this.killRunning();
    return status;
  }

  private async recallSecrets(): Promise<void> {
    const steps = this.journal.allSteps();
    if (steps.length === 0) return;
    this.redactor.add(await recallSecrets(this.plan, steps, this.build, this.parts.credentials));
  }

  /**
   * Begins the journal with the finished steps of the build that is resumed.
   * @returns false when that build did something else; the reason is told.
   */
  private async takeOver(): Promise<boolean> {
    const from = this.resumeOf;
    if (from === undefined || this.journal.allSteps().length > 0) return true;
    const { db } = this.parts;
    if (!isDeepStrictEqual(await findPlan(db, from), this.plan)) {
      const reason = 'the job was changed since the build that is to be resumed: its plan is another one now';
      await this.journal.log(this.plan.id, [this.errorEvent(this.plan.id, reason)]);
      return false;
    }
    const kept = keptSteps(this.plan, outcomesOf(await loadJournal(db, from)));
    const events = kept.told.map((id) => this.logEvent(id, `done by build ${from}, which this one resumes`));
    await this.journal.takeOver(from, kept.ids, kept.putNames, events);
    return true;
  }

  /** Ends a build that cannot be run because of a fault of ours. */
  async giveUp(reason: string): Promise<void> {
    await this.journal.finish('errored', [this.errorEvent(this.plan.id, reason)]);
  }

  /** Interrupts the steps; hooks run and the build ends as aborted. */
  abort(): void {
    this.aborting.abort();
  }

  /** Stops following the build without touching it: its processes go on, nothing more is written here. */
  letGo(): void {
    this.lettingGo.abort();
  }

  get letGoSignal(): AbortSignal {
    return this.lettingGo.signal;
  }

  throwIfLetGo(): void {
    if (this.lettingGo.signal.aborted) throw new RunSuspended('the build was let go');
  }

  /** Remembers a process that must not outlive the build. */
  noteProcess(handle: Handle): void {
    this.processes.add(handle);
  }

  /** The reason that a runtime gave for a step's end, which may be that nothing more can be written where it runs. */
  noteReason(reason: string): void {
    this.hasFilledDisk ||= /no space left/i.test(reason);
  }

  /** For a build that somebody else has ended: its processes are killed and everything it left is removed. */
  async killProcesses(): Promise<void> {
    await this.killRunning();
    await this.removeTraces('processes');
  }

  /** What did not stop when it was told to must not outlive the build. */
  private async killRunning(): Promise<void> {
    for (const handle of this.processes) {
      await this.parts.runtime
        .signal(handle, 'KILL')
        .catch((error: unknown) => this.warn(error, 'killing a step failed'));
    }
  }

  /**
   * Containers of steps, unless somebody is in one, and, of a build that cannot be resumed, its own artifacts unless they
   * wait to be fetched: the journal names them. What fails here is left to the sweep of the tracker, and so is what is kept.
   */
  private async removeTraces(what: 'all' | 'processes'): Promise<void> {
    const { db, runtime, artifacts, settings } = this.parts;
    try {
      const steps = this.journal.allSteps();
      const handles = new Set([...steps.flatMap(({ handle }) => handle ?? []), ...this.processes]);
      const keepMs = what === 'all' ? settings.keepFailedContainersMs : 0;
      const isKept = handles.size > 0 && (await buildsWithContainers(db, [this.build.id], keepMs)).has(this.build.id);
      if (!isKept) for (const handle of handles) await runtime.remove(handle);
      if (what === 'processes') return;
      const made = steps.flatMap(({ result }) => artifactsOf(result));
      const own = made.filter(({ id }) => buildOfHandle(id) === this.build.id);
      const awaited = await knownRefs(
        db,
        own.map(({ id }) => id),
      );
      for (const ref of own) if (!awaited.has(ref.id)) await artifacts.remove(ref);
    } catch (error) {
      this.warn(error, 'removing what a build left failed');
    }
  }

  private warn(error: unknown, message: string): void {
    this.parts.log.warn({ buildId: this.build.id, error: messageOf(error) }, message);
  }

  /** Now, in unix seconds, as events have it. */
  get time(): number {
    return Math.floor(this.parts.clock.now().getTime() / 1000);
  }

  at(stepId: string, source?: EventOrigin['source']): { origin: EventOrigin; time: number } {
    return { origin: { id: stepId, ...(source ? { source } : {}) }, time: this.time };
  }

  /** Says something of the whole build in its log. */
  async tell(text: string): Promise<void> {
    await this.journal.log(this.plan.id, [this.logEvent(this.plan.id, text)]);
  }

  errorEvent(stepId: string, message: string): BuildEvent {
    return { event: 'error', data: { ...this.at(stepId), message } };
  }

  logEvent(stepId: string, text: string): BuildEvent {
    return { event: 'log', data: { ...this.at(stepId, 'stderr'), payload: text.endsWith('\n') ? text : `${text}\n` } };
  }
}

/** What finished steps keep in the journal about the artifacts they made. */
export interface StepArtifacts {
  readonly artifacts?: Readonly<Record<string, ArtifactRef>>;
}

/** The artifacts that the result of a step names. */
export function artifactsOf(result: unknown): ArtifactRef[] {
  return Object.values((result as StepArtifacts | undefined)?.artifacts ?? {});
}

/** Secrets written into the sources and params of the plan: steps that finished before a restart are not asked again. */
function secretsOf(plan: PlanNode): string[] {
  const { step } = plan;
  const found =
    'source' in step
      ? secretsIn([
          step.source,
          'params' in step ? step.params : undefined,
          'resourceTypes' in step ? step.resourceTypes : undefined,
        ])
      : [];
  mapNodes(step, (child) => {
    found.push(...secretsOf(child));
    return child;
  });
  return found.filter((text) => !text.includes('((')); // a var: its value is learned when it is filled in
}
