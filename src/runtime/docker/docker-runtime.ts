import type Docker from 'dockerode';
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { NotFoundError, UserError } from '../../platform/index.js';
import type { DirectoryArtifactStore } from '../artifacts/directory-artifact-store.js';
import type {
  ArtifactRef,
  Capabilities,
  CommandEnd,
  ExecSession,
  ExecSpec,
  Handle,
  ListedStep,
  LogChunk,
  Runtime,
  StepSpec,
  StepState,
} from '../port.js';
import { containerName } from './container-options.js';
import { ContainerStarter } from './container-starter.js';
import { explainExit, isForgotten, stateOf } from './container-state.js';
import { askPatiently, hasStatus, isUnreachable } from './daemon.js';
import { execInContainer, hasStandIns, removeStandIns } from './exec.js';
import { outputOf, resultOf } from './container-output.js';
import { LABELS } from './labels.js';
import { oneByOne } from './one-by-one.js';
import { runContainerAgain } from './run-again.js';
import { StepFolders } from './step-folders.js';
import { fetchFolder } from './transfer.js';
import { cacheVolume, cacheVolumes } from './volumes.js';

/**
 * Steps as containers of one Docker daemon. Everything known about a step stands in its container, found by its name, so
 * that any later server finds the step as it is. Inputs and outputs are folders that go with the container: on the disk of
 * this server where the daemon sees it ({@link StepFolders}), else volumes that are filled and read through the API.
 *
 * A cursor is an offset in the container's output: after a restart the log is read from its start and skipped up to there.
 */
export class DockerRuntime implements Runtime {
  readonly kind = 'docker';
  /** A server with another data folder has another namespace and other artifacts. */
  readonly isShared = false;
  private readonly folders: StepFolders;
  private readonly starter: ContainerStarter;

  /** @param namespace tells the containers of this installation from those of others on the daemon; `[a-z0-9-]+` */
  constructor(
    private readonly docker: Docker,
    private readonly artifacts: DirectoryArtifactStore,
    private readonly namespace: string,
  ) {
    this.folders = new StepFolders(artifacts, namespace);
    this.starter = new ContainerStarter(docker, artifacts, namespace, this.folders);
  }

  async capabilities(): Promise<Capabilities> {
    const { ServerVersion = 'unknown' } = (await this.docker.info()) as { ServerVersion?: string };
    const reason = await this.starter.whyNotShared();
    const files = reason === undefined ? 'shared with it without copying' : `sent to it, because ${reason}`;
    return {
      description: `Docker ${ServerVersion}: each step in a container of its own; files are ${files}.`,
      images: true,
      needsImage: true,
      isolation: 'container',
      platforms: ['linux'],
    };
  }

  /** @throws UserError `image-missing`, `bad-image`, `bad-mount`, `bad-command` */
  start(spec: StepSpec): Promise<void> {
    return oneByOne(this.nameOf(spec.handle), () =>
      askPatiently(() => this.starter.start(spec, this.nameOf(spec.handle))),
    );
  }

  /** Waits a while for a daemon that is away: it may be restarted just now. */
  inspect(handle: Handle): Promise<StepState> {
    return this.inspectPatiently(handle);
  }

  async list(labels: Readonly<Record<string, string>>): Promise<readonly ListedStep[]> {
    const wanted = Object.entries(labels).map(([name, value]) => `${LABELS.step}${name}=${value}`);
    await this.sweepFolders();
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
      try {
        await this.container(handle).wait({ condition: 'not-running', abortSignal: signal });
        wasThere = true;
      } catch (error) {
        signal.throwIfAborted();
        if (!isUnreachable(error) && !hasStatus(error, 404, 409)) throw error;
      }
      const state = await this.inspectPatiently(handle, signal);
      if (state.phase === 'absent' && wasThere) {
        return { handle, phase: 'lost', reason: 'its container was removed while it ran' };
      }
      if (isSettled(state)) return state;
      wasThere = true;
      await pause(RETRY_MS, undefined, { signal });
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
    if (info === undefined || !info.State.Running) return;
    if (signal !== 'KILL') await this.untilCommandRuns(handle);
    try {
      await this.container(handle).kill({ signal: `SIG${signal}` });
    } catch (error) {
      if (!hasStatus(error, 404, 409)) throw error; // gone, or over
    }
  }

