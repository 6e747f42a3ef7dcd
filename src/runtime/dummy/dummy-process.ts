import path from 'node:path';
import { messageOf, systemClock } from '../../platform/index.js';
import type { ArtifactStore, LogChunk, StepSpec, StepState } from '../port.js';

/** A step's command as a function; it returns the exit code. A throw is exit code 1 with the message on standard error. */
export type DummyProgram = (step: DummyStep) => number | Promise<number>;

/** What a program sees of its step. Paths are relative to the step's root: its mounts stand where the spec puts them. */
export interface DummyStep {
  readonly spec: StepSpec;
  write(data: string | Uint8Array): void;
  writeError(data: string | Uint8Array): void;
  /** A file that the step wrote, or one of its mounts. @throws UserError `file-not-found` */
  readFile(file: string): Promise<Uint8Array>;
  writeFile(file: string, data: string | Uint8Array): void;
  /** Handles INT and TERM itself. Without a handler they end the step. KILL always does. */
  onSignal(handler: (signal: 'INT' | 'TERM') => void): void;
}

const MAX_CHUNK_BYTES = 64 * 1024;
const SIGNAL_NUMBERS = { INT: 2, TERM: 15, KILL: 9 } as const;

/** One step of a {@link import('./dummy-runtime.js').DummyWorld}. */
export class DummyProcess implements DummyStep {
  readonly createdAt = systemClock.now();
  readonly log: LogChunk[] = [];
  result: Uint8Array = new Uint8Array();
  state: StepState;
  private readonly files = new Map<string, Uint8Array>();
  private readonly listeners = new Set<() => void>();
  private handler: ((signal: 'INT' | 'TERM') => void) | undefined;
  private logBytes = 0;

  constructor(
    readonly spec: StepSpec,
    private readonly artifacts: ArtifactStore,
  ) {
    this.state = { handle: spec.handle, phase: 'running' };
  }

  get isOver(): boolean {
    return this.state.phase !== 'running';
  }

  run(program: DummyProgram): void {
    Promise.resolve(this)
      .then(program)
      .catch((error: unknown) => {
        this.writeError(`${messageOf(error)}\n`);
        return 1;
      })
      .then((code) => this.end({ handle: this.spec.handle, phase: 'exited', exit: { code } }))
      .catch(() => undefined);
  }

  refuse(reason: string): void {
    this.writeError(`weir: ${reason}\n`);
    this.end({ handle: this.spec.handle, phase: 'exited', exit: { code: 127 }, reason });
  }

  lose(reason: string): void {
    this.end({ handle: this.spec.handle, phase: 'lost', reason });
  }

  deliver(signal: 'INT' | 'TERM' | 'KILL'): void {
    if (this.isOver) return;
    if (signal !== 'KILL' && this.handler !== undefined) return this.handler(signal);
    this.end({ handle: this.spec.handle, phase: 'exited', exit: { code: 128 + SIGNAL_NUMBERS[signal], signal } });
  }

  write(data: string | Uint8Array): void {
    if (this.isOver) return;
    if (this.spec.stdoutTo === 'result') this.result = Buffer.concat([this.result, Buffer.from(data)]);
    else this.append('stdout', Buffer.from(data));
  }

  writeError(data: string | Uint8Array): void {
    if (!this.isOver) this.append('stderr', Buffer.from(data));
  }

  async readFile(file: string): Promise<Uint8Array> {
    const own = this.files.get(path.posix.normalize(file));
    if (own !== undefined) return own;
    for (const { path: at, source } of this.spec.mounts) {
      const below = path.posix.relative(at, file);
      if ('file' in source && below === '') return source.file;
      if ('artifact' in source && !below.startsWith('..')) return this.artifacts.readFile(source.artifact, below);
    }
    throw new Error(`no such file: ${file}`);
  }

  writeFile(file: string, data: string | Uint8Array): void {
    if (!this.isOver) this.files.set(path.posix.normalize(file), Buffer.from(data));
  }

  onSignal(handler: (signal: 'INT' | 'TERM') => void): void {
    this.handler = handler;
  }

  /** Written files below a folder, with their paths in it. */
  filesBelow(dir: string): [string, Uint8Array][] {
    return [...this.files]
      .map(([file, data]): [string, Uint8Array] => [path.posix.relative(dir, file), data])
      .filter(([file]) => !file.startsWith('..'));
  }

  /** Resolves at the next output or at the end. @throws when `signal` aborts */
  async changed(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.listeners.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.listeners.add(done);
      signal.addEventListener('abort', done);
    });
    signal.throwIfAborted();
  }

  private append(stream: 'stdout' | 'stderr', data: Uint8Array): void {
    for (let at = 0; at < data.length; at += MAX_CHUNK_BYTES) {
      const piece = data.subarray(at, at + MAX_CHUNK_BYTES);
      this.logBytes += piece.length;
      this.log.push({ stream, data: piece, cursor: String(this.logBytes) });
    }
    this.tell();
  }

  private end(state: StepState): void {
    if (this.isOver) return;
    this.state = state;
    this.tell();
  }

  private tell(): void {
    for (const listener of [...this.listeners]) listener();
  }
}
