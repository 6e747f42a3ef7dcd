import { Command, InvalidArgumentError } from 'commander';
import { count, place, say, show, type Cli, type Place } from '../cli.js';
import { route, type ApiClient } from '../client.js';
import { buildDuration, buildName, status, table, time } from '../format.js';
import { CliError } from '../io.js';
import { writtenRef } from '../pipeline-ref.js';
import type { WireBuild } from '../wire.js';
import { chooseBuild, sayBegun, watchBuild } from './watch.js';

interface BuildOptions {
  readonly job?: Place;
  readonly build?: string;
  readonly pipeline?: string;
  readonly count: number;
  readonly allTeams?: boolean;
  readonly since?: number;
  readonly until?: number;
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
      .option('-a, --all-teams', 'of all your teams and public pipelines')
      .option('-u, --current-team', "of the target's team, as without options; fly has it")
      .option('--since <time>', "begun since then, as '2026-11-21 18:22:05'", unixSeconds)
      .option('--until <time>', 'begun until then', unixSeconds)
      .option('-c, --count <number>', 'at most so many', count, 50)
      .action(async (options: BuildOptions, command: Command) => {
        const client = await cli.connect(command);
        const builds = await client.get<WireBuild[]>(listPath(client, options));
        show(cli, builds, () => buildTable(cli, builds));
      }),
    onBuild('abort-build', 'stop a build: its hooks still run')
      .alias('ab')
      .option('-f, --force', 'call it aborted at once, whatever still runs')
      .action(async (options: BuildOptions, command: Command) => {
        const client = await cli.connect(command);
        const id = await chooseBuild(client, named(options));
        await client.send('PUT', route`/api/v1/builds/${id}/abort` + (options.force ? '?force=true' : ''));
        say(cli, 'build aborted');
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
        // Named by its id alone it may be of another team than the target's.
        const path = client
          .ofTeam(original.team_name)
          .pipeline(
            writtenRef(original.pipeline_name, original.pipeline_instance_vars),
            route`/jobs/${original.job_name}/builds/${original.name}`,
          );
        const resume = route`/api/v1/builds/${original.id}/resume`;
        const build = await client.send<WireBuild>('POST', options.fromFailed ? resume : path);
        sayBegun(cli, `started ${buildName(build)}`, build);
        if (options.watch) cli.exitCode = await watchBuild(cli, client, build.id);
      }),
  ];
}

function listPath(client: ApiClient, { job, pipeline, allTeams, count: limit, since, until }: BuildOptions): string {
  const query = new URLSearchParams({ limit: String(limit) });
  if (since !== undefined) query.set('from', String(since));
  if (until !== undefined) query.set('to', String(until));
  if (since !== undefined || until !== undefined) query.set('timestamps', 'true');
  const builds = `/builds?${query.toString()}`;
  if (job) return client.pipeline(job.pipeline, route`/jobs/${job.name}` + builds);
  if (pipeline !== undefined) return client.pipeline(pipeline, builds);
  return (allTeams ? '/api/v1' : client.teamPath) + builds;
}

/** Local time, for commander. */
function unixSeconds(text: string): number {
  const [, day, clock = '00:00:00'] = /^(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}(?::\d{2})?))?$/.exec(text) ?? [];
  const ms = day === undefined ? NaN : Date.parse(`${day}T${clock}`);
  if (Number.isNaN(ms)) throw new InvalidArgumentError("expected a time such as 2026-11-21 or '2026-11-21 18:22:05'");
  return Math.floor(ms / 1000);
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
