import type Docker from 'dockerode';
import type { DirectoryArtifactStore } from '../artifacts/directory-artifact-store.js';
import { hasCode } from '../files.js';
import type { StepSpec } from '../port.js';
import { containerOptions, placeMounts, type PlacedMount, type StepVolumes } from './container-options.js';
import { isOfThisLife, stateOf } from './container-state.js';
import { hasStatus } from './daemon.js';
import { fetchImage, nameImage } from './images.js';
import { LABELS } from './labels.js';
import { whyNotShared } from './shared-disk.js';
import type { StepFolders } from './step-folders.js';
import { emptyVolumes, fillContainer } from './transfer.js';

/**
 * Makes the container of a step, gives it its files and starts it. What is there already is found by trying: each question
 * to the daemon that is not asked makes every step faster.
 */
export class ContainerStarter {
  /** Names of containers that this server has made and not yet asked to start. */
  private readonly untouched = new Set<string>();

  constructor(
    private readonly docker: Docker,
    private readonly artifacts: DirectoryArtifactStore,
    private readonly namespace: string,
    private readonly folders: StepFolders,
  ) {}

  /**
   * Idempotent: a container that runs or has run is left as it is. No two calls for one name at a time.
   * @throws UserError `image-missing`, `bad-image`, `bad-mount`, `bad-command`
   */
  async start(spec: StepSpec, name: string): Promise<void> {
    const { handle } = spec;
    const container = this.docker.getContainer(name);
    if (!(await this.prepare(spec, name, 'once'))) return;
    if (spec.stdin !== undefined) await sendInput(container, spec.stdin);
    this.untouched.delete(name);
    try {
      await container.start();
    } catch (error) {
      // 304: it runs already. What Docker refuses to run has ended, and its container tells why.
      if (hasStatus(error, 304)) return;
      if (hasCode(error, 'ECONNREFUSED', 'ENOENT')) this.untouched.add(name); // nobody heard it
      if (stateOf(handle, await container.inspect()).phase === 'pending') throw error;
    }
  }

  /**
   * Makes the container with its files, unless it was started before.
   * @param runs `again`: its output is heard while it runs and kept nowhere
   * @returns whether it is still to be started for the first time
   */
  async prepare(spec: StepSpec, name: string, runs: 'once' | 'again'): Promise<boolean> {
    const { handle } = spec;
    const mounts = placeMounts(spec);
    const container = this.docker.getContainer(name);
    let files = await this.create(spec, name, mounts, runs);
    if (files === 'known') {
      const info = await container.inspect();
      if (stateOf(handle, info).phase !== 'pending') return false;
      files = info.Config.Labels[LABELS.files] === 'shared' ? 'shared' : 'sent';
      if (runs === 'once' && !this.untouched.has(name)) {
        if (!(await this.removeUnstarted(container, info))) return false;
        files = await this.create(spec, name, mounts, runs);
        if (files === 'known') throw new Error(`the container of step ${handle} was made by somebody else meanwhile`);
      }
    }
    if (files === 'shared') await this.folders.fill(container, name, handle, mounts);
    else await fillContainer(container, handle, mounts, this.artifacts);
    return true;
  }

  /**
   * A server that was killed may have asked to start it. Docker does so when it gets to it, and once more when it is asked
   * once more and the first run is over: so nobody else may ask. What is removed is not started any more.
   * @returns whether it is gone; if not, it runs or has run
   */
  private async removeUnstarted(container: Docker.Container, info: Docker.ContainerInspectInfo): Promise<boolean> {
    if (!(await isOfThisLife(this.docker, info)))
      throw new Error('it may have run: the daemon was restarted, or has forgotten much, since it was to be started');
    try {
      await container.remove({ v: true });
    } catch (error) {
      if (hasStatus(error, 409)) return false;
      if (!hasStatus(error, 404)) throw error;
    }
    return true;
  }

  /** Gets the image when Docker says that it has none. @returns how files get there, or that the container is there already */
  private async create(
    spec: StepSpec,
    name: string,
    mounts: readonly PlacedMount[],
    runs: 'once' | 'again',
  ): Promise<StepVolumes['files'] | 'known'> {
    const image = await nameImage(this.artifacts, spec, this.namespace);
    const volumes: StepVolumes =
      (await this.whyNotShared()) === undefined
        ? await this.folders.mountsOf(name, spec.handle, mounts)
        : { files: 'sent', Mounts: emptyVolumes(mounts, this.namespace) };
    const options = containerOptions(spec, mounts, image, this.namespace, volumes);
    if (runs === 'again') options.HostConfig = { ...options.HostConfig, LogConfig: { Type: 'none', Config: {} } };
    for (let tries = 1; ; tries++) {
      try {
        await this.docker.createContainer(options);
        if (runs === 'once') this.untouched.add(name);
        return volumes.files;
      } catch (error) {
        if (hasStatus(error, 409)) return 'known';
        if (!hasStatus(error, 404) || tries === 2 || spec.image === undefined) throw error;
        await fetchImage(this.docker, this.artifacts, spec.image, this.namespace);
      }
    }
  }

  /** Why files must be sent to the daemon; undefined where it sees the disk of this server. */
  whyNotShared(): Promise<string | undefined> {
    return whyNotShared(this.docker, this.folders.root, this.namespace);
  }
}

/**
 * Before the start, so that a server that dies in between leaves either everything or a step that was not started. What
 * Docker has not read by then it reads from the connection.
 */
async function sendInput(container: Docker.Container, input: Uint8Array): Promise<void> {
  const connection = await container.attach({ stream: true, stdin: true, hijack: true });
  connection.on('error', () => undefined); // a step need not read its input
  connection.resume();
  connection.end(Buffer.from(input));
}
