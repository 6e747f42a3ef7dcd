import type { Readable, Writable } from 'node:stream';
import { UserError } from '../platform/index.js';

/**
 * The port to wherever steps run. The life of a step:
 *
 * 1. The engine writes the handle into the journal, then calls {@link Runtime.start}. Handles are deterministic, so after
 *    a crash the same start is asked again and finds what is already there.
 * 2. {@link Runtime.logs} is followed from the last stored cursor until the process is over.
 * 3. {@link Runtime.inspect} tells the exit; {@link Runtime.sealOutput} turns each output into an artifact, after failure too.
 * 4. {@link Runtime.remove} forgets the step once logs and outputs are stored.
 *
 * Every method may be called from a new server that has never seen the step. All are safe to call at the same time for
 * different handles; calls for one handle come one after the other. The scheduler never sees a physical volume: artifacts
 * are immutable and every mount is a private writable view.
 */
export interface Runtime {
  readonly kind: 'process' | 'docker' | 'kubernetes' | 'dummy';
  /** Can a server join steps that another one started? One that cannot must never start them again. */
  readonly isShared: boolean;
  capabilities(): Promise<Capabilities>;
  /** Idempotent by handle; returns when the step is accepted, not when it ends. */
  start(spec: StepSpec): Promise<void>;
  inspect(handle: Handle): Promise<StepState>;
  /** Steps of this runtime with all of the labels: for garbage collection and re-adoption. */
  list(labels: Readonly<Record<string, string>>): Promise<readonly ListedStep[]>;
  /**
   * Output from the cursor on (null: from the start), in order, each byte once per call, ending only when the process is
   * over and everything was read; at once for a handle that nobody started. The cursor of a chunk stands after its last
   * byte. A chunk has at most 64 KiB and ends at the end of a line where it can, else of a UTF-8 character.
   */
  logs(handle: Handle, from: string | null, signal: AbortSignal): AsyncIterable<LogChunk>;
  /** Resolves when the step is no longer pending or running; rejects when `signal` aborts. */
  wait(handle: Handle, signal: AbortSignal): Promise<StepState>;
  /** Captured standard output of a step with `stdoutTo: 'result'`. @throws when it is larger than the runtime's cap (4 MiB). */
  result(handle: Handle): Promise<Uint8Array>;
  /** Reaches the whole process tree. No error when it is gone. */
  signal(handle: Handle, signal: 'INT' | 'TERM' | 'KILL'): Promise<void>;
  /** After exit, also after failure. Idempotent: the same handle and output give the same artifact. */
  sealOutput(handle: Handle, output: string): Promise<ArtifactRef>;
  /** After exit: the caches go to the next step that asks, which need not wait for {@link Runtime.remove}. Idempotent. */
  returnCaches?(handle: Handle): Promise<void>;
  /** Idempotent. Logs and outputs must be stored before. Ends what {@link Runtime.exec} has begun there. */
  remove(handle: Handle): Promise<void>;
  /**
   * Removes the caches that no step uses now and whose keys `live` does not give. It is asked after the caches were looked
   * for: one that is made meanwhile has its key before it is there.
   */
  sweepCaches?(live: () => Promise<readonly string[]>): Promise<void>;
  /**
   * Runs a command to its end where the last one of the handle ran, with the files that it left there; the first one in a new
   * place, which {@link Runtime.remove} forgets. Nothing but standard input may differ from run to run, and there are no
   * mounts. One run at a time; it does not outlive the server. Standard error goes to `log`.
   * @returns undefined where nothing is kept: then nothing was run. Absent where that is always so.
   * @throws UserError `result-too-large`; the reason of the signal, which ends the command.
   */
  runAgain?(spec: StepSpec, signal: AbortSignal, log: (data: Uint8Array) => void): Promise<CommandEnd | undefined>;
  /**
   * Runs a command where the step runs or, when it is over, where it ran, with its files and environment. For people who look
   * around: never part of a step. Absent where that cannot be done.
   * @throws NotFoundError for an unknown step; {@link ExecutableNotFound}.
   */
  exec?(handle: Handle, spec: ExecSpec): Promise<ExecSession>;
}

/** How a command of {@link Runtime.runAgain} went. */
export interface CommandEnd {
  readonly state: StepState;
  /** Its standard output. */
  readonly result: Uint8Array;
}

/** A command that somebody runs in a step's place. */
export interface ExecSpec {
  readonly argv: readonly string[];
  /** Over the step's own. */
  readonly env: Readonly<Record<string, string>>;
  /** Default: the step's working folder. */
  readonly dir?: string;
  readonly user?: string;
  /** Makes a terminal of this size. Without one, input and output are plain bytes. */
  readonly tty?: WindowSize;
}

export interface WindowSize {
  readonly columns: number;
  readonly rows: number;
}

