import { Command } from 'commander';
import { another, confirm, say, show, type Cli } from '../cli.js';
import type { ApiClient } from '../client.js';
import { pausedWords, table, time, yesNo } from '../format.js';
import { pipelineRef, writtenRef } from '../pipeline-ref.js';
import { CliError } from '../io.js';
import type { WirePipeline } from '../wire.js';

interface Named {
  readonly pipeline: string;
}

interface ChangeOptions {
  readonly pipeline?: string;
  readonly all?: boolean;
  readonly reason?: string;
  readonly nonInteractive?: boolean;
}

/** Listing, pausing, renaming, archiving and destroying pipelines. */
export function pipelineCommands(cli: Cli): Command[] {
  return [
    new Command('pipelines')
      .alias('ps')
      .description('list the pipelines')
      .option('-a, --all', 'of all teams, and public ones')
      .option('--include-archived', 'archived ones too')
      .action(async (options: { all?: boolean; includeArchived?: boolean }, command: Command) => {
        const client = await cli.connect(command);
        const all = await client.get<WirePipeline[]>(
          options.all ? '/api/v1/pipelines' : `${client.teamPath}/pipelines`,
        );
        const shown = options.includeArchived ? all : all.filter((pipeline) => !pipeline.archived);
        show(cli, shown, () => pipelineTable(cli, shown, options.all === true));
      }),
    new Command('paused-pipelines')
      .alias('pps')
      .description('list the paused pipelines of all your teams')
      .action(async (_options: unknown, command: Command) => {
        const client = await cli.connect(command);
        const all = await client.get<WirePipeline[]>('/api/v1/pipelines');
        const paused = all.filter((pipeline) => pipeline.paused && !pipeline.archived);
        show(cli, paused, () => pipelineTable(cli, paused, true));
      }),
    change(cli, 'pause-pipeline', 'pp', 'stop checking and starting; running builds finish', 'pause', 'paused'),
    change(cli, 'unpause-pipeline', 'up', 'let a pipeline run', 'unpause', 'unpaused'),
    change(cli, 'archive-pipeline', 'ap', 'put a pipeline away: config gone, builds kept', 'archive', 'archived'),
    change(cli, 'expose-pipeline', 'ep', 'let everybody look at a pipeline', 'expose', 'exposed'),
    change(cli, 'hide-pipeline', 'hp', 'let only its team look at a pipeline', 'hide', 'hidden'),
    new Command('rename-pipeline')
      .alias('rp')
      .description('give a pipeline another name')
      .requiredOption('-o, --old-name <name>', 'present name')
      .requiredOption('-n, --new-name <name>', 'name from now on')
      .action(async ({ oldName, newName }: { oldName: string; newName: string }, command: Command) => {
        const client = await cli.connect(command);
        await client.send('PUT', client.pipeline(oldName, '/rename'), { name: newName });
        say(cli, `pipeline ${oldName} is now ${newName}`);
      }),
    ...orderCommands(cli),
    destroyCommand(cli),
  ];
}

function orderCommands(cli: Cli): Command[] {
  const pipelines = new Command('order-pipelines')
    .alias('op')
    .description('put pipelines first, in this order')
    .argument('[names...]')
    .option('-p, --pipeline <name>', 'the next one, as fly writes it; may be given again', another)
    .option('-a, --alphabetical', 'all pipelines by their names')
    .action(async (given: string[], options: { pipeline?: string[]; alphabetical?: boolean }, command: Command) => {
      const client = await cli.connect(command);
      const listed = [...given, ...(options.pipeline ?? [])];
      const names = options.alphabetical ? (await namesOf(client)).toSorted() : listed;
      if (names.length === 0) throw new CliError('in which order? name the pipelines, or pass --alphabetical');
      await client.send('PUT', `${client.teamPath}/pipelines/ordering`, names);
      say(cli, 'ordered');
    });
  const instances = new Command('order-instanced-pipelines')
    .alias('oip')
    .description('put instances of a pipeline first, in this order')
    .requiredOption('-g, --group <name>', 'the name that the instances share')
    .requiredOption(
      '-p, --pipeline <vars>',
      'instance vars of the next one, as branch:main; may be given again',
      another,
    )
    .action(async ({ group, pipeline }: { group: string; pipeline: string[] }, command: Command) => {
      const client = await cli.connect(command);
      const order = pipeline.map((vars) => pipelineRef(`${group}/${vars}`).instanceVars);
      await client.send('PUT', client.pipeline(group, '/ordering'), order);
      say(cli, 'ordered');
    });
  return [pipelines, instances];
}

