import type {
  ContainerLimits,
  ImageResourceConfig,
  JsonObject,
  JsonValue,
  TaskConfig,
  ResourceTypeConfig,
} from './pipeline-config.js';
import type { ArtifactId } from './ids.js';
import type { Version } from './version.js';

/**
 * What a build will do, fixed when it starts: a tree of steps. `id` is unique in the build and stable, so the journal
 * and the events refer to it. Texts may still hold `((vars))`, which are filled in as late as possible.
 */
export interface PlanNode {
  readonly id: string;
  readonly step: PlanStep;
}

export type PlanStep =
  | GetPlan
  | PutPlan
  | TaskPlan
  | CheckPlan
  | SetPipelinePlan
  | LoadVarPlan
  | ArtifactInputPlan
  | ArtifactOutputPlan
  | { readonly kind: 'run'; readonly message: string; readonly type: string }
  | { readonly kind: 'do'; readonly steps: readonly PlanNode[] }
  | {
      readonly kind: 'in_parallel';
      readonly steps: readonly PlanNode[];
      /** At most this many at once; absent: all. */
      readonly limit?: number;
      readonly failFast: boolean;
    }
  | {
      readonly kind: 'across';
      readonly vars: readonly {
        readonly name: string;
        readonly values: JsonValue;
        readonly maxInFlight: number | 'all';
      }[];
      readonly failFast: boolean;
      /** Template of one combination; its ids are made when the values are known. */
      readonly template: PlanNode;
    }
  | { readonly kind: 'try'; readonly step: PlanNode }
  /** Runs the step only if the condition is true. It may speak of the versions of the job's gets. */
  | {
      readonly kind: 'when';
      readonly condition: string;
      readonly versions: Readonly<Record<string, Version>>;
      readonly step: PlanNode;
    }
  | { readonly kind: 'timeout'; readonly step: PlanNode; readonly duration: string }
  /** One node per attempt, each with ids of its own. */
  | { readonly kind: 'retry'; readonly attempts: readonly PlanNode[] }
  | { readonly kind: HookKind; readonly step: PlanNode; readonly hook: PlanNode };

export type HookKind = 'on_success' | 'on_failure' | 'on_error' | 'on_abort' | 'ensure';

/** The pipeline's own types that a step's type is made of, the used one first; absent: a type of the server itself. */
export type TypeChain = readonly ResourceTypeConfig[];

export interface GetPlan {
  readonly kind: 'get';
  readonly name: string;
  /** Name of the pipeline's resource; absent for anonymous ones. */
  readonly resource?: string;
  readonly type: string;
  readonly source: JsonObject;
  readonly params?: JsonObject;
  /** Exactly one of the two: the version to fetch, or the id of the put step whose version it is. */
  readonly version?: Version;
  readonly versionFrom?: string;
  readonly resourceTypes?: TypeChain;
  readonly timeout?: string;
  readonly tags?: readonly string[];
}

export interface PutPlan {
  readonly kind: 'put';
  readonly name: string;
  /** Name of the pipeline's resource; absent in a posted plan that puts to what is no resource of it. */
  readonly resource?: string;
  readonly type: string;
  readonly source: JsonObject;
  readonly params?: JsonObject;
  readonly inputs: 'detect' | 'all' | readonly string[];
  readonly resourceTypes?: TypeChain;
  readonly timeout?: string;
  readonly tags?: readonly string[];
}

export interface TaskPlan {
  readonly kind: 'task';
  readonly name: string;
  readonly config?: TaskConfig;
  /** `artifact/path.yml`, read when the step runs. Exactly one of `config` and `file` is set. */
  readonly file?: string;
  readonly image?: string;
  readonly privileged: boolean;
  readonly hermetic: boolean;
  readonly vars?: JsonObject;
  readonly params?: JsonObject;
  readonly inputMapping?: Readonly<Record<string, string>>;
  readonly outputMapping?: Readonly<Record<string, string>>;
  readonly limits?: ContainerLimits;
  readonly resourceTypes?: readonly ResourceTypeConfig[];
  readonly imageResource?: ImageResourceConfig;
  readonly timeout?: string;
  readonly tags?: readonly string[];
}

/** A check build's only step. */
export interface CheckPlan {
  readonly kind: 'check';
  readonly name: string;
  readonly resource: string;
  readonly type: string;
  readonly source: JsonObject;
  readonly from?: Version;
  /** The images of its types are not looked for anew. */
  readonly shallow?: boolean;
  readonly resourceTypes?: TypeChain;
  readonly timeout?: string;
  readonly tags?: readonly string[];
}

export interface SetPipelinePlan {
  readonly kind: 'set_pipeline';
  readonly name: string;
  readonly file: string;
  readonly team?: string;
  readonly vars?: JsonObject;
  readonly varFiles?: readonly string[];
  readonly instanceVars?: JsonObject;
}

export interface LoadVarPlan {
  readonly kind: 'load_var';
  readonly name: string;
  readonly file: string;
  readonly format?: string;
  readonly reveal: boolean;
}

/** Of a posted plan: files that somebody has uploaded become the artifact `name`. */
export interface ArtifactInputPlan {
  readonly kind: 'artifact_input';
  readonly name: string;
  readonly artifactId: ArtifactId;
}

/** Of a posted plan: the artifact `name` is kept for a while, to be fetched. */
export interface ArtifactOutputPlan {
  readonly kind: 'artifact_output';
  readonly name: string;
}
