import { Command } from 'commander';
import { place, say, show, type Cli, type Place } from '../cli.js';
import type { JobVarConfig } from '../../model/index.js';
import { route } from '../client.js';
import { buildName, pausedWords, status, table, valueText } from '../format.js';
import type { Paint } from '../io.js';
import { jobVars } from '../job-vars.js';
import { writtenRef } from '../pipeline-ref.js';
import { withVarOptions, type VarOptions } from '../vars.js';
import type { WireBuild, WireJob } from '../wire.js';
import { sayBegun, watchBuild } from './watch.js';

interface JobOptions extends VarOptions {
  readonly job: Place;
  readonly reason?: string;
  readonly watch?: boolean;
}

/** Listing, showing, triggering and pausing jobs. */
export function jobCommands(cli: Cli): Command[] {
  return [
    new Command('jobs')
      .alias('js')
      .description('list the jobs of a pipeline')
      .requiredOption('-p, --pipeline <name>', 'the pipeline')
      .action(async (options: { pipeline: string }, command: Command) => {
        const client = await cli.connect(command);
        const jobs = await client.get<WireJob[]>(client.pipeline(options.pipeline, '/jobs'));
        show(cli, jobs, () => jobTable(cli.paint, jobs));
      }),
    new Command('paused-jobs')
      .alias('pjs')
      .description('list the paused jobs of all your teams')
      .action(async (_options: unknown, command: Command) => {
        const client = await cli.connect(command);
        const paused = (await client.get<WireJob[]>('/api/v1/jobs')).filter((job) => job.paused);
        show(cli, paused, () => pausedTable(cli.paint, paused));
      }),
    onJob('job', 'show a job, and why nothing of it runs').action(async ({ job }: JobOptions, command: Command) => {
      const client = await cli.connect(command);
      const shown = await client.get<WireJob>(client.pipeline(job.pipeline, route`/jobs/${job.name}`));
      show(cli, shown, () => jobText(cli.paint, job, shown));
    }),
    withVarOptions(onJob('trigger-job', 'start a build after fresh checks'), 'build var', 'read by its type')
      .alias('tj')
      .option('-w, --watch', "show the build's output and exit as it does")
      .action(async ({ job, watch, ...options }: JobOptions, command: Command) => {
        const client = await cli.connect(command);
        const path = client.pipeline(job.pipeline, route`/jobs/${job.name}`);
        const vars = await jobVars(options, async () => (await client.get<WireJob>(path)).vars ?? []);
        const builds = client.pipeline(job.pipeline, route`/jobs/${job.name}/builds`);
        const build = await client.send<WireBuild>('POST', builds, vars && { vars });
        sayBegun(cli, `started ${buildName(build)}`, build);
        if (watch) cli.exitCode = await watchBuild(cli, client, build.id);
      }),
    onJob('schedule-job', 'look now whether a build of the job can start')
      .alias('sj')
      .action(async ({ job }: JobOptions, command: Command) => {
        const client = await cli.connect(command);
        await client.send('PUT', client.pipeline(job.pipeline, route`/jobs/${job.name}/schedule`));
        say(cli, `job ${job.pipeline}/${job.name} will be looked at`);
      }),
    pauseJob(cli, 'pause-job', 'pj', 'start no build of a job until it is unpaused', 'pause'),
    pauseJob(cli, 'unpause-job', 'uj', 'let a job run', 'unpause'),
  ];
}

function onJob(name: string, description: string): Command {
  return new Command(name).description(description).requiredOption('-j, --job <pipeline/job>', 'the job', place);
}

function pauseJob(cli: Cli, name: string, alias: string, description: string, verb: 'pause' | 'unpause'): Command {
  const command = onJob(name, description).alias(alias);
  if (verb === 'pause') command.option('--reason <text>', 'why; shown to everybody');
  return command.action(async ({ job, reason }: JobOptions) => {
    const client = await cli.connect(command);
    await client.send(
      'PUT',
      client.pipeline(job.pipeline, route`/jobs/${job.name}/${verb}`),
      verb === 'pause' ? { reason } : undefined,
    );
    say(cli, `job ${job.pipeline}/${job.name} ${verb}d`);
  });
}

function jobTable(paint: Paint, jobs: readonly WireJob[]): string {
  const build = (b: WireBuild | null | undefined): string => (b ? `#${b.name} ${status(paint, b.status)}` : 'n/a');
  return table(
    paint,
    ['name', 'paused', 'last build', 'next build'],
    jobs.map((job) => [
      job.name,
      job.paused ? paint('cyan', `yes${pausedWords(job.paused_by, job.paused_at, job.pause_reason)}`) : 'no',
      build(job.finished_build),
      build(job.next_build),
    ]),
  );
}

function pausedTable(paint: Paint, jobs: readonly WireJob[]): string {
  return table(
    paint,
    ['name', 'team', 'paused'],
    jobs.map((job) => [
      `${writtenRef(job.pipeline_name, job.pipeline_instance_vars)}/${job.name}`,
      job.team_name,
      `yes${pausedWords(job.paused_by, job.paused_at, job.pause_reason)}`,
    ]),
  );
}

function varLine({ name, type, required, default: value, options, description }: JobVarConfig): string {
  const facts = [
    type,
    ...(required ? ['required'] : []),
    ...(value === undefined ? [] : [`default ${valueText(value)}`]),
    ...(options ? [`one of ${options.map(valueText).join(', ')}`] : []),
  ];
  return `var ${name} (${facts.join('; ')})${description === undefined ? '' : `: ${description}`}`;
}

function jobText(paint: Paint, { pipeline }: Place, job: WireJob): string {
  const lines = [paint('bold', `${pipeline}/${job.name}`)];
  if (job.paused) lines.push(paint('cyan', `paused${pausedWords(job.paused_by, job.paused_at, job.pause_reason)}`));
  for (const [title, build] of [['last build', job.finished_build] as const, ['next build', job.next_build] as const]) {
    lines.push(`${title}: ${build ? `#${build.name} ${status(paint, build.status)}` : 'none'}`);
  }
  for (const declared of job.vars ?? []) lines.push(varLine(declared));
  for (const { name, resource, trigger, passed } of job.inputs ?? []) {
    const from = Array.isArray(passed) ? `, passed ${passed.join(', ')}` : '';
    lines.push(
      `input ${name}${resource === name ? '' : ` (resource ${resource})`}${trigger ? ', triggers' : ''}${from}`,
    );
  }
  for (const { name, resource } of job.outputs ?? [])
    lines.push(`output ${name}${resource === name ? '' : ` (resource ${resource})`}`);
  for (const { build_id: id, build_name: name, reasons } of job.why ?? []) {
    const who = id === null ? 'no build waits' : `build ${name === undefined ? id : `#${name}`} waits`;
    lines.push(...reasons.map((reason) => paint('yellow', `${who}: ${reason}`)));
  }
  return `${lines.join('\n')}\n`;
}
