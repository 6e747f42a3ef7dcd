import { Command } from 'commander';
import { place, show, type Cli, type Place } from '../cli.js';
import { route, type ApiClient } from '../client.js';
import { table } from '../format.js';
import { CliError } from '../io.js';
import { pipelineRef } from '../pipeline-ref.js';
import { CommandNotFound, runShell, type ShellCommand } from '../shell.js';
import { readWebUrl, type Shown } from '../web-url.js';
import { newestOneOff } from './watch.js';

interface InterceptOptions {
  readonly job?: Place;
  readonly build?: string;
  readonly check?: Place;
  readonly step?: string;
  readonly stepType?: string;
  readonly attempt?: string;
  readonly handle?: string;
  readonly user?: string;
  readonly url?: string;
}

interface WireContainer {
  readonly id: string;
  readonly worker_name: string;
  readonly type?: string;
  readonly step_name?: string;
  readonly attempt?: string;
  readonly build_id?: number;
  readonly build_name?: string;
  readonly pipeline_name?: string;
  readonly job_name?: string;
  readonly resource_name?: string;
}

/** `weir intercept` and `weir containers`. */
export function containerCommands(cli: Cli): Command[] {
  const intercept = new Command('intercept')
    .aliases(['hijack', 'i'])
    .description('step into the container of a running or failed step; exits as the command there does')
    .option('-j, --job <pipeline/job>', 'of a build of this job, the newest unless -b names one', place)
    .option('-b, --build <id or name>', 'with -j: name of the build (7); alone: its id')
    .option('-c, --check <pipeline/resource>', 'of a check of this resource', place)
    .option('-s, --step <name>', 'of the step with this name')
    .option('--step-type <kind>', 'of a step of this kind: task, get, put, check')
    .option('-a, --attempt <number>', 'of this attempt of the step: 2, or 1.2 in a retry within a retry')
    .option('--handle <id>', 'the container itself; see `weir containers`')
    .option('-u, --url <url>', 'of the build, job or resource at this address of a browser')
    .option('--user <name>', 'as this user')
    .argument('[command...]', 'what to run there, after -- (default bash, or sh where there is none)')
    .action(async (command: string[], options: InterceptOptions, self: Command) => {
      const target = await cli.connect(self);
      const shown: Shown = options.url === undefined ? {} : readWebUrl(options.url, target.url);
      const client = shown.team === undefined ? target : target.ofTeam(shown.team);
      const container = await choose(cli, client, { ...options, ...shown });
      cli.exitCode = await enter(cli, client, container, command, options.user);
    });
  const list = new Command('containers')
    .alias('cs')
    .description('list the containers of steps that can be stepped into')
    .action(async (_options: unknown, self: Command) => {
      const client = await cli.connect(self);
      const containers = await client.get<WireContainer[]>(`${client.teamPath}/containers`);
      show(cli, containers, () => containerTable(cli, containers));
    });
  return [intercept, list];
}

async function choose(cli: Cli, client: ApiClient, options: InterceptOptions): Promise<WireContainer> {
  if (options.handle !== undefined) return client.get(client.teamPath + route`/containers/${options.handle}`);
  const filters = new URLSearchParams(Object.entries(await filtersOf(client, options)));
  const found = await client.get<WireContainer[]>(`${client.teamPath}/containers?${filters.toString()}`);
  const newest = Math.max(...found.map((container) => container.build_id ?? 0));
  // Of a job the newest build is meant, unless one is named.
  const meant = options.build === undefined && !options.check ? found.filter((c) => c.build_id === newest) : found;
  const [only, ...others] = meant;
  if (!only) {
    throw new CliError(
      'no container matches: steps can be stepped into while they run, and for a while after a failure',
    );
  }
  return others.length === 0 ? only : ask(cli, meant);
}

async function filtersOf(client: ApiClient, options: InterceptOptions): Promise<Record<string, string>> {
  const { job, build, check, step, stepType, attempt } = options;
  const of = ({ pipeline }: Place): Record<string, string> => {
    const { name, instanceVars } = pipelineRef(pipeline);
    return { pipeline_name: name, ...(instanceVars ? { vars: JSON.stringify(instanceVars) } : {}) };
  };
  const filters: Record<string, string> = {
    ...(step === undefined ? {} : { step_name: step }),
    ...(stepType === undefined ? {} : { type: stepType }),
    ...(attempt === undefined ? {} : { attempt }),
  };
  if (check) return { ...filters, type: 'check', ...of(check), resource_name: check.name };
  if (job) {
    const ofJob = { ...filters, ...of(job), job_name: job.name };
    return build === undefined ? ofJob : { ...ofJob, build_name: build };
  }
  if (build === undefined) return { ...filters, build_id: String(await newestOneOff(client)) };
  if (!/^\d+$/.test(build)) throw new CliError(`-b ${build}: without -j the build is named by its id, a number`);
  return { ...filters, build_id: build };
}

async function ask(cli: Cli, containers: readonly WireContainer[]): Promise<WireContainer> {
  const lines = containers.map((container, index) => `${index + 1}: ${describe(container)}\n`).join('');
  if (!cli.io.isInteractive) {
    throw new CliError(`several containers match; choose one by -s, -a or --handle:\n${lines.trimEnd()}`);
  }
  cli.io.out(lines);
  for (;;) {
    const answer = (await cli.io.ask('choose a container: ')).trim();
    const chosen = /^\d+$/.test(answer) ? containers[Number(answer) - 1] : undefined;
    if (chosen) return chosen;
    if (answer === '') throw new CliError('no container was chosen');
    cli.io.err(`"${answer}" is no number from 1 to ${containers.length}\n`);
  }
}

function describe(container: WireContainer): string {
  const build = container.job_name
    ? `${container.pipeline_name ?? ''}/${container.job_name} #${container.build_name ?? ''}`
    : `build ${container.build_id ?? ''}`;
  const attempt = container.attempt === undefined ? '' : `, attempt ${container.attempt}`;
  return `${build}, ${container.type ?? 'step'} ${container.step_name ?? ''}${attempt} (${container.id})`;
}

async function enter(
  cli: Cli,
  client: ApiClient,
  { id }: WireContainer,
  [path, ...args]: readonly string[],
  user: string | undefined,
): Promise<number> {
  const { console } = cli.io;
  if (!console) throw new CliError('there is nobody here who could type');
  const { WebSocket } = await import('ws'); // slow to load, and needed here only
  const url = client.url.replace(/^http/, 'ws') + client.teamPath + route`/containers/${id}/hijack`;
  const run = (shell: Pick<ShellCommand, 'path' | 'args'>): Promise<number> => {
    const socket = new WebSocket(url, { ...client.tls, headers: client.authorization });
    const term = cli.io.env.TERM ?? 'xterm';
    return runShell(socket, console, { ...shell, term, ...(user === undefined ? {} : { user }) });
  };
  if (path !== undefined) return run({ path, args });
  try {
    return await run({ path: 'bash', args: [] });
  } catch (error) {
    if (error instanceof CommandNotFound) return run({ path: 'sh', args: [] });
    throw error;
  }
}

function containerTable({ paint }: Cli, containers: readonly WireContainer[]): string {
  return table(
    paint,
    ['handle', 'worker', 'pipeline', 'job', 'build', 'type', 'name', 'attempt'],
    containers.map((container) => [
      container.id,
      container.worker_name,
      container.pipeline_name ?? 'none',
      container.job_name ?? 'none',
      container.build_name ?? String(container.build_id ?? ''),
      container.type ?? '',
      container.step_name ?? container.resource_name ?? '',
      container.attempt ?? 'n/a',
    ]),
  );
}
