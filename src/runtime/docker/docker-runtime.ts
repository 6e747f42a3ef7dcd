import type Docker from 'dockerode';
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { NotFoundError, UserError } from '../../platform/index.js';
import type { DirectoryArtifactStore } from '../artifacts/directory-artifact-store.js';
import type {
  ArtifactRef,
  Capabilities,
  ExecSession,
  ExecSpec,
  Handle,
  ListedStep,
  LogChunk,
  Runtime,
  StepSpec,
  StepState,
} from '../port.js';
import { cacheVolume, cacheVolumes, containerName, containerOptions, placeMounts } from './container-options.js';
import { explainExit, stateOf } from './container-state.js';
import { askPatiently, hasStatus, isUnreachable } from './daemon.js';
import { execInContainer, removeStandIns } from './exec.js';
import { readyImage } from './images.js';
import { outputOf, resultOf } from './container-output.js';
import { LABELS } from './labels.js';
import { fetchFolder, fillContainer } from './transfer.js';

/**
 * Steps as containers of one Docker daemon. Everything known about a step stands in its container, found by its name, so
 * that any later server finds the step as it is. Inputs and outputs are volumes that go with the container.
 *
 * A cursor is an offset in the container's output: after a restart the log is read from its start and skipped up to there.
 */
export class DockerRuntime implements Runtime {
  readonly kind = 'docker';
  /** A server with another data folder has another namespace and other artifacts. */
  readonly isShared = false;

  /** @param namespace tells the containers of this installation from those of others on the daemon; `[a-z0-9-]+` */
  constructor(
    private readonly docker: Docker,
    private readonly artifacts: DirectoryArtifactStore,
    private readonly namespace: string,
  ) {}

  async capabilities(): Promise<Capabilities> {
    const { ServerVersion = 'unknown' } = (await this.docker.info()) as { ServerVersion?: string };
    return {
      description: `Docker ${ServerVersion}: each step in a container of its own.`,
      images: true,
      needsImage: true,
      isolation: 'container',
      platforms: ['linux'],
    };
  }

  /** @throws UserError `image-missing`, `bad-image`, `bad-mount`, `bad-command` */
  start(spec: StepSpec): Promise<void> {
    return oneByOne(this.nameOf(spec.handle), () => askPatiently(() => this.startOnce(spec)));
  }

  /** Waits a while for a daemon that is away: it may be restarted just now. */
  inspect(handle: Handle): Promise<StepState> {
    return this.inspectPatiently(handle);
  }

  async list(labels: Readonly<Record<string, string>>): Promise<readonly ListedStep[]> {
    const wanted = Object.entries(labels).map(([name, value]) => `${LABELS.step}${name}=${value}`);
    const found = await this.docker.listContainers({
      all: true,
      filters: { label: [`${LABELS.namespace}=${this.namespace}`, ...wanted] },
    });
    const listed: ListedStep[] = [];
    for (const { Labels, Created } of found) {
      const state = await this.look(Labels[LABELS.handle] ?? '');
      if (state.phase === 'absent') continue; // removed meanwhile
      listed.push({ ...state, labels: stepLabels(Labels), createdAt: new Date(Created * 1000) });
    }
    return listed;
  }

  async *logs(handle: Handle, from: string | null, signal: AbortSignal): AsyncGenerator<LogChunk> {
    let at = parseCursor(from);
    for (;;) {
      const info = await askPatiently(() => this.find(handle), signal);
      if (info === undefined) return;
      const state = await this.inspectPatiently(handle, signal);
      const isOver = isSettled(state);
      if (state.phase === 'pending') {
        await pause(RETRY_MS, undefined, { signal });
        continue;
      }
      const stream = info.Config.Labels[LABELS.stdout] === 'result' ? 'stderr' : 'stdout';
      const epilogue = isOver && state.reason !== undefined && state.phase === 'exited' ? `${state.reason}\n` : '';
      try {
        const kill = (): Promise<void> => this.signal(handle, 'KILL');
        for await (const data of outputOf(this.container(handle), { stream, from: at, epilogue, kill }, signal)) {
          at += data.length;
          yield { stream, data, cursor: String(at) };
        }
      } catch (error) {
        signal.throwIfAborted();
        if (!isUnreachable(error)) throw error;
        await pause(RETRY_MS, undefined, { signal });
        continue;
      }
      signal.throwIfAborted();
      // The end of the stream is not yet the end of the step. Once that is over what can be read is everything.
      if (isOver) return;
      await this.wait(handle, signal);
    }
  }

