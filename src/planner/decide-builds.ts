import type {
  Blocker,
  BuildBlockers,
  BuildRef,
  GroupBuild,
  InputSnapshot,
  JobSnapshot,
  PendingBuild,
  ResourceId,
} from '../model/index.js';
import { isResolved, type InputPlan } from './types.js';

/** A build that the decision creates has no id yet. */
export const NEW_BUILD = 'new';

export type BuildDecision<Build = PendingBuild | typeof NEW_BUILD> = { readonly build: Build } & (
  | { readonly do: 'abort' }
  /** `planned`: takes the plan's inputs; `copied`: those of the build it runs again. */
  | { readonly do: 'start'; readonly inputs: 'planned' | 'copied' }
  | { readonly do: 'wait'; readonly blockers: readonly Blocker[] }
);

/** What should happen to a job's builds. Nothing in it has been done. */
export interface BuildsDecision {
  /** Put an automatic build in the queue; it stands last in `builds`. */
  readonly create: boolean;
  /** Per pending build, in build order, what to do with it. */
  readonly builds: readonly BuildDecision[];
  /** Some input has a version that the job never used, whether or not it triggers. */
  readonly hasNewInputs: boolean;
  /** Another round has something to do at once. */
  readonly again: boolean;
  /** Resources that a waiting build needs checked. */
  readonly checks: readonly ResourceId[];
}

/**
 * Decides which pending builds to create, start and abort, and names for every one that waits what it waits for
 * (scheduler-semantics §8.1, §9, §10.1). Two decisions of ours: a pause never stops a job from queueing its one automatic
 * build, only from starting it; and at most one build per round takes the plan's inputs, so that the next one is planned
 * knowing them.
 */
export function decideBuilds(snapshot: JobSnapshot, plan: InputPlan): BuildsDecision {
  const fresh = plan.inputs.filter((input) => isResolved(input) && input.firstOccurrence).map((input) => input.name);
  const create = plan.resolved && !snapshot.isArchived && isTriggered(snapshot, fresh) && !hasPendingFor(snapshot);
  const round = new Round(snapshot, plan);
  const builds = [...snapshot.pending, ...(create ? ([NEW_BUILD] as const) : [])].map((build) => round.decide(build));
  return {
    create,
    builds,
    hasNewInputs: plan.resolved ? fresh.length > 0 && !round.hasUsedPlan : snapshot.hasNewInputs,
    again:
      round.hasUsedPlan &&
      (plan.hasNext || builds.some((each) => each.do === 'wait' && each.blockers.some((b) => b.kind === 'starting'))),
    checks: [...round.checks],
  };
}

/** The blockers to store with the job: per waiting build, or why there is none. */
export function blockersOf(decision: BuildsDecision, plan: InputPlan): BuildBlockers[] {
  const waiting = decision.builds.flatMap((each) =>
    each.do === 'wait' && each.build !== NEW_BUILD ? [{ build: each.build.id, reasons: each.blockers }] : [],
  );
  if (decision.builds.length > 0) return waiting;
  return [{ build: null, reasons: [plan.resolved ? { kind: 'nothing-new' } : unresolvedInputs(plan)] }];
}

function isTriggered(snapshot: JobSnapshot, fresh: readonly string[]): boolean {
  return snapshot.inputs.some((input) => input.trigger && fresh.includes(input.name));
}

/** A manual build without inputs yet will take the new versions; a rerun will not. */
function hasPendingFor({ pending }: JobSnapshot): boolean {
  return pending.some((build) => build.rerunOf === null);
}

/** Walks the pending builds of one job in build order. */
class Round {
  hasUsedPlan = false;
  readonly checks = new Set<ResourceId>();
  /** A build that cannot start now holds up those behind it. */
  private waiting: BuildRef | undefined;
  private readonly running: GroupBuild[];
  /** Everything that waits for a slot of our groups, in build order. */
  private queue: GroupBuild[];
  private readonly pauses: readonly Blocker[];

  constructor(
    private readonly snapshot: JobSnapshot,
    private readonly plan: InputPlan,
  ) {
    this.running = [...snapshot.running];
    const own = snapshot.pending.filter((build) => !build.isAborted && (build.rerunOf !== null || plan.resolved));
    this.queue = [...snapshot.rivals, ...own.map((build) => this.inGroups(build))].sort(
      (a, b) => a.place - b.place || a.id - b.id,
    );
    this.pauses = [
      ...(snapshot.pipelinePaused ? [{ kind: 'pipeline-paused', ...snapshot.pipelinePaused } as const] : []),
      ...(snapshot.jobPaused ? [{ kind: 'job-paused', ...snapshot.jobPaused } as const] : []),
    ];
  }

