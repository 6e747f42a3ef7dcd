import type { BuildId, JobId, PipelineId, ResourceId, TeamId } from './ids.js';
import type { JsonObject } from './pipeline-config.js';
import type { BuildStatus } from './status.js';
import type { Version } from './version.js';

/** One build, with the names of what it belongs to. A check build has a resource and no job. */
export interface Build {
  readonly id: BuildId;
  /** `7`, for a rerun `7.1`, for a check build `check`. */
  readonly name: string;
  readonly status: BuildStatus;
  readonly teamId: TeamId;
  readonly teamName: string;
  readonly pipelineId?: PipelineId;
  readonly pipelineName?: string;
  readonly instanceVars?: JsonObject;
  readonly jobId?: JobId;
  readonly jobName?: string;
  readonly resourceId?: ResourceId;
  readonly resourceName?: string;
  readonly manuallyTriggered: boolean;
  readonly rerunOf?: { readonly id: BuildId; readonly name: string };
  readonly rerunNumber?: number;
  readonly createdBy?: string;
  readonly comment: string;
  /** Values of its job's `vars`, as given and filled up with defaults when it was created; never empty. */
  readonly vars?: JsonObject;
  readonly createdAt: Date;
  readonly startedAt?: Date;
  readonly endedAt?: Date;
  /** When its log was removed. */
  readonly reapedAt?: Date;
  readonly abortedAt?: Date;
  readonly abortedBy?: string;
}

/** The versions a build used and made, in recorded order. */
export interface BuildResources {
  readonly inputs: readonly {
    readonly name: string;
    readonly version: Version;
    readonly pipelineId: PipelineId;
    readonly firstOccurrence: boolean;
  }[];
  readonly outputs: readonly { readonly name: string; readonly version: Version }[];
}
