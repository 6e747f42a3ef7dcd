import type { JobVarConfig, JsonObject } from '../model/index.js';

/** What the CLI reads out of answers. Names and types are those of the wire contract; `pause_reason`, `why`, `vars` and sources are ours. */

export interface WireBuild {
  readonly id: number;
  readonly name: string;
  readonly status: string;
  readonly team_name: string;
  readonly job_name?: string;
  readonly resource_name?: string;
  readonly pipeline_name?: string;
  readonly pipeline_instance_vars?: JsonObject;
  readonly start_time?: number;
  readonly end_time?: number;
  readonly created_by?: string;
  readonly comment?: string;
  /** Values of its job's vars; ours. */
  readonly vars?: JsonObject;
}

/** Where steps run; ours. */
export interface WireRuntime {
  readonly name: string;
  readonly kind: string;
  readonly tags: readonly string[];
  readonly takes_untagged_steps: boolean;
  readonly state: 'running' | 'unreachable';
  readonly reason?: string;
  readonly capabilities: {
    readonly description?: string;
    readonly isolation?: string;
    readonly platforms?: readonly string[];
  };
  readonly slots: number;
  readonly running: readonly WireSlotUse[];
  readonly queue: readonly (WireSlotUse & { readonly position: number })[];
}

/** `build` and what goes with it are absent when another team's build it is. */
export interface WireSlotUse {
  readonly build?: string;
  readonly build_id?: number;
  readonly step_id?: string;
  readonly since: number;
}

export interface WirePipeline {
  readonly id: number;
  readonly name: string;
  readonly instance_vars?: JsonObject;
  readonly team_name: string;
  readonly paused: boolean;
  readonly paused_by?: string;
  readonly paused_at?: number;
  readonly pause_reason?: string;
  readonly public: boolean;
  readonly archived: boolean;
  readonly last_updated?: number;
  readonly source?: { readonly name: string; readonly path: string };
}

export interface WireJob {
  readonly id: number;
  readonly name: string;
  readonly team_name: string;
  readonly pipeline_name: string;
  readonly pipeline_instance_vars?: JsonObject;
  readonly paused?: boolean;
  readonly paused_by?: string;
  readonly paused_at?: number;
  readonly pause_reason?: string;
  readonly next_build?: WireBuild | null;
  readonly finished_build?: WireBuild | null;
  readonly inputs?: readonly {
    readonly name: string;
    readonly resource: string;
    readonly trigger?: boolean;
    readonly passed?: unknown;
  }[];
  readonly outputs?: readonly { readonly name: string; readonly resource: string }[];
  /** What whoever starts a build may or must give; ours. */
  readonly vars?: readonly JobVarConfig[];
  /** Why nothing runs: per pending build, or with `build_id: null` for a job that has none. */
  readonly why?: readonly {
    readonly build_id: number | null;
    readonly build_name?: string;
    readonly reasons: readonly string[];
  }[];
}

export interface WireResource {
  readonly name: string;
  readonly type: string;
  readonly last_checked?: number;
  readonly check_error?: string;
  readonly paused?: boolean;
  readonly paused_by?: string;
  readonly paused_at?: number;
  readonly pause_reason?: string;
  readonly pinned_version?: Readonly<Record<string, string>>;
  readonly pinned_in_config?: boolean;
  readonly pin_comment?: string;
}

export interface WireVersion {
  readonly id: number;
  readonly version: Readonly<Record<string, string>>;
  readonly metadata?: readonly { readonly name: string; readonly value: string }[];
  readonly enabled: boolean;
  readonly disabled_by?: string;
  readonly disabled_reason?: string;
}

export interface WireSource {
  readonly name: string;
  readonly uri: string;
  readonly branch?: string;
  readonly path_glob: string;
  readonly credentials: 'none' | 'private_key' | 'password';
  readonly vars: Readonly<Record<string, unknown>>;
  readonly interval_seconds: number;
  readonly has_webhook: boolean;
  readonly syncing: boolean;
  readonly next_sync_at: number;
  readonly last_synced_at?: number;
  readonly last_commit?: string;
  readonly last_error?: {
    readonly message: string;
    readonly problems: readonly string[];
    readonly commit?: string;
    readonly at: string;
  };
  readonly pipelines: readonly string[];
}

/** Why a job runs or does not. */
export interface WireJobExplanation {
  readonly job: string;
  readonly runs: boolean;
  readonly summary: string;
  readonly running: readonly { readonly name: string }[];
  readonly builds: readonly { readonly name: string | null; readonly blockers: readonly WireText[] }[];
  readonly when_nothing_waits: string | null;
  readonly inputs: readonly {
    readonly name: string;
    readonly resource: string;
    readonly trigger: boolean;
    readonly passed: readonly string[];
    readonly error?: string;
    readonly check: WireText & { readonly state: string };
    readonly candidates: readonly (WireText & {
      readonly version: Readonly<Record<string, string>>;
      readonly verdict: { readonly kind: string };
    })[];
    readonly more: number;
  }[];
  readonly fixes: readonly WireText[];
}

/** Why a build ran with its versions, or waits. */
export interface WireBuildExplanation {
  readonly build: WireBuild;
  readonly summary: string;
  readonly blockers: readonly WireText[];
  readonly inputs: readonly (WireText & { readonly name: string; readonly resource: string })[];
  readonly fixes: readonly WireText[];
}

export interface WireText {
  readonly text: string;
}

/** One frame's `data` of the event stream. */
export interface WireEvent {
  readonly event: string;
  readonly version: string;
  readonly data: {
    readonly time?: number;
    readonly status?: string;
    readonly payload?: string;
    readonly message?: string;
    readonly exit_status?: number;
    readonly selected_worker?: string;
    readonly name?: string;
    readonly volume?: string;
    readonly config?: { readonly run?: { readonly path?: string; readonly args?: readonly string[] } };
  };
}