  async wait(handle: Handle, signal: AbortSignal): Promise<StepState> {
    let wasThere = false;
    for (;;) {
      signal.throwIfAborted();
      const state = await this.inspectPatiently(handle, signal);
      if (state.phase === 'absent' && wasThere) {
        return { handle, phase: 'lost', reason: 'its container was removed while it ran' };
      }
      if (isSettled(state)) return state;
      wasThere = true;
      if (state.phase === 'pending') {
        await pause(RETRY_MS, undefined, { signal });
        continue;
      }
      try {
        await this.container(handle).wait({ condition: 'not-running', abortSignal: signal });
      } catch (error) {
        signal.throwIfAborted();
        if (!isUnreachable(error) && !hasStatus(error, 404, 409)) throw error;
        await pause(RETRY_MS, undefined, { signal });
      }
    }
  }

  async result(handle: Handle): Promise<Uint8Array> {
    const info = await this.demand(handle);
    if (info.Config.Labels[LABELS.stdout] !== 'result')
      throw new Error(`step ${handle} has no result: its standard output is its log`);
    return resultOf(this.container(handle));
  }

  async signal(handle: Handle, signal: 'INT' | 'TERM' | 'KILL'): Promise<void> {
    const info = await this.find(handle);
    if (info === undefined || stateOf(handle, info).phase !== 'running') return;
    if (signal !== 'KILL') await this.untilCommandRuns(handle);
    try {
      await this.container(handle).kill({ signal: `SIG${signal}` });
    } catch (error) {
      if (!hasStatus(error, 404, 409)) throw error; // gone, or over
    }
  }

  /** @throws UserError `output-missing` when the step removed the folder */
  async sealOutput(handle: Handle, output: string): Promise<ArtifactRef> {
    const id = `${handle}.${createHash('sha256').update(output).digest('hex').slice(0, 16)}`;
    if (await this.artifacts.exists({ id })) return { id };
    const info = await this.demand(handle);
    if (!isSettled(stateOf(handle, info)))
      throw new Error(`step ${handle} still runs: its output "${output}" is not complete`);
    const outputs = JSON.parse(info.Config.Labels[LABELS.outputs] ?? '{}') as Record<string, string>;
    const at = outputs[output];
    if (at === undefined) throw new NotFoundError(`step ${handle} has no output "${output}"`);
    return this.artifacts.create(id, (dir) => fetchFolder(this.container(handle), at, dir));
  }

  /** A step that is over gets a container like its own, with its files and volumes. */
  async exec(handle: Handle, spec: ExecSpec): Promise<ExecSession> {
    return execInContainer(this.docker, this.nameOf(handle), spec);
  }

  async remove(handle: Handle): Promise<void> {
    await removeStandIns(this.docker, this.nameOf(handle));
    for (;;) {
      try {
        await this.container(handle).remove({ force: true, v: true });
      } catch (error) {
        if (hasStatus(error, 404)) break;
        if (!hasStatus(error, 409)) throw error; // somebody removes it just now
        await pause(RETRY_MS);
      }
    }
  }

  async sweepCaches(live: () => Promise<readonly string[]>): Promise<void> {
    const { Volumes } = await this.docker.listVolumes({
      filters: JSON.stringify({ label: [`${LABELS.namespace}=${this.namespace}`] }),
    });
    const isCache = (name: string): boolean => name.startsWith(cacheVolumes(this.namespace));
    const caches = (Volumes ?? []).map(({ Name }) => Name).filter(isCache);
    if (caches.length === 0) return;
    const kept = new Set((await live()).map((key) => cacheVolume(this.namespace, key)));
    for (const name of caches.filter((each) => !kept.has(each))) {
      try {
        await this.docker.getVolume(name).remove();
      } catch (error) {
        if (!hasStatus(error, 404, 409)) throw error; // gone, or a container uses it
      }
    }
  }