export interface ExecSession {
  readonly stdin: Writable;
  /** With a terminal, everything; else only standard output. Both end when the command is over. */
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Exit code. Rejects when it can never be known. */
  readonly exit: Promise<number>;
  resize(size: WindowSize): Promise<void>;
  /** Ends the command and what it started. No error when it is over. */
  close(): Promise<void>;
}

/** What was to be run is not there. */
export class ExecutableNotFound extends UserError {
  constructor(command: string) {
    super('executable-not-found', `executable file not found: ${command}`, 404);
  }
}

/** Immutable trees of files that steps hand to each other. */
export interface ArtifactStore {
  /** Makes an artifact from what `fill` writes into an empty folder; nothing is kept when `fill` throws. Idempotent by id. */
  create(id: string, fill: (dir: string) => Promise<void>): Promise<ArtifactRef>;
  /** A private writable copy of the artifact at `dir`, which must not exist. */
  copyTo(ref: ArtifactRef, dir: string): Promise<void>;
  /** One file of the artifact. @throws UserError `file-not-found` naming artifact and path; paths cannot leave the artifact. */
  readFile(ref: ArtifactRef, path: string): Promise<Buffer>;
  exists(ref: ArtifactRef): Promise<boolean>;
  /** Notes that the artifact is used now, which {@link list} tells as `createdAt`. @returns false when there is none. */
  touch(ref: ArtifactRef): Promise<boolean>;
  /** As a tar stream. */
  read(ref: ArtifactRef): Promise<Readable>;
  remove(ref: ArtifactRef): Promise<void>;
  list(): Promise<readonly { readonly ref: ArtifactRef; readonly createdAt: Date }[]>;
}

/** Deterministic name of a step's process: `b<build>-s<step>`, `[a-z0-9-]{1,63}`. */
export type Handle = string;

export interface ArtifactRef {
  readonly id: string;
}

export interface Capabilities {
  /** One line for people: what runs where, and how well it is isolated. */
  readonly description: string;
  readonly images: boolean;
  /** True where a step without an image cannot run. */
  readonly needsImage?: boolean;
  readonly isolation: 'none' | 'process-group' | 'namespaces' | 'container';
  /** What a step may ask for and does not get here. */
  readonly lacks?: readonly ('network-none' | 'limits' | 'privileged')[];
  readonly platforms: readonly string[];
}

export interface Mount {
  /** Absolute, or relative to the step's working folder. */
  readonly path: string;
  readonly source:
    | { readonly artifact: ArtifactRef }
    | { readonly output: string }
    | { readonly cache: string }
    | { readonly file: Uint8Array; readonly mode?: number };
}

export interface StepSpec {
  readonly handle: Handle;
  /** By name, where a server has several; undefined: the first that fits. */
  readonly runtime?: string;
  /** What the runtime must be called, if none is named. */
  readonly tags?: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly argv: readonly string[];
  /** The whole environment: nothing is inherited from the server. */
  readonly env: Readonly<Record<string, string>>;
  /** Relative to the working folder. */
  readonly dir?: string;
  readonly user?: string;
  readonly mounts: readonly Mount[];
  readonly stdin?: Uint8Array;
  /** `result`: standard output is the step's answer and not part of the log. */
  readonly stdoutTo: 'log' | 'result';
  /**
   * The files around the step. A runtime without images ignores this, but finds a command with an absolute path in it; one
   * that needs images refuses a step without.
   */
  readonly image?: StepImage;
  readonly privileged?: boolean;
  readonly limits?: StepLimits;
  /** `none`: no network but the loopback. */
  readonly network?: 'none';
}

/** An image by the name that the runtime itself can pull, or an artifact with `rootfs/` and `metadata.json`. */
export type StepImage = { readonly ref: string } | { readonly artifact: ArtifactRef };

export interface StepLimits {
  readonly memoryBytes?: number;
  /** Weight against other steps; 1024 is ordinary. */
  readonly cpuShares?: number;
}

/** `lost`: it was running and is gone without an exit status: never the same as an exit. */
export type StepPhase = 'absent' | 'pending' | 'running' | 'exited' | 'lost';

export interface StepState {
  readonly handle: Handle;
  readonly phase: StepPhase;
  /** In words, for `lost` and for an exit that was not the process's own doing. */
  readonly reason?: string;
  /** `signal` without `SIG`, such as `TERM`; the code is then 128 + its number. */
  readonly exit?: { readonly code: number; readonly signal?: string };
}

export interface ListedStep extends StepState {
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAt: Date;
}

export interface LogChunk {
  readonly stream: 'stdout' | 'stderr';
  readonly data: Uint8Array;
  /** Opaque; survives a restart of the server. */
  readonly cursor: string;
}
