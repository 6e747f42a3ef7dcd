import type { Version } from './version.js';

/**
 * A pipeline as written, after template vars and before run-time vars: `((x))` may still stand in any text.
 * Field names are those of the YAML, so that a stored config is given back as it was set.
 */
export interface PipelineConfig {
  readonly groups?: readonly GroupConfig[];
  readonly var_sources?: readonly VarSourceConfig[];
  readonly resources?: readonly ResourceConfig[];
  readonly resource_types?: readonly ResourceTypeConfig[];
  readonly prototypes?: readonly ResourceTypeConfig[];
  readonly jobs: readonly JobConfig[];
  readonly display?: { readonly background_image?: string; readonly background_filter?: string };
  readonly user_data?: unknown;
}

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };
export type JsonObject = { readonly [key: string]: JsonValue };

export interface GroupConfig {
  readonly name: string;
  /** Job names or globs. */
  readonly jobs?: readonly string[];
  readonly resources?: readonly string[];
}

export interface VarSourceConfig {
  readonly name: string;
  readonly type: string;
  readonly config?: JsonObject;
}

export interface ResourceConfig {
  readonly name: string;
  readonly old_name?: string;
  readonly type: string;
  readonly source?: JsonObject;
  readonly icon?: string;
  /** Pin written in the config. */
  readonly version?: Version;
  /** Duration text or `never`. */
  readonly check_every?: string;
  readonly check_timeout?: string;
  readonly tags?: readonly string[];
  readonly public?: boolean;
  readonly webhook_token?: string;
  readonly expose_build_created_by?: boolean;
}

export interface ResourceTypeConfig {
  readonly name: string;
  readonly type: string;
  readonly source?: JsonObject;
  readonly params?: JsonObject;
  readonly defaults?: JsonObject;
  readonly privileged?: boolean;
  readonly check_every?: string;
  readonly tags?: readonly string[];
}

export interface JobConfig extends StepHooks {
  readonly name: string;
  readonly old_name?: string;
  readonly plan?: readonly StepConfig[];
  readonly serial?: boolean;
  readonly serial_groups?: readonly string[];
  readonly max_in_flight?: number;
  readonly interruptible?: boolean;
  readonly public?: boolean;
  readonly disable_manual_trigger?: boolean;
  readonly disable_reruns?: boolean;
  readonly tags?: readonly string[];
  readonly build_log_retention?: {
    readonly days?: number;
    readonly builds?: number;
    readonly minimum_succeeded_builds?: number;
  };
  readonly build_logs_to_retain?: number;
  /** Condition without which the job's steps and hooks are skipped. Ours; Concourse does not know it. */
  readonly when?: string;
  /** Values that whoever starts a build gives, local vars of the whole build. Ours; Concourse does not know them. */
  readonly vars?: readonly JobVarConfig[];
}

export const JOB_VAR_TYPES = ['string', 'number', 'boolean', 'list', 'map'] as const;
export type JobVarType = (typeof JOB_VAR_TYPES)[number];

export interface JobVarConfig {
  readonly name: string;
  readonly type: JobVarType;
  /** Nobody starts a build without it. */
  readonly required?: boolean;
  /** Its value when none is given; absent: then there is no such var. */
  readonly default?: JsonValue;
  /** The only values that may be given. */
  readonly options?: readonly JsonValue[];
  readonly description?: string;
}

/** Steps that run around another step, by how it ended. Also usable on a job. */
export interface StepHooks {
  readonly on_success?: StepConfig;
  readonly on_failure?: StepConfig;
  readonly on_error?: StepConfig;
  readonly on_abort?: StepConfig;
  readonly ensure?: StepConfig;
}

/** What any step may carry besides its own keys. Outermost first: when, hooks, across, attempts, (timeout). */
export interface StepModifiers extends StepHooks {
  readonly across?: readonly AcrossVarConfig[];
  readonly fail_fast?: boolean;
  readonly attempts?: number;
  /** Duration text, for example `90s` or `1h30m`. */
  readonly timeout?: string;
  readonly tags?: readonly string[];
  /** Condition without which the step is skipped, with all its modifiers. Ours; Concourse does not know it. */
  readonly when?: string;
}

