import type { BuildId, JobId, JsonObject, PipelineConfig, PipelineId, SourceId, TeamId } from '../model/index.js';
import type { PipelineChange } from './config/index.js';

/** Names one pipeline of one team. Without instance vars it is the plain pipeline of that name. */
export interface PipelineRef {
  readonly teamName: string;
  readonly name: string;
  readonly instanceVars?: JsonObject;
}

export interface JobRef extends PipelineRef {
  readonly job: string;
}

/** Who does something, and why. The reason is kept and shown. */
export interface ByWhom {
  readonly by: string;
  readonly reason?: string;
}

/** The commit and file that a revision came from. */
export interface RevisionOrigin {
  readonly sourceId: SourceId;
  readonly path: string;
  readonly commit: string;
  readonly author: string;
}

export interface SetPipelineRequest extends PipelineRef {
  readonly config: PipelineConfig;
  /**
   * Refuse with a conflict unless the stored config has this version; 0 means there is none (or the pipeline is
   * archived). Absent: set whatever is there.
   */
  readonly expectedVersion?: number;
  readonly by: string;
  readonly source?: RevisionOrigin;
  /**
   * The build whose `set_pipeline` step this is. It becomes the pipeline's parent, unless a newer build has set the pipeline
   * since: then nothing changes. Absent: the pipeline has no parent from now on.
   */
  readonly parent?: ParentBuild;
  /** Is a pipeline that this creates or un-archives paused? Others keep their state. @default true */
  readonly paused?: boolean;
}

/** A build of a job that sets pipelines. */
export interface ParentBuild {
  readonly jobId: JobId;
  readonly buildId: BuildId;
}

export interface SetPipelineResult {
  readonly pipelineId: PipelineId;
  readonly created: boolean;
  /** False when the same config was there already: nothing was written. */
  readonly changed: boolean;
  /** Version of the config that is now stored. */
  readonly version: number;
  readonly changes: readonly PipelineChange[];
  /** The newer build that had set the pipeline already; then nothing was written. */
  readonly newerBuild?: BuildId;
}

export interface Pipeline {
  readonly id: PipelineId;
  readonly teamId: TeamId;
  readonly teamName: string;
  readonly name: string;
  readonly instanceVars?: JsonObject;
  readonly configVersion: number;
  readonly paused: boolean;
  readonly pausedBy?: string;
  readonly pausedAt?: Date;
  readonly pauseReason?: string;
  readonly public: boolean;
  readonly archived: boolean;
  readonly groups?: PipelineConfig['groups'];
  readonly display?: PipelineConfig['display'];
  readonly userData?: unknown;
  /** The job and the build whose step set it. */
  readonly parentJobId?: JobId;
  readonly parentBuildId?: BuildId;
  /** Where it is synced from, if it is. */
  readonly source?: { readonly id: SourceId; readonly name: string; readonly path: string };
  readonly updatedAt: Date;
}

/** One config that was set, kept for ever. */
export interface Revision {
  readonly version: number;
  readonly setBy?: string;
  readonly commit?: string;
  readonly author?: string;
  readonly file?: string;
  readonly createdAt: Date;
}
