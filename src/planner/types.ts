import type { BuildId, Digest, JobId, ResourceId, Version } from '../model/index.js';

/** What one job asks for: its get steps, in order. The order decides between sets that satisfy equally. */
export interface JobRequest {
  readonly jobId: JobId;
  readonly inputs: readonly InputRequest[];
}

export interface InputRequest {
  readonly name: string;
  readonly resourceId: ResourceId;
  /** Does a never-used version of this input start a build? Does not influence choosing. */
  readonly trigger: boolean;
  /** null: any version of the history will do. */
  readonly passed: Passed | null;
  /** A pin matches versions that contain all its keys and values; `by` says whose pin it is. */
  readonly version: 'latest' | 'every' | { readonly pinned: Version; readonly by: 'step' | 'config' | 'api' };
}

/** Which jobs a version must have passed. `all` and `any` nest. */
export type Passed =
  { readonly job: JobId } | { readonly all: readonly Passed[] } | { readonly any: readonly Passed[] };

/** What the planner found for a whole job. */
export interface InputPlan {
  /** Every input has a version. */
  readonly resolved: boolean;
  /** Another round would find more to build (`every` has a backlog). Of no use while `resolved` is false. */
  readonly hasNext: boolean;
  /** In the order of the request. */
  readonly inputs: readonly (ResolvedInput | UnresolvedInput)[];
}

export interface ResolvedInput {
  readonly name: string;
  readonly resourceId: ResourceId;
  readonly digest: Digest;
  readonly version: Version;
  /** No build of the job ever recorded this version under this input name. */
  readonly firstOccurrence: boolean;
  /** The upstream builds that vouch for the version, ascending. */
  readonly passedBuildIds: readonly BuildId[];
}

export interface UnresolvedInput {
  readonly name: string;
  readonly resourceId: ResourceId;
  readonly error: UnresolvedCode;
  /** Exact texts that users and UIs match on: scheduler-semantics §7. */
  readonly text: string;
}

export type UnresolvedCode =
  | 'no_versions'
  | 'no_versions_every'
  | 'pinned_not_found'
  | 'no_passed_satisfied'
  | 'version_unavailable'
  | 'work_budget_spent';

export function isResolved(input: ResolvedInput | UnresolvedInput): input is ResolvedInput {
  return !('error' in input);
}

/** Bounds of one plan, so that a world made to be hard costs its own job something and nobody else anything. */
export interface WorkBudget {
  /** Search steps of one group of inputs: builds looked at, versions tried, questions asked. */
  readonly steps: number;
  /** Times one group may ask history; on PostgreSQL each is a round trip. */
  readonly rounds: number;
}

export const DEFAULT_WORK_BUDGET: WorkBudget = { steps: 100_000, rounds: 2_000 };