export interface AcrossVarConfig {
  readonly var: string;
  readonly values: JsonValue;
  readonly max_in_flight?: number | 'all';
}

export type StepConfig =
  | GetStepConfig
  | PutStepConfig
  | TaskStepConfig
  | SetPipelineStepConfig
  | LoadVarStepConfig
  | DoStepConfig
  | InParallelStepConfig
  | TryStepConfig
  | RunStepConfig;

/** Jobs that a version must have passed. A list means all of them; `any` needs one; both nest. Names may be globs. */
export type PassedConfig =
  readonly PassedTerm[] | { readonly all: readonly PassedTerm[] } | { readonly any: readonly PassedTerm[] };
export type PassedTerm = string | { readonly all: readonly PassedTerm[] } | { readonly any: readonly PassedTerm[] };

export interface GetStepConfig extends StepModifiers {
  readonly get: string;
  readonly resource?: string;
  readonly passed?: PassedConfig;
  readonly trigger?: boolean;
  readonly version?: 'latest' | 'every' | Version;
  readonly params?: JsonObject;
}

export interface PutStepConfig extends StepModifiers {
  readonly put: string;
  readonly resource?: string;
  readonly params?: JsonObject;
  readonly inputs?: 'detect' | 'all' | readonly string[];
  readonly get_params?: JsonObject;
  readonly no_get?: boolean;
}

export interface TaskStepConfig extends StepModifiers {
  readonly task: string;
  readonly file?: string;
  readonly config?: TaskConfig;
  readonly image?: string;
  readonly privileged?: boolean;
  readonly hermetic?: boolean;
  readonly vars?: JsonObject;
  readonly params?: JsonObject;
  readonly input_mapping?: Readonly<Record<string, string>>;
  readonly output_mapping?: Readonly<Record<string, string>>;
  readonly container_limits?: ContainerLimits;
}

export interface SetPipelineStepConfig extends StepModifiers {
  readonly set_pipeline: string;
  readonly file?: string;
  readonly vars?: JsonObject;
  readonly var_files?: readonly string[];
  readonly instance_vars?: JsonObject;
  readonly team?: string;
}

export interface LoadVarStepConfig extends StepModifiers {
  readonly load_var: string;
  readonly file?: string;
  readonly format?: 'raw' | 'trim' | 'json' | 'yml' | 'yaml';
  readonly reveal?: boolean;
}

export interface DoStepConfig extends StepModifiers {
  readonly do: readonly StepConfig[];
}

export interface InParallelStepConfig extends StepModifiers {
  readonly in_parallel:
    | readonly StepConfig[]
    | { readonly steps?: readonly StepConfig[]; readonly limit?: number; readonly fail_fast?: boolean };
}

export interface TryStepConfig extends StepModifiers {
  readonly try: StepConfig;
}

/** Accepted as Concourse does; prints that it is not implemented and succeeds. */
export interface RunStepConfig extends StepModifiers {
  readonly run: string;
  readonly type: string;
  readonly params?: JsonObject;
  readonly privileged?: boolean;
  readonly container_limits?: ContainerLimits;
}

export interface ContainerLimits {
  readonly cpu?: number | string;
  readonly memory?: number | string;
}

export interface TaskConfig {
  readonly platform?: string;
  readonly image_resource?: ImageResourceConfig;
  readonly rootfs_uri?: string;
  readonly inputs?: readonly { readonly name: string; readonly path?: string; readonly optional?: boolean }[];
  readonly outputs?: readonly { readonly name: string; readonly path?: string }[];
  readonly caches?: readonly { readonly path: string; readonly ttl?: string }[];
  readonly params?: JsonObject;
  readonly run?: {
    readonly path?: string;
    readonly args?: readonly string[];
    readonly dir?: string;
    readonly user?: string;
  };
  readonly container_limits?: ContainerLimits;
}

export interface ImageResourceConfig {
  readonly name?: string;
  readonly type: string;
  readonly source?: JsonObject;
  readonly params?: JsonObject;
  readonly version?: Version;
  readonly tags?: readonly string[];
}