  private async startOnce(spec: StepSpec): Promise<void> {
    const known = await this.find(spec.handle);
    if (known !== undefined && stateOf(spec.handle, known).phase !== 'pending') return;
    const mounts = placeMounts(spec);
    const container = this.container(spec.handle);
    if (known === undefined) {
      const image = await readyImage(this.docker, this.artifacts, spec, this.namespace);
      try {
        await this.docker.createContainer(containerOptions(spec, mounts, image, this.namespace));
      } catch (error) {
        if (!hasStatus(error, 409)) throw error; // made at this moment by another server
      }
    }
    await fillContainer(container, spec.handle, mounts, this.artifacts);
    if (spec.stdin !== undefined) await this.sendInput(container, spec.stdin);
    try {
      await container.start();
    } catch (error) {
      // 304: it runs already. What Docker refuses to run has ended, and its container tells why.
      if (hasStatus(error, 304)) return;
      const info = await this.find(spec.handle);
      if (info === undefined || stateOf(spec.handle, info).phase === 'pending') throw error;
    }
  }

  /**
   * Before the start, so that a server that dies in between leaves either everything or a step that was not started. What
   * Docker has not read by then it reads from the connection.
   */
  private async sendInput(container: Docker.Container, input: Uint8Array): Promise<void> {
    const connection = await container.attach({ stream: true, stdin: true, hijack: true });
    connection.on('error', () => undefined); // a step need not read its input
    connection.resume();
    connection.end(Buffer.from(input));
  }

  /** Between a container's start and that of its command a signal would be lost. */
  private async untilCommandRuns(handle: Handle): Promise<void> {
    for (let round = 0; round < 200; round++) {
      try {
        const { Processes } = (await this.container(handle).top({ ps_args: '-eo pid,comm' })) as {
          Processes: string[][];
        };
        if (Processes.some(([, command]) => !/^(docker-init|tini|runc.*|exe)$/.test(command ?? ''))) return;
      } catch (error) {
        if (hasStatus(error, 404, 409)) return;
        throw error;
      }
      await pause(10);
    }
  }

  private inspectPatiently(handle: Handle, signal?: AbortSignal): Promise<StepState> {
    return askPatiently(() => this.look(handle), signal);
  }

  private async look(handle: Handle): Promise<StepState> {
    const info = await this.find(handle);
    if (info === undefined) return { handle, phase: 'absent' };
    return explainExit(this.docker, stateOf(handle, info), info);
  }

  private async find(handle: Handle): Promise<Docker.ContainerInspectInfo | undefined> {
    try {
      return await this.container(handle).inspect();
    } catch (error) {
      if (hasStatus(error, 404)) return undefined;
      throw error;
    }
  }

  private async demand(handle: Handle): Promise<Docker.ContainerInspectInfo> {
    const info = await this.find(handle);
    if (info === undefined) throw new NotFoundError(`there is no step ${handle} on this Docker daemon`);
    return info;
  }

  private container(handle: Handle): Docker.Container {
    return this.docker.getContainer(this.nameOf(handle));
  }

  private nameOf(handle: Handle): string {
    if (!/^[a-z0-9-]{1,63}$/.test(handle)) throw new UserError('invalid-handle', `"${handle}" is no step handle`);
    return containerName(this.namespace, handle);
  }
}

/** How soon to look again at what changes by itself, in milliseconds. */
const RETRY_MS = 50;

const queues = new Map<string, Promise<unknown>>();

/** Docker starts a container again that has just ended, so two starts in this process must see each other. */
async function oneByOne<Value>(key: string, work: () => Promise<Value>): Promise<Value> {
  const mine = (queues.get(key) ?? Promise.resolve()).catch(() => undefined).then(work);
  queues.set(key, mine);
  try {
    return await mine;
  } finally {
    if (queues.get(key) === mine) queues.delete(key);
  }
}

function stepLabels(labels: Readonly<Record<string, string>>): Record<string, string> {
  const own = Object.entries(labels).filter(([name]) => name.startsWith(LABELS.step));
  return Object.fromEntries(own.map(([name, value]) => [name.slice(LABELS.step.length), value]));
}

function parseCursor(cursor: string | null): number {
  if (cursor !== null && !/^\d+$/.test(cursor)) throw new Error(`"${cursor}" is no cursor of this runtime`);
  return Number(cursor ?? 0);
}

const isSettled = (state: StepState): boolean => state.phase !== 'pending' && state.phase !== 'running';
