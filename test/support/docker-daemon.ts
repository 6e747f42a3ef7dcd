import Docker from 'dockerode';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import {
  accessSync,
  constants,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { eventually } from './eventually.js';
import { processesWith } from './processes.js';

/** A small image with a shell and the usual tools, and with the user `guest` (uid 1000). */
export const BUSYBOX = 'weir-test/busybox:1';

/** A real Docker daemon of our own, with everything in a folder that is gone after {@link stop}. */
export class TestDocker {
  private daemon: ChildProcess | undefined;
  readonly socketPath: string;
  readonly client: Docker;

  private constructor(private readonly dir: string) {
    this.socketPath = join(dir, 'docker.sock');
    this.client = new Docker({ socketPath: this.socketPath });
  }

  /** Undefined, and says why loudly, where no daemon can run: not root, not installed, or the machine does not let it. */
  static async start(): Promise<TestDocker | undefined> {
    const missing = ['dockerd', 'busybox'].filter((program) => findProgram(program) === undefined);
    if (process.getuid?.() !== 0) missing.push('root');
    if (missing.length > 0) return skipped(`they need ${missing.join(' and ')} (docker.io, busybox-static)`);
    const docker = new TestDocker(mkdtempSync(join(tmpdir(), 'weir-docker-')));
    try {
      await docker.launch();
      await docker.makeBusybox();
      await docker.demandContainers();
      return docker;
    } catch (error) {
      await docker.stop();
      return skipped(`dockerd cannot run here: ${(error as Error).message}`);
    }
  }

  /** Starts the daemon; also again after {@link halt}. */
  async launch(): Promise<void> {
    const at = (name: string): string => join(this.dir, name);
    // Where nobody reaps orphans the dead of a killed daemon seem to live, and the new one would wait for them.
    for (const stale of ['pid', 'exec/containerd/containerd.pid']) rmSync(at(stale), { force: true });
    this.daemon = spawn(
      'dockerd',
      [
        ...[
          '--data-root',
          at('data'),
          '--exec-root',
          at('exec'),
          '--pidfile',
          at('pid'),
          '-H',
          `unix://${this.socketPath}`,
        ],
        ...['--bridge', 'none', '--iptables=false', '--log-level', 'error', '--shutdown-timeout', '2'],
      ],
      { stdio: 'ignore' },
    );
    await eventually(
      'dockerd answers',
      async () => {
        if (this.daemon?.exitCode !== null) throw new Error(`dockerd ended with ${this.daemon?.exitCode}`);
        return this.client.ping().then(
          () => true,
          () => false,
        );
      },
      30_000,
    );
  }

  /** Ends the daemon and waits for its end. */
  async halt(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const { daemon } = this;
    if (daemon === undefined || daemon.exitCode !== null || daemon.signalCode !== null) return;
    const ended = new Promise((resolve) => daemon.once('exit', resolve));
    daemon.kill(signal);
    await ended;
  }

  async stop(): Promise<void> {
    const containers = await this.client.listContainers({ all: true }).catch(() => []);
    for (const { Id } of containers)
      await this.client
        .getContainer(Id)
        .remove({ force: true, v: true })
        .catch(() => undefined);
    await this.halt();
    // A daemon that was killed leaves its containerd, shims and mounts.
    for (const line of processesWith(this.dir)) process.kill(Number.parseInt(line, 10), 'SIGKILL');
    const mounts = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[1] ?? '');
    for (const mount of mounts.filter((at) => at.startsWith(`${this.dir}/`)).reverse()) {
      execFileSync('umount', ['-l', mount]);
    }
    rmSync(this.dir, { recursive: true, force: true });
  }

  private async makeBusybox(): Promise<void> {
    const root = join(this.dir, 'busybox');
    makeBusyboxRoot(root);
    const archive = spawn('tar', ['-C', root, '-c', '.'], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [repo = '', tag = ''] = BUSYBOX.split(':');
    const progress = await this.client.importImage(archive.stdout, { repo, tag, changes: ['ENV PATH=/bin'] });
    await new Promise((resolve, reject) =>
      this.client.modem.followProgress(progress, (error: Error | null) =>
        error === null ? resolve(undefined) : reject(error),
      ),
    );
  }

  /** Some machines let a daemon start and no container. */
  private async demandContainers(): Promise<void> {
    const container = await this.client.createContainer({ Image: BUSYBOX, Cmd: ['true'], HostConfig: { Init: true } });
    await container.start();
    await container.wait();
    await container.remove();
  }
}

/** Whether this machine has what {@link makeBusyboxRoot} needs (busybox-static). */
export function hasBusybox(): boolean {
  return findProgram('busybox') !== undefined;
}

/** Files of a machine with nothing but busybox. */
export function makeBusyboxRoot(root: string): void {
  const program = findProgram('busybox') ?? 'busybox';
  for (const dir of ['bin', 'etc', 'tmp']) mkdirSync(join(root, dir), { recursive: true });
  cpSync(program, join(root, 'bin/busybox'), { dereference: true });
  const applets = execFileSync(program, ['--list'], { encoding: 'utf8' }).split('\n');
  for (const applet of applets.filter((name) => name !== '' && name !== 'busybox')) {
    symlinkSync('busybox', join(root, 'bin', applet));
  }
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/:/bin/sh\nguest:x:1000:1000::/:/bin/sh\n');
}

function skipped(reason: string): undefined {
  console.warn(`SKIPPED: tests with Docker: ${reason}`);
  return undefined;
}

function findProgram(name: string): string | undefined {
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((dir) => join(dir, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
