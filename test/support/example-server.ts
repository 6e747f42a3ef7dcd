import { cp } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { CliRunner } from './cli-runner.js';
import { GitRepository } from './git-repository.js';
import { TeamServer, until, type BuildView } from './team-server.js';

export const EXAMPLES = fileURLToPath(new URL('../../docs/examples', import.meta.url));

/** A job: `pipeline/job`, of team `main` unless `team:` stands before it, with instance vars as `pipeline/job?vars.x="y"`. */
type JobName = string;

/** A server on which the examples of the documentation run for real: steps are plain processes, repositories are folders. */
export class ExampleServer {
  private readonly cli = new CliRunner();

  private constructor(readonly server: TeamServer) {}

  static async start(): Promise<ExampleServer> {
    const server = await TeamServer.start({ WEIR_RUNTIME: 'host', WEIR_ISOLATION: 'none' });
    const examples = new ExampleServer(server);
    examples.cli.env.WEIR_TARGET_URL = server.process.url;
    examples.cli.env.WEIR_TOKEN = await server.process.login();
    return examples;
  }

  async stop(): Promise<void> {
    await this.server.stop();
  }

  /** A repository with the files of a folder of the documentation, as `example/folder`. */
  async repositoryOf(folder: string, name = folder): Promise<GitRepository> {
    const repository = await GitRepository.create(path.join(this.server.folder, name));
    await cp(path.join(EXAMPLES, folder), repository.path, { recursive: true });
    await repository.commit(`the files of ${folder}`);
    return repository;
  }

  async emptyRepository(name: string): Promise<GitRepository> {
    const repository = await GitRepository.create(path.join(this.server.folder, name));
    await repository.commit('nothing yet');
    return repository;
  }

  /** One command of `weir`. @throws with what it says when it refuses. */
  async weir(...args: string[]): Promise<string> {
    const { code, out, err } = await this.cli.run(...args);
    if (code !== 0) throw new Error(`weir ${args.join(' ')}: ${code} ${err}${out}`);
    return out;
  }

  /** Sets a pipeline from a file of an example, with vars as text (or as YAML when they are none), and lets it run. */
  async setPipeline(
    pipeline: string,
    file: string,
    vars: Readonly<Record<string, unknown>>,
    team = 'main',
  ): Promise<void> {
    const given = Object.entries(vars).flatMap(([name, value]) =>
      typeof value === 'string' ? ['-v', `${name}=${value}`] : ['-y', `${name}=${JSON.stringify(value)}`],
    );
    const config = path.join(EXAMPLES, file);
    await this.weir('--team', team, 'set-pipeline', '-n', '-p', pipeline, '-c', config, ...given);
    await this.weir('--team', team, 'unpause-pipeline', '-p', pipeline);
  }

  /** So that what is done with costs no checks. */
  async pause(pipeline: string, team = 'main'): Promise<void> {
    await this.weir('--team', team, 'pause-pipeline', '-p', pipeline);
  }

  async trigger(job: JobName): Promise<void> {
    await this.server.process.request('POST', buildsOf(job));
  }

  /** Newest first. */
  builds(job: JobName): Promise<BuildView[]> {
    return this.server.get<BuildView[]>(buildsOf(job));
  }

  /** Waits until the builds of the job, newest first, are exactly of these statuses. @throws with the newest log. */
  async untilBuilds(job: JobName, ...statuses: string[]): Promise<BuildView[]> {
    const wanted = statuses.join();
    const read = (): Promise<BuildView[]> => this.builds(job);
    const isWanted = (builds: BuildView[]): boolean => builds.map(({ status }) => status).join() === wanted;
    try {
      return await until(read, isWanted, `builds of ${job} are to be ${wanted}`, PATIENCE_MS);
    } catch (cause) {
      throw new Error(`the newest build of ${job} says:\n${await this.log((await read())[0])}`, { cause });
    }
  }

  /** Waits until a resource (`pipeline/resource`) knows a version with these parts. */
  async untilVersion(resource: string, part: Readonly<Record<string, string>>): Promise<void> {
    const [pipeline, name] = resource.split('/');
    await until(
      () =>
        this.server.get<{ version: Record<string, string> }[]>(
          `/api/v1/teams/main/pipelines/${pipeline}/resources/${name}/versions`,
        ),
      (versions) => versions.some(({ version }) => Object.entries(part).every(([key, text]) => version[key] === text)),
      `versions of ${resource}`,
      PATIENCE_MS,
    );
  }

  async log(build: BuildView | undefined): Promise<string> {
    return build === undefined ? '' : this.server.logOf(build);
  }
}

/** For machines on which much else runs; nothing waits that long when all is well. */
export const PATIENCE_MS = 120_000;

function buildsOf(job: JobName): string {
  const [, team = 'main', pipeline, name, query = ''] = /^(?:([^:]+):)?([^/]+)\/([^?]+)(\?.*)?$/.exec(job) ?? [];
  return `/api/v1/teams/${team}/pipelines/${pipeline}/jobs/${name}/builds${query}`;
}