  /** @throws UserError `output-missing` when the step removed the folder */
  async sealOutput(handle: Handle, output: string): Promise<ArtifactRef> {
    const id = outputId(handle, output);
    if (await this.artifacts.exists({ id })) return { id };
    const info = await this.demand(handle);
    if (!isSettled(stateOf(handle, info)))
      throw new Error(`step ${handle} still runs: its output "${output}" is not complete`);
    const at = outputsOf(info)[output];
    if (at === undefined) throw new NotFoundError(`step ${handle} has no output "${output}"`);
    const name = this.nameOf(handle);
    return oneByOne(name, async () => {
      // Whoever looks around would write into the artifact.
      const adopted = (await hasStandIns(this.docker, name)) ? undefined : await this.folders.adopt(id, info, at);
      return adopted ?? this.artifacts.create(id, (dir) => fetchFolder(this.container(handle), at, dir));
    });
  }

  async runAgain(spec: StepSpec, signal: AbortSignal, log: (data: Uint8Array) => void): Promise<CommandEnd> {
    const { handle, stdin = new Uint8Array() } = spec;
    const name = this.nameOf(handle);
    await oneByOne(name, () => this.starter.prepare({ ...spec, stdin }, name, 'again'));
    return runContainerAgain(this.container(handle), handle, { stdin, log }, signal);
  }

  /** A step that is over gets a container like its own, with its files and volumes. */
  async exec(handle: Handle, spec: ExecSpec): Promise<ExecSession> {
    const name = this.nameOf(handle);
    const viewsOf = (info: Docker.ContainerInspectInfo): Promise<Docker.MountSettings[]> => {
      const outputs = Object.entries(outputsOf(info)).map(
        ([output, at]) => [at, { id: outputId(handle, output) }] as const,
      );
      return this.folders.viewsOf(info, new Map(outputs));
    };
    return oneByOne(name, () => execInContainer(this.docker, name, spec, viewsOf));
  }

  async remove(handle: Handle): Promise<void> {
    const name = this.nameOf(handle);
    await removeStandIns(this.docker, name);
    for (;;) {
      try {
        await this.container(handle).remove({ force: true, v: true });
        break;
      } catch (error) {
        if (hasStatus(error, 404)) break;
        if (!hasStatus(error, 409)) throw error; // somebody removes it just now
        await pause(RETRY_MS);
      }
    }
    await this.folders.remove(name);
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

  /** Removes folders whose container is gone. One that is made meanwhile has its container first. */
  private async sweepFolders(): Promise<void> {
    for (const name of await this.folders.names()) {
      await oneByOne(name, async () => {
        const { 0: found } = await this.docker.listContainers({ all: true, filters: { name: [`^/${name}$`] } });
        if (found === undefined) await this.folders.remove(name);
      });
    }
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
    let info = await this.find(handle);
    if (info !== undefined && isForgotten(info)) {
      await this.signal(handle, 'KILL');
      info = await this.find(handle);
    }
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

function stepLabels(labels: Readonly<Record<string, string>>): Record<string, string> {
  const own = Object.entries(labels).filter(([name]) => name.startsWith(LABELS.step));
  return Object.fromEntries(own.map(([name, value]) => [name.slice(LABELS.step.length), value]));
}

function outputsOf(info: Docker.ContainerInspectInfo): Record<string, string> {
  return JSON.parse(info.Config.Labels[LABELS.outputs] ?? '{}') as Record<string, string>;
}

/** The same for every server and every try. */
function outputId(handle: Handle, output: string): string {
  return `${handle}.${createHash('sha256').update(output).digest('hex').slice(0, 16)}`;
}

function parseCursor(cursor: string | null): number {
  if (cursor !== null && !/^\d+$/.test(cursor)) throw new Error(`"${cursor}" is no cursor of this runtime`);
  return Number(cursor ?? 0);
}

const isSettled = (state: StepState): boolean => state.phase !== 'pending' && state.phase !== 'running';
