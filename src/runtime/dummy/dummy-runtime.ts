import { mkdir, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { NotFoundError, UserError } from '../../platform/index.js';
import type {
  ArtifactRef,
  ArtifactStore,
  Capabilities,
  Handle,
  ListedStep,
  LogChunk,
  Runtime,
  StepSpec,
  StepState,
} from '../port.js';
import { DummyProcess, type DummyProgram } from './dummy-process.js';

/** What is left when every {@link DummyRuntime} object is gone: the processes and the programs they run. */
export class DummyWorld {
  readonly processes = new Map<Handle, DummyProcess>();

  /** @param programs by the first word of the command */
  constructor(readonly programs: Readonly<Record<string, DummyProgram>>) {}

  /** The step is gone without an exit, as after a power cut. */
  lose(handle: Handle, reason: string): void {
    this.processes.get(handle)?.lose(reason);
  }
}

/**
 * A runtime in memory whose programs are functions, for tests of the engine. It keeps the same contract as the real ones;
 * a new object with the same world is a restarted server.
 */
export class DummyRuntime implements Runtime {
  readonly kind = 'dummy';
  readonly isShared = true;

  constructor(
    private readonly world: DummyWorld,
    private readonly artifacts: ArtifactStore,
  ) {}

  async capabilities(): Promise<Capabilities> {
    return {
      description: 'Functions in memory, for tests.',
      images: false,
      isolation: 'none',
      lacks: ['network-none', 'limits', 'privileged'],
      platforms: ['dummy', process.platform],
    };
  }

  async start(spec: StepSpec): Promise<void> {
    const { processes, programs } = this.world;
    if (processes.has(spec.handle)) return;
    const name = spec.argv[0] ?? '';
    const process = new DummyProcess(spec, this.artifacts);
    processes.set(spec.handle, process);
    const program = Object.hasOwn(programs, name) ? programs[name] : undefined;
    if (program === undefined) process.refuse(`executable file not found: ${name}`);
    else process.run(program);
  }

  async inspect(handle: Handle): Promise<StepState> {
    return this.world.processes.get(handle)?.state ?? { handle, phase: 'absent' };
  }

  async list(labels: Readonly<Record<string, string>>): Promise<readonly ListedStep[]> {
    return [...this.world.processes.values()]
      .filter(({ spec }) => Object.entries(labels).every(([name, value]) => spec.labels[name] === value))
      .map((process) => ({ ...process.state, labels: process.spec.labels, createdAt: process.createdAt }));
  }

  async *logs(handle: Handle, from: string | null, signal: AbortSignal): AsyncGenerator<LogChunk> {
    signal.throwIfAborted();
    const process = this.world.processes.get(handle);
    if (process === undefined) return;
    const offset = Number(from ?? 0);
    for (let at = 0; ;) {
      const over = process.isOver;
      for (let chunk = process.log[at]; chunk !== undefined; chunk = process.log[++at]) {
        const unread = Number(chunk.cursor) - offset;
        if (unread <= 0) continue;
        yield { ...chunk, data: chunk.data.slice(Math.max(0, chunk.data.length - unread)) };
        signal.throwIfAborted();
      }
      if (over) return;
      if (!process.isOver) await process.changed(signal);
    }
  }

  async wait(handle: Handle, signal: AbortSignal): Promise<StepState> {
    const process = this.world.processes.get(handle);
    if (process === undefined) return { handle, phase: 'absent' };
    while (!process.isOver) await process.changed(signal);
    return process.state;
  }

  async result(handle: Handle): Promise<Uint8Array> {
    const process = this.demand(handle);
    if (process.spec.stdoutTo !== 'result')
      throw new Error(`step ${handle} has no result: its standard output is its log`);
    if (process.result.length > 4 * 1024 * 1024)
      throw new UserError('result-too-large', 'the result of the step is larger than 4 MiB');
    return process.result;
  }

  async signal(handle: Handle, signal: 'INT' | 'TERM' | 'KILL'): Promise<void> {
    this.world.processes.get(handle)?.deliver(signal);
  }

  async sealOutput(handle: Handle, output: string): Promise<ArtifactRef> {
    const process = this.demand(handle);
    if (!process.isOver) throw new Error(`step ${handle} still runs: its output "${output}" is not complete`);
    const mount = process.spec.mounts.find(({ source }) => 'output' in source && source.output === output);
    if (mount === undefined) throw new NotFoundError(`step ${handle} has no output "${output}"`);
    return this.artifacts.create(`${handle}.${output.replace(/[^\w-]/g, '_')}`, async (dir) => {
      const input = process.spec.mounts.find(
        ({ path: at, source }) => at === mount.path && 'artifact' in source,
      )?.source;
      if (input !== undefined && 'artifact' in input) {
        await rmdir(dir);
        await this.artifacts.copyTo(input.artifact, dir);
      }
      for (const [file, content] of process.filesBelow(mount.path)) {
        await mkdir(path.dirname(path.join(dir, file)), { recursive: true });
        await writeFile(path.join(dir, file), content);
      }
    });
  }

  async remove(handle: Handle): Promise<void> {
    this.world.processes.get(handle)?.deliver('KILL');
    this.world.processes.delete(handle);
  }

  private demand(handle: Handle): DummyProcess {
    const process = this.world.processes.get(handle);
    if (process === undefined) throw new NotFoundError(`there is no step ${handle}`);
    return process;
  }
}

export type { DummyProgram, DummyStep } from './dummy-process.js';
