import { Command } from 'commander';
import { confirm, place, say, show, versionPart, type Cli, type Place } from '../cli.js';
import { route } from '../client.js';
import { table } from '../format.js';
import { CliError } from '../io.js';
import { writtenRef } from '../pipeline-ref.js';
import type { JsonObject } from '../../model/index.js';

interface WireVolume {
  readonly id: string;
  readonly worker_name: string;
  readonly type: string;
  readonly path: string;
  readonly pipeline_name: string;
  readonly pipeline_instance_vars?: JsonObject | null;
  readonly job_name: string;
  readonly step_name: string;
}

interface WireSharing {
  readonly name: string;
  readonly pipeline_name: string;
  readonly team_name: string;
}

interface ClearOptions {
  readonly job: Place;
  readonly step: string;
  readonly cachePath?: string;
  readonly resource?: Place;
  readonly resourceType?: Place;
  readonly version?: Readonly<Record<string, string>>;
  readonly nonInteractive?: boolean;
}

/** What outlives its build, and how to get rid of it. */
export function cacheCommands(cli: Cli): Command[] {
  return [
    new Command('volumes')
      .alias('vs')
      .description('list the caches and artifacts of the team')
      .option('-d, --details', 'with where they are')
      .action(async ({ details }: { details?: boolean }, command: Command) => {
        const client = await cli.connect(command);
        const volumes = await client.get<WireVolume[]>(`${client.teamPath}/volumes`);
        show(cli, volumes, () => volumeTable(cli, volumes, details === true));
      }),
    new Command('clear-task-cache')
      .alias('ctc')
      .description('remove the caches of a task')
      .requiredOption('-j, --job <pipeline/job>', 'the job', place)
      .requiredOption('-s, --step <name>', 'the task step')
      .option('-c, --cache-path <path>', 'only this one of its caches')
      .option('-n, --non-interactive', 'do not ask')
      .action(async ({ job, step, cachePath, nonInteractive }: ClearOptions, command: Command) => {
        const client = await cli.connect(command);
        const what = `the caches of task ${step} of ${job.pipeline}/${job.name}`;
        if (!nonInteractive && !(await confirm(cli, `this removes ${what}; really?`)))
          throw new CliError('nothing was removed');
        const query = cachePath === undefined ? '' : route`?cache_path=${cachePath}`;
        const path = client.pipeline(job.pipeline, route`/jobs/${job.name}/tasks/${step}/cache` + query);
        const answer = await client.send<{ caches_removed: number }>('DELETE', path);
        say(cli, `${answer.caches_removed} caches removed`, answer);
      }),
    new Command('clear-resource-cache')
      .alias('crc')
      .description('forget fetched versions; a server that fetches anew for every build has none')
      .requiredOption('-r, --resource <pipeline/resource>', 'the resource', place)
      .option('-v, --version <key:value>', 'only this version; may be given again', versionPart)
      .option('-n, --non-interactive', 'do not ask')
      .action(async ({ resource, version, nonInteractive }: ClearOptions & { resource: Place }, command: Command) => {
        const client = await cli.connect(command);
        const question = `this removes the caches of ${resource.pipeline}/${resource.name}; really?`;
        if (!nonInteractive && !(await confirm(cli, question))) throw new CliError('nothing was removed');
        const path = client.pipeline(resource.pipeline, route`/resources/${resource.name}/cache`);
        const answer = await client.send<{ caches_removed: number }>('DELETE', path, { version: version ?? null });
        say(cli, `${answer.caches_removed} caches removed`, answer);
      }),
    new Command('clear-versions')
      .alias('cv')
      .description('forget all versions of a resource or type, also where others share them')
      .option('--resource <pipeline/resource>', 'the resource', place)
      .option('--resource-type <pipeline/type>', 'the resource type', place)
      .option('-n, --non-interactive', 'do not ask')
      .action(async (options: ClearOptions, command: Command) => clearVersions(cli, options, command)),
  ];
}

async function clearVersions(cli: Cli, options: ClearOptions, command: Command): Promise<void> {
  const { resource, resourceType, nonInteractive } = options;
  const what = resource ?? resourceType;
  if (!what || (resource && resourceType)) throw new CliError('of what? either --resource or --resource-type');
  const client = await cli.connect(command);
  const kind = resource ? 'resources' : 'resource-types';
  const path = (rest: string): string => client.pipeline(what.pipeline, `/${kind}` + route`/${what.name}` + rest);
  const { resources, resource_types: types } = await client.get<{
    resources: readonly WireSharing[];
    resource_types: readonly WireSharing[];
  }>(path('/shared'));
  const sharing = [...resources, ...types].map((s) => `\n- ${s.team_name}/${s.pipeline_name}/${s.name}`).join('');
  const question = `this removes all versions of${sharing}\nreally?`;
  if (!nonInteractive && !(await confirm(cli, question))) throw new CliError('nothing was removed');
  const answer = await client.send<{ versions_removed: number }>('DELETE', path('/versions'));
  say(cli, `${answer.versions_removed} versions removed`, answer);
}

function volumeTable({ paint }: Cli, volumes: readonly WireVolume[], hasDetails: boolean): string {
  return table(
    paint,
    ['handle', 'worker', 'type', 'identifier', ...(hasDetails ? ['path'] : [])],
    volumes.map((v) => {
      const pipeline = v.pipeline_name === '' ? '' : writtenRef(v.pipeline_name, v.pipeline_instance_vars ?? undefined);
      const identifier = [pipeline, v.job_name, v.step_name].filter((part) => part !== '').join('/');
      return [v.id, v.worker_name, v.type, identifier || 'n/a', ...(hasDetails ? [v.path] : [])];
    }),
  );
}
