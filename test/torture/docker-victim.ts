import { appendFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { makeBusyboxRoot, TestDocker } from '../support/docker-daemon.js';
import { eventually } from '../support/eventually.js';
import { GitRepository } from '../support/git-repository.js';
import type { Finding } from './invariants.js';

/** A Docker daemon of our own to be killed, an image for its tasks, and a witness of what it started. */
export class DockerVictim {
  /** Handles of the steps whose container or daemon was killed while they ran. */
  readonly killed = new Set<string>();
  containersKilled = 0;
  daemonsKilled = 0;
  private isStopping = false;
  private readonly seen = new Set<string>();

  private constructor(
    private readonly docker: TestDocker,
    /** A git repository that is an image. */
    readonly image: string,
    private readonly ledger: string,
  ) {}

  /** @throws where no daemon can run. */
  static async start(base: string, ledger: string): Promise<DockerVictim> {
    const docker = await TestDocker.start();
    if (!docker) throw new Error('the torture needs a Docker daemon');
    const image = await GitRepository.create(path.join(base, 'image'));
    makeBusyboxRoot(path.join(image.path, 'rootfs'));
    await writeFile(path.join(image.path, 'metadata.json'), '{"env":["PATH=/bin"],"user":""}');
    await image.commit('an image');
    const victim = new DockerVictim(docker, image.path, ledger);
    void victim.witness();
    return victim;
  }

  get env(): Record<string, string> {
    return { DOCKER_HOST: `unix://${this.docker.socketPath}` };
  }

  /** @param which from 0 to 1, among those that run; waits a while for one */
  async killContainer(which: number): Promise<void> {
    const running = await this.someRunning();
    const victim = running[Math.floor(which * running.length)];
    if (!victim) return;
    this.killed.add(victim.handle);
    this.containersKilled++;
    // It may have ended meanwhile.
    await this.docker.client
      .getContainer(victim.id)
      .kill({ signal: 'SIGKILL' })
      .catch(() => undefined);
  }

  async killDaemon(awayMs: number): Promise<void> {
    for (const { handle } of await this.someRunning()) this.killed.add(handle);
    this.daemonsKilled++;
    await this.docker.halt('SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, awayMs));
    await this.docker.launch();
  }

  /** What must be gone when all builds are over, in the end. */
  async leftOvers(): Promise<Finding[]> {
    const { client } = this.docker;
    const names = async (): Promise<string[]> => [
      ...(await client.listContainers({ all: true })).map(({ Names }) => `container ${Names[0]}`),
      ...((await client.listVolumes()).Volumes ?? []).map(({ Name }) => `volume ${Name}`),
    ];
    await eventually('the sweep', async () => (await names()).length === 0, 150_000).catch(() => undefined);
    const left = await names();
    return [
      { invariant: 'no container and no volume is left', seen: `${this.seen.size} containers`, violations: left },
    ];
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    await this.docker.stop();
  }

  private async someRunning(): Promise<{ id: string; handle: string }[]> {
    const isThere = async (): Promise<boolean> => (await this.running()).length > 0;
    await eventually('a container', isThere, 15_000).catch(() => undefined);
    return this.running();
  }

  private async running(): Promise<{ id: string; handle: string }[]> {
    const found = await this.docker.client.listContainers({ filters: { label: ['weir.handle'] } });
    return found.map(({ Id, Labels }) => ({ id: Id, handle: Labels['weir.handle'] ?? '' }));
  }

  /** Writes each start of a container into the ledger; also after the daemon was killed. */
  private async witness(): Promise<void> {
    while (!this.isStopping) {
      try {
        const events = await this.docker.client.getEvents({ filters: { type: ['container'], event: ['start'] } });
        let rest = '';
        for await (const bytes of events as unknown as AsyncIterable<Buffer>) {
          const lines = (rest + bytes.toString()).split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines.filter((each) => each !== '')) this.note(line);
        }
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 20)); // the daemon is away
      }
    }
  }

  private note(line: string): void {
    const { Actor, timeNano } = JSON.parse(line) as {
      Actor: { Attributes: Record<string, string> };
      timeNano: number;
    };
    const { name = '' } = Actor.Attributes;
    if (this.seen.has(`${name} ${timeNano}`)) return;
    this.seen.add(`${name} ${timeNano}`);
    appendFileSync(this.ledger, `${name}\n`);
  }
}
