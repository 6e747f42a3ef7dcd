import { Command } from 'commander';
import { confirm, show, type Cli } from '../cli.js';
import { Refused } from '../client.js';
import { pausedWords, table, time, yesNo } from '../format.js';
import { CliError } from '../io.js';
import type { WirePipeline } from '../wire.js';

interface Named {
  readonly pipeline: string;
}

/** Listing, pausing, renaming, archiving and destroying pipelines. */
export function pipelineCommands(cli: Cli): Command[] {
  return [
    new Command('pipelines')
      .alias('ps')
      .description('list the pipelines')
      .option('--include-archived', 'archived ones too')
      .option('--json', 'for programs')
      .action(async (options: { json?: boolean; includeArchived?: boolean }, command: Command) => {
        const client = await cli.connect(command);
        const all = await client.get<WirePipeline[]>(`${client.teamPath}/pipelines`);
        const shown = options.includeArchived ? all : all.filter((pipeline) => !pipeline.archived);
        show(cli, options.json, shown, () => pipelineTable(cli, shown));
      }),
    change(cli, 'pause-pipeline', 'pp', 'stop checking and starting; running builds finish', 'pause', 'paused', true),
    change(cli, 'unpause-pipeline', 'up', 'let a pipeline run', 'unpause', 'unpaused', false),
    change(cli, 'archive-pipeline', 'ap', 'put a pipeline away: config gone, builds kept', 'archive', 'archived', true),
    change(cli, 'expose-pipeline', 'ep', 'let everybody look at a pipeline', 'expose', 'exposed', false),
    change(cli, 'hide-pipeline', 'hp', 'let only its team look at a pipeline', 'hide', 'hidden', false),
    new Command('rename-pipeline')
      .alias('rp')
      .description('give a pipeline another name')
      .requiredOption('-o, --old-name <name>', 'present name')
      .requiredOption('-n, --new-name <name>', 'name from now on')
      .action(async ({ oldName, newName }: { oldName: string; newName: string }, command: Command) => {
        const client = await cli.connect(command);
        await client.send('PUT', `${client.pipeline(oldName)}/rename`, { name: newName });
        cli.io.out(`pipeline ${oldName} is now ${newName}\n`);
      }),
    new Command('order-pipelines')
      .alias('op')
      .description('put pipelines first, in this order')
      .argument('<names...>')
      .action(async (names: string[], _options: unknown, command: Command) => {
        const client = await cli.connect(command);
        await client.send('PUT', `${client.teamPath}/pipelines/ordering`, names);
        cli.io.out('ordered\n');
      }),
    destroyCommand(cli),
  ];
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
      cli.io.out(`pipeline ${pipeline} destroyed\n`);
    });
}

function change(
  cli: Cli,
  name: string,
  alias: string,
  description: string,
  verb: string,
  done: string,
  takesReason: boolean,
): Command {
  const command = new Command(name)
    .alias(alias)
    .description(description)
    .requiredOption('-p, --pipeline <name>', 'the pipeline');
  if (takesReason) command.option('--reason <text>', 'why; shown to everybody');
  return command.action(async ({ pipeline, reason }: Named & { reason?: string }) => {
    const client = await cli.connect(command);
    await client.send('PUT', `${client.pipeline(pipeline)}/${verb}`, takesReason ? { reason } : undefined);
    cli.io.out(`pipeline ${pipeline} ${done}\n`);
  });
}

function pipelineTable({ paint }: Cli, pipelines: readonly WirePipeline[]): string {
  const state = (p: WirePipeline): string => {
    if (p.archived) return paint('gray', 'archived');
    return p.paused ? paint('cyan', `paused${pausedWords(p.paused_by, p.paused_at, p.pause_reason)}`) : 'running';
  };
  return table(
    paint,
    ['name', 'state', 'public', 'last updated', 'from'],
    pipelines.map((p) => [
      p.name,
      state(p),
      yesNo(paint, p.public),
      time(p.last_updated),
      p.source ? `${p.source.name}: ${p.source.path}` : '',
    ]),
  );
}

/** True when the error says that there is no such thing. */
export function isMissing(error: unknown): boolean {
  return error instanceof Refused && error.status === 404;
}