async function namesOf(client: ApiClient): Promise<string[]> {
  const all = await client.get<WirePipeline[]>(`${client.teamPath}/pipelines`);
  return [...new Set(all.map(({ name }) => name))];
}

function destroyCommand(cli: Cli): Command {
  return new Command('destroy-pipeline')
    .alias('dp')
    .description('remove a pipeline with its builds, logs and versions, for ever')
    .requiredOption('-p, --pipeline <name>', 'the pipeline')
    .option('-n, --non-interactive', 'do not ask')
    .action(async ({ pipeline, nonInteractive }: Named & { nonInteractive?: boolean }, command: Command) => {
      const client = await cli.connect(command);
      await client.get(client.pipeline(pipeline));
      const question = `this removes pipeline ${pipeline} with all its builds, logs and versions; really?`;
      if (!nonInteractive && !(await confirm(cli, question))) throw new CliError('nothing was removed');
      await client.send('DELETE', client.pipeline(pipeline));
      say(cli, `pipeline ${pipeline} destroyed`);
    });
}

/** A command that changes one pipeline, or with `--all` every one of the team. */
function change(
  cli: Cli,
  name: string,
  alias: string,
  description: string,
  verb: 'pause' | 'unpause' | 'archive' | 'expose' | 'hide',
  done: string,
): Command {
  const command = new Command(name).alias(alias).description(description);
  const takesReason = verb === 'pause' || verb === 'archive';
  if (verb === 'expose' || verb === 'hide') command.requiredOption('-p, --pipeline <name>', 'the pipeline');
  else command.option('-p, --pipeline <name>', 'the pipeline').option('-a, --all', 'every pipeline of the team');
  if (verb === 'archive') command.option('-n, --non-interactive', 'do not ask');
  if (takesReason) command.option('--reason <text>', 'why; shown to everybody');
  return command.action(async ({ pipeline, all, reason, nonInteractive }: ChangeOptions) => {
    if ((pipeline === undefined) !== (all === true)) throw new CliError('which pipeline? either -p NAME or --all');
    const client = await cli.connect(command);
    const chosen = pipeline === undefined ? await unarchived(client) : [pipeline];
    if (all && verb === 'archive' && !nonInteractive) {
      const question = `this archives ${chosen.length} pipelines of team ${client.team}; really?`;
      if (!(await confirm(cli, question))) throw new CliError('nothing was archived');
    }
    for (const each of chosen) {
      await client.send('PUT', client.pipeline(each, `/${verb}`), takesReason ? { reason } : undefined);
      if (!cli.isJson) say(cli, `pipeline ${each} ${done}`);
    }
    if (cli.isJson) show(cli, { pipelines: chosen, message: done }, () => '');
  });
}

async function unarchived(client: ApiClient): Promise<string[]> {
  const all = await client.get<WirePipeline[]>(`${client.teamPath}/pipelines`);
  return all.filter(({ archived }) => !archived).map((pipeline) => writtenRef(pipeline.name, pipeline.instance_vars));
}

function pipelineTable({ paint }: Cli, pipelines: readonly WirePipeline[], ofAllTeams: boolean): string {
  const state = (p: WirePipeline): string => {
    if (p.archived) return paint('gray', 'archived');
    return p.paused ? paint('cyan', `paused${pausedWords(p.paused_by, p.paused_at, p.pause_reason)}`) : 'running';
  };
  const team = (text: string): string[] => (ofAllTeams ? [text] : []);
  return table(
    paint,
    ['name', ...team('team'), 'state', 'public', 'last updated', 'from'],
    pipelines.map((p) => [
      writtenRef(p.name, p.instance_vars),
      ...team(p.team_name),
      state(p),
      yesNo(paint, p.public),
      time(p.last_updated),
      p.source ? `${p.source.name}: ${p.source.path}` : '',
    ]),
  );
}
