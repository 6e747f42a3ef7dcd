import type { Blocker, Build, BuildId, BuildRef, SlotWait, Version } from '../model/index.js';
import type { Change, Verdict } from '../planner/index.js';

/** Why a job runs or does not, as of one moment; every text can be read without knowing the codes beside it. */
export interface JobExplanation {
  readonly job: string;
  /** A build of it runs, or starts with the next round. */
  readonly runs: boolean;
  /** The answer in one line. */
  readonly summary: string;
  /** Oldest first. */
  readonly running: readonly BuildRef[];
  /** Those that wait, in the order in which they will start. */
  readonly builds: readonly WaitingBuild[];
  /** Why no build waits; null when one does. */
  readonly whenNothingWaits: string | null;
  /** In the order of the plan. */
  readonly inputs: readonly ExplainedJobInput[];
  /** Small changes that help, each tried by planning and deciding again. */
  readonly fixes: readonly ExplainedFix[];
}

export interface WaitingBuild {
  /** null for the build that the next round will make. */
  readonly id: BuildId | null;
  readonly name: string | null;
  readonly blockers: readonly ExplainedBlocker[];
}

export type ExplainedBlocker = Blocker & { readonly text: string };

export interface ExplainedJobInput {
  readonly name: string;
  readonly resource: string;
  readonly trigger: boolean;
  /** Names of the jobs that a version must have passed, flat. */
  readonly passed: readonly string[];
  /** What the next build would get. */
  readonly chosen: Version | null;
  /** Why none is chosen. */
  readonly error: string | null;
  /** How the checks of the resource do. */
  readonly check: ExplainedCheck;
  /** Newest first; the chosen version comes last if it is older than all that is shown. */
  readonly candidates: readonly { readonly version: Version; readonly verdict: Verdict; readonly text: string }[];
  /** Versions that are not among the candidates. */
  readonly more: number;
}

export interface ExplainedCheck {
  readonly state: 'never' | 'running' | 'paused' | 'failed' | 'succeeded';
  readonly text: string;
}

/** Lets what is paused go on. */
export type BrakeChange = { readonly do: 'unpause-pipeline' } | { readonly do: 'unpause-job'; readonly job: string };

export interface ExplainedFix {
  /** For example `unpause job deploy and enable v7 of app`. */
  readonly text: string;
  readonly changes: readonly (Change | BrakeChange)[];
}

/** Why a build ran with its versions, or why it waits. */
export interface BuildExplanation {
  readonly build: Build;
  /** The answer in one line. */
  readonly summary: string;
  readonly cause: BuildCause;
  /** What it waits for; empty unless it is pending. */
  readonly blockers: readonly ExplainedBlocker[];
  /** Which of its steps wait for a slot on a runtime; empty unless it is started. */
  readonly waits: readonly (SlotWait & { readonly text: string })[];
  /** As recorded when it started. */
  readonly inputs: readonly ExplainedBuildInput[];
  /** What would let it start; empty unless it is pending. */
  readonly fixes: readonly ExplainedFix[];
}

export type BuildCause = { readonly text: string } &
  /** `inputs`: those that trigger and had a version which the job had never used. */
  (
    | { readonly kind: 'automatic'; readonly inputs: readonly string[] }
    | { readonly kind: 'manual' | 'check'; readonly by: string | null }
    | {
        readonly kind: 'rerun';
        readonly of: { readonly id: BuildId; readonly name: string };
        readonly by: string | null;
      }
  );

export interface ExplainedBuildInput {
  readonly name: string;
  readonly resource: string;
  readonly version: Version;
  /** No build of the job had used the version under this name. */
  readonly firstOccurrence: boolean;
  /** The upstream builds that held it. */
  readonly vouchedBy: readonly { readonly id: BuildId; readonly name: string }[];
  readonly text: string;
}