  decide(build: PendingBuild | typeof NEW_BUILD): BuildDecision {
    if (this.snapshot.isArchived || (build !== NEW_BUILD && build.isAborted)) return { build, do: 'abort' };
    if (this.pauses.length > 0) return { build, do: 'wait', blockers: this.pauses };
    if (this.waiting) {
      // Whoever asks by hand asks for checks, too: one may find what the older build waits for.
      for (const { resourceId } of this.staleInputs(build)) this.checks.add(resourceId);
      return { build, do: 'wait', blockers: [{ kind: 'older-build-waits', build: this.waiting }] };
    }
    const blocker = this.slotBlocker(build) ?? this.inputsBlocker(build);
    if (blocker) {
      if (build !== NEW_BUILD) this.waiting = { id: build.id, job: this.snapshot.jobName, name: build.name };
      return { build, do: 'wait', blockers: blocker };
    }
    this.takeSlot(build);
    const isRerun = build !== NEW_BUILD && build.rerunOf !== null;
    if (!isRerun) this.hasUsedPlan = true;
    return { build, do: 'start', inputs: isRerun ? 'copied' : 'planned' };
  }

  private slotBlocker(build: PendingBuild | typeof NEW_BUILD): Blocker[] | undefined {
    const { limit, serialGroups, jobName } = this.snapshot;
    if (limit === null) return undefined;
    const ahead =
      build === NEW_BUILD
        ? this.queue
        : this.queue.slice(
            0,
            this.queue.findIndex((each) => each.id === build.id),
          );
    // Without inputs it is not in the queue and holds no place; its inputs are what it waits for.
    const isQueued = build === NEW_BUILD || this.queue.some((each) => each.id === build.id);
    if (!isQueued || (this.running.length < limit && ahead.length === 0)) return undefined;
    const builds = this.running.map(({ id, job, name }) => ({ id, job, name }));
    const place = ahead.length + 1;
    const others = [...this.running, ...ahead];
    const group = serialGroups.find((name) => others.some((each) => each.groups.includes(name)));
    // A job limited by itself alone is a group of its own name.
    if (group === undefined || group === jobName) return [{ kind: 'max-in-flight', limit, builds, place }];
    return [{ kind: 'serial-group', group, builds, place }];
  }

  private inputsBlocker(build: PendingBuild | typeof NEW_BUILD): Blocker[] | undefined {
    if (build !== NEW_BUILD && build.rerunOf !== null) return undefined;
    const stale = this.staleInputs(build);
    if (stale.length > 0) {
      const since = new Date(this.createdAtMs(build)).toISOString();
      return stale.map(({ name, resource, resourceId }) => {
        this.checks.add(resourceId);
        return { kind: 'waiting-for-check', input: name, resource, resourceId, since };
      });
    }
    if (!this.plan.resolved) return [unresolvedInputs(this.plan)];
    return this.hasUsedPlan ? [{ kind: 'starting' }] : undefined;
  }

  /** Inputs whose resources must be checked before the build may fix its inputs; a rerun has them already. */
  private staleInputs(build: PendingBuild | typeof NEW_BUILD): readonly InputSnapshot[] {
    if (build !== NEW_BUILD && build.rerunOf !== null) return [];
    const isManual = build !== NEW_BUILD && build.isManual;
    return this.snapshot.inputs.filter((input) => needsCheck(input, this.createdAtMs(build), isManual));
  }

  private createdAtMs(build: PendingBuild | typeof NEW_BUILD): number {
    return build === NEW_BUILD ? this.snapshot.nowMs : build.createdAtMs;
  }

  private takeSlot(build: PendingBuild | typeof NEW_BUILD): void {
    if (build === NEW_BUILD) return; // the last of the walk: nobody behind it asks
    this.queue = this.queue.filter((each) => each.id !== build.id);
    this.running.push(this.inGroups(build));
  }

  private inGroups(build: PendingBuild): GroupBuild {
    const { jobName: job, serialGroups: groups } = this.snapshot;
    return { id: build.id, name: build.name, job, place: build.rerunOf ?? build.id, groups };
  }
}

/**
 * Must the resource be checked before a build of that age may fix its inputs? A pinned one not, nor one that no check can
 * move because it is paused: the build then uses what is known. A failed check counts as a check.
 */
function needsCheck(input: InputSnapshot, createdAtMs: number, isManual: boolean): boolean {
  if (input.passed !== null || input.isResourcePaused || input.pin || isPinnedStep(input)) return false;
  if (isManual) return !input.hasHistory || input.checkEndedAtMs === null || input.checkEndedAtMs < createdAtMs;
  if (input.trigger || !input.hasHistory || input.checkEvery === 'never') return false;
  return input.nextCheckAtMs !== null && input.nextCheckAtMs < createdAtMs;
}

function isPinnedStep({ version }: InputSnapshot): boolean {
  return version !== null && typeof version === 'object';
}

function unresolvedInputs(plan: InputPlan): Blocker {
  const inputs = plan.inputs.flatMap((input) =>
    isResolved(input) ? [] : [{ input: input.name, code: input.error, text: input.text }],
  );
  return { kind: 'inputs', inputs };
}
