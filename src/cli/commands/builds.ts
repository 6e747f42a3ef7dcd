import { Command } from 'commander';
import { count, place, show, type Cli, type Place } from '../cli.js';
import { route } from '../client.js';
import { buildDuration, buildName, status, table, time } from '../format.js';
import { CliError } from '../io.js';
import type { WireBuild } from '../wire.js';
import { chooseBuild, watchBuild } from './watch.js';

interface BuildOptions {
  readonly job?: Place;
  readonly build?: string;
  readonly pipeline?: string;
  readonly count: number;
  readonly json?: boolean;
  readonly force?: boolean;
  readonly fromFailed?: boolean;
  readonly watch?: boolean;
}

/** Listing, aborting and repeating builds. */
export function buildCommands(cli: Cli): Command[] {
  return [
    new Command('builds')
      .alias('bs')
      .description('list builds, newest first')
      .option('-j, --job <pipeline/job>', 'of this job', place)
      .option('-p, --pipeline <name>', 'of this pipeline')
      .option('-c, --count <number>', 'at most so many', count, 50)
      .option('--json', 'for programs')
      .action(async (options: BuildOptions, command: Command) => {
        const client = await cli.connect(command);
        const scope = options.job
          ? client.pipeline(options.job.pipeline) + route`/jobs/${options.job.name}`
          : options.pipeline !== undefined
            ? client.pipeline(options.pipeline)
            : client.teamPath;
        const builds = await client.get<WireBuild[]>(`${scope}/builds?limit=${options.count}`);
        show(cli, options.json, builds, () => buildTable(cli, builds));
      }),
    onBuild('abort-build', 'stop a build: its hooks still run')
      .alias('ab')
      .option('-f, --force', 'call it aborted at once, whatever still runs')
      .action(async (options: BuildOptions, command: Command) => {
        const client = await cli.connect(command);
        const id = await chooseBuild(client, named(options));
        await client.send('PUT', route`/api/v1/builds/${id}/abort` + (options.force ? '?force=true' : ''));
        cli.io.out('build aborted\n');
      }),
    onBuild('rerun-build', 'run a build again with the same versions')
      .alias('rb')
      .option('--from-failed', 'take over the steps before the first that failed, with what they made')
      .option('-w, --watch', "show the build's output and exit as it does")
      .action(async (options: BuildOptions, command: Command) => {
        const client = await cli.connect(command);
        const original = await client.get<WireBuild>(
          route`/api/v1/builds/${await chooseBuild(client, named(options))}`,
        );
        if (original.pipeline_name === undefined || original.job_name === undefined) {
          throw new CliError(`build ${original.id} belongs to no job and cannot be run again`);
        }
        const path =
          client.pipeline(original.pipeline_name) + route`/jobs/${original.job_name}/builds/${original.name}`;
        const resume = route`/api/v1/builds/${original.id}/resume`;
        const build = await client.send<WireBuild>('POST', options.fromFailed ? resume : path);
        cli.io.out(`started ${buildName(build)}\n`);
        if (options.watch) cli.exitCode = await watchBuild(cli, client, build.id);
      }),
  ];
}

function onBuild(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option('-j, --job <pipeline/job>', 'the job of the build', place)
    .requiredOption('-b, --build <id or name>', 'with -j: name of the build (7); alone: its id');
}

function named({ job, build }: BuildOptions): { job?: Place; build?: string } {
  return { ...(job ? { job } : {}), ...(build === undefined ? {} : { build }) };
}

function buildTable({ paint, io }: Cli, builds: readonly WireBuild[]): string {
  return table(
    paint,
    ['id', 'name', 'status', 'start', 'duration', 'by'],
    builds.map((build) => [
      String(build.id),
      buildName(build),
      status(paint, build.status),
      time(build.start_time),
      buildDuration(build, io.now()),
      build.created_by ?? 'trigger',
    ]),
  );
}
