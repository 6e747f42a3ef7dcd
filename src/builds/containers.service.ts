import { Inject, Injectable } from '@nestjs/common';
import type { TeamId } from '../model/index.js';
import {
  Db,
  findContainers,
  noteInterception,
  touchCheckContainer,
  type ContainerFilter,
  type ContainerRow,
} from '../persistence/index.js';
import { LOGGER, messageOf, NotFoundError, Settings, UserError, type Logger } from '../platform/index.js';
import { RUNTIME, type ExecSession, type ExecSpec, type Runtime } from '../runtime/index.js';

/** How often an open session says that the container is in use. Shorter than any useful `keep-failed-containers`. */
const RENEW_MS = 30_000;

/** A step's container that people can step into. */
export interface Container extends ContainerRow {
  /** Where it runs. */
  readonly worker: string;
  /** Its process was lost; the files may still be there. */
  readonly isLost: boolean;
}

/** Containers of steps, as people look for them and step into them. Each server knows those of its own runtime. */
@Injectable()
export class ContainersService {
  constructor(
    @Inject(Db) private readonly db: Db,
    @Inject(RUNTIME) private readonly runtime: Pick<Runtime, 'kind' | 'list' | 'exec'>,
    @Inject(Settings) private readonly settings: Settings,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  async list(teamIds: readonly TeamId[], filter: ContainerFilter = {}): Promise<Container[]> {
    const labels = { instance: this.settings.instanceId };
    const build = filter.buildId;
    const steps = await this.runtime.list(build === undefined ? labels : { ...labels, build: String(build) });
    const phases = new Map(steps.map(({ handle, phase }) => [handle, phase]));
    const rows = await findContainers(this.db, teamIds, [...phases.keys()], filter);
    const worker = this.runtime.kind === 'process' ? 'host' : this.runtime.kind;
    return rows.map((row) => ({ ...row, worker, isLost: phases.get(row.handle) === 'lost' }));
  }

  /** @throws NotFoundError also for a container of another team. */
  async get(teamId: TeamId, handle: string): Promise<Container> {
    const [row] = /^[a-z0-9-]{1,63}$/.test(handle) ? await findContainers(this.db, [teamId], [handle]) : [];
    const found =
      row &&
      (await this.list([teamId], row.buildId === undefined ? {} : { buildId: row.buildId })).find(
        (each) => each.handle === handle,
      );
    if (found) return found;
    throw new NotFoundError(`there is no container ${handle} in the team, or it is gone already`);
  }

  /**
   * Runs a command in the container. While it runs, and for a while after it, the container stays.
   * @throws NotFoundError; ExecutableNotFound; UserError `cannot-intercept`.
   */
  async intercept(container: Container, spec: ExecSpec): Promise<ExecSession> {
    if (!this.runtime.exec) throw new UserError('cannot-intercept', 'nobody can step into the steps of this runtime');
    await this.noteVisit(container);
    const session = await this.runtime.exec(container.handle, spec);
    const visit = setInterval(() => void this.noteVisit(container).catch(this.warn), RENEW_MS);
    const leave = (): void => {
      clearInterval(visit);
      this.noteVisit(container).catch(this.warn);
    };
    session.exit.then(leave, leave);
    return session;
  }

  private async noteVisit({ buildId, handle }: Container): Promise<void> {
    const keepMs = this.settings.keepFailedContainersMs + RENEW_MS;
    await this.db.tx((tx) =>
      buildId === undefined ? touchCheckContainer(tx, handle) : noteInterception(tx, buildId, keepMs),
    );
  }

  private readonly warn = (error: unknown): void => {
    this.log.warn({ error: messageOf(error) }, 'a visit to a container could not be noted');
  };
}
