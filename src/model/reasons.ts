import type { BuildId, ResourceId } from './ids.js';

/** Who stopped something, when and why. */
export interface PauseInfo {
  readonly by: string | null;
  /** ISO 8601. */
  readonly at: string | null;
  readonly reason: string | null;
}

/** A build as people name it: `job #name`. */
export interface BuildRef {
  readonly id: BuildId;
  readonly job: string;
  readonly name: string;
}

/**
 * Why a pending build does not start, or why a job has no build to start. The API, the CLI and the browser show these;
 * {@link describeBlocker} puts them in words.
 */
export type Blocker =
  | ({ readonly kind: 'pipeline-paused' } & PauseInfo)
  | ({ readonly kind: 'job-paused' } & PauseInfo)
  /** `builds` run now and fill the limit; empty when the build only waits for older ones, `place` then being above 1. */
  | {
      readonly kind: 'max-in-flight';
      readonly limit: number;
      readonly builds: readonly BuildRef[];
      readonly place: number;
    }
  | {
      readonly kind: 'serial-group';
      readonly group: string;
      readonly builds: readonly BuildRef[];
      readonly place: number;
    }
  /** A check must end that starts after `since` (ISO 8601), the creation of the build. */
  | {
      readonly kind: 'waiting-for-check';
      readonly input: string;
      readonly resource: string;
      readonly resourceId: ResourceId;
      readonly since: string;
    }
  | { readonly kind: 'inputs'; readonly inputs: readonly UnresolvedInputReason[] }
  /** Builds of a job start in order; an older one has not started. */
  | { readonly kind: 'older-build-waits'; readonly build: BuildRef }
  /** Everything is ready and the next round starts it. */
  | { readonly kind: 'starting' }
  /** No build is pending: no input that triggers has a version that was never used. */
  | { readonly kind: 'nothing-new' };

export interface UnresolvedInputReason {
  readonly input: string;
  /** A code of the planner, such as `no_passed_satisfied`. */
  readonly code: string;
  readonly text: string;
}

/** What the trigger loop last found out about a job: per pending build, or with `build: null` for a job that has none. */
export interface BuildBlockers {
  readonly build: BuildId | null;
  readonly reasons: readonly Blocker[];
}

/** One sentence without a full stop. */
export function describeBlocker(blocker: Blocker): string {
  switch (blocker.kind) {
    case 'pipeline-paused':
      return `the pipeline is paused${describePause(blocker)}`;
    case 'job-paused':
      return `the job is paused${describePause(blocker)}`;
    case 'max-in-flight':
      return `the job runs at most ${blocker.limit} at once${describeQueue(blocker.builds, blocker.place)}`;
    case 'serial-group':
      return `serial group ${blocker.group} runs one build at a time${describeQueue(blocker.builds, blocker.place)}`;
    case 'waiting-for-check':
      return `input ${blocker.input} waits for a check of resource ${blocker.resource} that is newer than ${describeTime(blocker.since)}`;
    case 'inputs':
      return blocker.inputs.map(({ input, text }) => `input ${input}: ${text}`).join('; ');
    case 'older-build-waits':
      return `the older build ${describeBuild(blocker.build)} waits, and builds of a job start in order`;
    case 'starting':
      return 'it is about to start';
    case 'nothing-new':
      return 'no input that triggers has a new version';
  }
}

/** ` by ann since 2026-11-21 18:22 UTC: why`; what is not known is left out. */
export function describePause({ by, at, reason }: PauseInfo): string {
  return `${by ? ` by ${by}` : ''}${at ? ` since ${describeTime(at)}` : ''}${reason ? `: ${reason}` : ''}`;
}

/** An ISO 8601 time for people: `2026-11-21 18:22 UTC`. */
export function describeTime(at: string): string {
  return `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

function describeQueue(builds: readonly BuildRef[], place: number): string {
  const running = builds.length > 0 ? `; running: ${builds.map(describeBuild).join(', ')}` : '';
  return `${running}; place ${place} in the queue`;
}

/** `job #7`. */
export function describeBuild({ job, name }: BuildRef): string {
  return `${job} #${name}`;
}
