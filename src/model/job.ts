import type { Build } from './build.js';
import type { BuildStatus } from './status.js';
import type { Digest, Version } from './version.js';
import type { BuildId, JobId, PipelineId, ResourceId } from './ids.js';
import type { JobConfig, JsonObject } from './pipeline-config.js';
import type { BuildBlockers, PauseInfo } from './reasons.js';

/** A job with what is shown about it. */
export interface Job {
  readonly id: JobId;
  readonly name: string;
  readonly teamName: string;
  readonly pipelineId: PipelineId;
  readonly pipelineName: string;
  readonly instanceVars?: JsonObject;
  readonly config: JobConfig;
  /** The job's own pause; its pipeline may be paused as well. */
  readonly paused?: PauseInfo;
  readonly pipelinePaused?: PauseInfo;
  /** A version waits that no build of the job has used. */
  readonly hasNewInputs: boolean;
  /** Groups of the pipeline that the job belongs to. */
  readonly groups: readonly string[];
  readonly inputs: readonly JobInput[];
  readonly outputs: readonly { readonly name: string; readonly resource: string }[];
  /** The oldest build that is pending or started. */
  readonly nextBuild?: Build;
  /** The latest completed build. */
  readonly finishedBuild?: Build;
  /** The build with which the job last changed its colour. */
  readonly transitionBuild?: Build;
  /** What the trigger loop last found, as stored; see `JobsService.preparation` for what holds now. */
  readonly blockers: readonly BuildBlockers[];
}

/** What a job is by its pipeline's config, as lists show it. */
export type JobShape = Pick<Job, 'groups' | 'inputs' | 'outputs'>;

/** A job as lists show it. */
export interface JobListing extends JobShape, Pick<Job, 'id' | 'name' | 'teamName' | 'pipelineId' | 'pipelineName'> {
  readonly instanceVars?: JsonObject;
  readonly paused?: PauseInfo;
  readonly hasNewInputs: boolean;
  readonly disablesManualTrigger: boolean;
  readonly disablesReruns: boolean;
  readonly nextBuild?: ListedBuild;
  readonly finishedBuild?: ListedBuild;
  readonly transitionBuild?: ListedBuild;
}

/** A build of a listed job. Times are Unix seconds. */
export interface ListedBuild {
  readonly id: BuildId;
  readonly name: string;
  readonly status: BuildStatus;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
}

export interface JobInput {
  readonly name: string;
  readonly resource: string;
  readonly trigger: boolean;
  /** Names of the jobs, flat, whatever `all` and `any` say. */
  readonly passed: readonly string[];
  readonly version?: 'latest' | 'every' | Version;
}

/** What the job's next build would use, per get step in plan order; raw source and params, `((vars))` unfilled. */
export interface NextInput {
  readonly name: string;
  readonly resource: string;
  readonly resourceId: ResourceId;
  readonly type: string;
  readonly source: JsonObject;
  readonly params?: JsonObject;
  readonly version: Version;
  readonly tags?: readonly string[];
}

/**
 * Everything that decides about a job's builds except the choice of versions, read at one moment.
 * Lists of builds are in build order, oldest first (scheduler-semantics §1).
 */
export interface JobSnapshot {
  readonly jobId: JobId;
  readonly pipelineId: PipelineId;
  readonly jobName: string;
  readonly configVersion: number;
  /** When it was read, by the database's clock. */
  readonly nowMs: number;
  readonly scheduleRequested: number;
  readonly scheduleDone: number;
  readonly isArchived: boolean;
  readonly pipelinePaused: PauseInfo | null;
  readonly jobPaused: PauseInfo | null;
  readonly hasNewInputs: boolean;
  readonly inputsDetermined: boolean;
  /** A round has looked at the job before. */
  readonly isKnown: boolean;
  readonly blockers: readonly BuildBlockers[];
  /** At most this many builds at once over all jobs that share a serial group; null: no limit. */
  readonly limit: number | null;
  /** The job's serial groups; its limit counts builds of all jobs that share one. Empty: its own builds only. */
  readonly serialGroups: readonly string[];
  readonly inputs: readonly InputSnapshot[];
  readonly nextInputs: readonly StoredInput[];
  readonly nextPipes: readonly BuildId[];
  readonly pending: readonly PendingBuild[];
  /** Started builds of all jobs that share a serial group with this one, itself included; read only for jobs with a limit. */
  readonly running: readonly GroupBuild[];
  /** Pending builds of the other jobs of the groups which could start if they had a slot: not paused, with inputs. */
  readonly rivals: readonly GroupBuild[];
}

export interface InputSnapshot {
  readonly name: string;
  readonly resource: string;
  readonly resourceId: ResourceId;
  readonly trigger: boolean;
  /** As stored: null or which jobs a version must have passed. */
  readonly passed: unknown;
  /** As written on the step. */
  readonly version: 'latest' | 'every' | Version | null;
  readonly pin: { readonly version: Version; readonly by: 'config' | 'api' } | null;
  readonly isResourcePaused: boolean;
  readonly hasHistory: boolean;
  /** Milliseconds since 1970, as all times here. */
  readonly checkEndedAtMs: number | null;
  readonly nextCheckAtMs: number | null;
  /** `never` or a duration, if the resource says how often it is checked. */
  readonly checkEvery: string | null;
}

/** A row of the job's next inputs. */
export interface StoredInput {
  readonly name: string;
  readonly resourceId: ResourceId;
  readonly digest: Digest | null;
  readonly version: Version | null;
  readonly firstOccurrence: boolean | null;
  readonly errorCode: string | null;
  readonly errorText: string | null;
}

export interface PendingBuild {
  readonly id: BuildId;
  readonly name: string;
  readonly isManual: boolean;
  /** The original that it runs again. */
  readonly rerunOf: BuildId | null;
  readonly isAborted: boolean;
  readonly createdAtMs: number;
}

export interface GroupBuild {
  readonly id: BuildId;
  readonly name: string;
  readonly job: string;
  /** The id that gives its place in build order: its original's, or its own. */
  readonly place: number;
  readonly groups: readonly string[];
}

/** Why a pending build waits, in the shape that clients of Concourse know, plus our own words. */
export interface BuildPreparation {
  readonly build_id: BuildId;
  readonly paused_pipeline: PreparationStatus;
  readonly paused_job: PreparationStatus;
  readonly max_running_builds: PreparationStatus;
  readonly inputs: Readonly<Record<string, PreparationStatus>>;
  readonly inputs_satisfied: PreparationStatus;
  readonly missing_input_reasons: Readonly<Record<string, string>>;
  readonly blockers: BuildBlockers['reasons'];
  /** The blockers in words. */
  readonly reasons: readonly string[];
}

export type PreparationStatus = 'unknown' | 'blocking' | 'not_blocking';
