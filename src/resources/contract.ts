import type { z } from 'zod';
import type { FinalStatus, MetadataField, ResourceId, Version } from '../model/index.js';

export type { FinalStatus, MetadataField, Version } from '../model/index.js';
export { parseDurationMs } from '../model/index.js';

/**
 * A resource type that the server itself can check, get and put, without a container. Concourse's protocol in three
 * functions. Types live in `resource-types/<name>/` and import nothing of ours but this file.
 *
 * - `check` returns versions oldest first, beginning with `version` if that still exists; nothing found is an empty list.
 * - `get` fills the empty folder `dir`; the same version gives the same files. It may be repeated after a crash.
 * - `put` may be repeated after a crash in the middle of it: it must then give the same version or fail clearly.
 * - A thrown {@link ResourceFailure} means "the resource said no" (step failed); anything else is an error of ours (errored).
 * - All must stop soon when `signal` aborts, and leave no process behind.
 */
export interface ResourceType<Source = unknown, GetParams = unknown, PutParams = unknown> {
  readonly name: string;
  /** Concourse has no type of this name. */
  readonly isExtension?: boolean;
  readonly schema: {
    readonly source: z.ZodType<Source>;
    readonly getParams: z.ZodType<GetParams>;
    readonly putParams: z.ZodType<PutParams>;
  };
  /** Each resource keeps a history of its own even when equal sources could share one. */
  readonly uniqueHistory?: boolean;
  /** What limits of concurrent checks count by, for example the host of a URI; undefined: no limit. */
  hostOf?(source: Source): string | undefined;
  /**
   * True when a get of these makes an image in which this very type speaks the container protocol: a runtime without images
   * then uses the type itself where the pipeline wants that image.
   */
  isOwnImage?(source: Source, params: GetParams): boolean;
  /** Variables that such an image of the version gives its processes. */
  ownImageEnv?(version: Version): Readonly<Record<string, string>>;
  check(
    context: CheckContext,
    request: { readonly source: Source; readonly version?: Version },
  ): Promise<readonly Version[]>;
  get(
    context: StepContext,
    request: { readonly source: Source; readonly params: GetParams; readonly version: Version; readonly dir: string },
  ): Promise<FetchResult>;
  put(
    context: StepContext,
    request: { readonly source: Source; readonly params: PutParams; readonly dir: string },
  ): Promise<FetchResult>;
}

export interface FetchResult {
  readonly version: Version;
  readonly metadata: readonly MetadataField[];
}

export interface CheckContext {
  readonly signal: AbortSignal;
  /** A folder for this source alone, kept between checks; may be emptied at any time between them. */
  readonly cacheDir: string;
  /** Appends to the live log. */
  log(text: string): void;
  now(): Date;
  /** Whose check it is; absent for checks of images. */
  readonly resourceId?: ResourceId;
  /** Absent in a container. */
  readonly server?: ServerDoor;
  /** Metadata as {@link StepContext.env} has it, as far as it is known without a build. */
  readonly env?: Readonly<Record<string, string>>;
  /** The type runs in a container that may do everything. */
  readonly isPrivileged?: boolean;
  /** Which runtimes may run a type that is an image. Types of the server run in the server. */
  readonly tags?: readonly string[];
  /**
   * Fills the empty folder with an image (`rootfs/`, `metadata.json`) of the usual tools of this machine, in which the named
   * type of the server speaks the container protocol, with these variables besides its own. Undefined where there can be none.
   */
  readonly writeOwnImage?: (dir: string, type: string, env: Readonly<Record<string, string>>) => Promise<void>;
}

/**
 * What a type that runs inside the server may ask the server, in the name of the team that owns the resource. Types in
 * containers have no such door. It grows only by what a type cannot find out by itself.
 */
export interface ServerDoor {
  /** Why pipelines may not use the folder of this machine as a repository, with the way out; undefined when they may. */
  refusalOfFolder(path: string): Promise<string | undefined>;
  /** True when they may use every folder. */
  readonly opensEveryFolder: boolean;
  /**
   * Ended builds of a job in the job's order, beginning with `from` if that is one of them, else only the newest. A check that
   * asks is repeated as soon as a build of the job ends.
   * @throws ResourceFailure when there is no such job that the team may see.
   */
  endedBuilds(job: JobAddress, statuses: readonly FinalStatus[], from?: Version): Promise<readonly EndedBuild[]>;
  /** @throws ResourceFailure when there is no such job that the team may see, or it has no such ended build. */
  buildFacts(job: JobAddress, build: Version): Promise<BuildFacts>;
}

/** A job of a pipeline of this server. */
export interface JobAddress {
  /** Default: the asking team. Another team's pipeline must be exposed. */
  readonly team?: string;
  readonly pipeline: string;
  readonly instanceVars?: Readonly<Record<string, unknown>>;
  readonly job: string;
}

export interface EndedBuild {
  readonly id: number;
  readonly name: string;
  readonly status: FinalStatus;
}

/** What is known about an ended build; inputs and outputs in the order of its steps. */
export interface BuildFacts extends EndedBuild {
  readonly team: string;
  readonly pipeline: string;
  readonly instanceVars?: Readonly<Record<string, unknown>>;
  readonly job: string;
  readonly createdBy?: string;
  readonly startedAt?: Date;
  readonly endedAt: Date;
  readonly url: string;
  readonly inputs: readonly BuildVersion[];
  readonly outputs: readonly BuildVersion[];
}

/** A version that a build has got or made. */
export interface BuildVersion {
  readonly name: string;
  readonly resource: string;
  readonly type: string;
  readonly version: Version;
}

export interface StepContext extends CheckContext {
  /** Build metadata as Concourse gives it to resources: `BUILD_ID`, `BUILD_JOB_NAME`, … */
  readonly env: Readonly<Record<string, string>>;
  /**
   * The same for every repetition of one step of one build, and for no other step of any installation. A put that leaves
   * it with what it made can tell a repetition from a new wish.
   */
  readonly stepId?: string;
}

/**
 * Why a signal aborted, when that is final: the step's time is over or somebody aborted the build. A step that is
 * interrupted for another reason (the server stops, or lost its lease) is repeated, so what it has made must stay.
 */
export class StepInterrupted extends Error {
  override readonly name = 'StepInterrupted';
  constructor() {
    super('the step was interrupted');
  }
}

/** The resource answered, and the answer is no. The message goes to the build's log. */
export class ResourceFailure extends Error {
  override readonly name = 'ResourceFailure';
  constructor(
    message: string,
    readonly exitStatus = 1,
  ) {
    super(message);
  }
}
