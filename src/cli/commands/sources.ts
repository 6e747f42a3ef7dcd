import { readFile } from 'node:fs/promises';
import { Command, InvalidArgumentError } from 'commander';
import { parse } from 'yaml';
import { parseDurationMs } from '../../model/index.js';
import { another, confirm, say, show, type Cli } from '../cli.js';
import { route, type ApiClient } from '../client.js';
import { table, time } from '../format.js';
import { CliError, type Paint } from '../io.js';
import type { WireSource } from '../wire.js';

interface AddOptions {
  readonly uri: string;
  readonly branch?: string;
  readonly paths?: string;
  readonly interval?: number;
  readonly privateKeyFile?: string;
  readonly username?: string;
  readonly password?: string;
  readonly webhookToken?: string;
  readonly var?: readonly string[];
}

/** `sources list|show|add|remove|sync`: git repositories whose files are pipelines. */
export function sourcesCommand(cli: Cli): Command {
  const sources = new Command('sources').description('git repositories whose files are pipelines');
  sources
    .command('list', { isDefault: true })
    .description('list the sources')
    .action(async (_options: unknown, command: Command) => {
      const client = await cli.connect(command);
      const all = await client.get<WireSource[]>(`${client.teamPath}/sources`);
      show(cli, all, () => sourceTable(cli.paint, all));
    });
  sources
    .command('show')
    .description('show a source, its pipelines and why its last sync failed')
    .argument('<name>')
    .action(async (name: string, _options: unknown, command: Command) => {
      const client = await cli.connect(command);
      const source = await client.get<WireSource>(pathOf(client, name));
      show(cli, source, () => sourceText(cli.paint, source));
    });
  sources
    .command('add')
    .description('take pipelines from a git repository from now on')
    .argument('<name>')
    .requiredOption('-u, --uri <uri>', 'the repository; without a password in it')
    .option('-b, --branch <branch>', "default: the repository's own")
    .option('--paths <glob>', 'which files are pipelines (default: pipeline.yml)')
    .option('--interval <duration>', 'how often to look for commits, for example 30s (default: 1m)', seconds)
    .option('--private-key-file <file>', 'SSH key')
    .option('--username <name>', 'for HTTP')
    .option(
      '--password <password>',
      'for HTTP; others can see it in the list of processes: WEIR_SOURCE_PASSWORD is better',
    )
    .option('--webhook-token <token>', 'lets a webhook ask for a sync; at least 16 letters')
    .option('-v, --var <name=yaml>', 'a template var for every file; may be given again', another)
    .action(async (name: string, options: AddOptions, command: Command) => {
      const client = await cli.connect(command);
      const source = await client.send<WireSource>('POST', `${client.teamPath}/sources`, {
        name,
        ...(await addRequest(cli, options)),
      });
      say(cli, `source ${source.name} added; its first sync follows: \`weir sources show ${source.name}\``);
    });
  sources
    .command('remove')
    .description('forget a source; its pipelines stay as they are')
    .argument('<name>')
    .option('-n, --non-interactive', 'do not ask')
    .action(async (name: string, { nonInteractive }: { nonInteractive?: boolean }, command: Command) => {
      const client = await cli.connect(command);
      await client.get(pathOf(client, name));
      const question = `pipelines of source ${name} will no longer follow their repository; really?`;
      if (!nonInteractive && !(await confirm(cli, question))) throw new CliError('nothing was removed');
      await client.send('DELETE', pathOf(client, name));
      say(cli, `source ${name} removed`);
    });
  sources
    .command('sync')
    .description('look at the repository now')
    .argument('<name>')
    .action(async (name: string, _options: unknown, command: Command) => {
      const client = await cli.connect(command);
      await client.send('PUT', `${pathOf(client, name)}/sync`);
      say(cli, `source ${name} will be synced now: \`weir sources show ${name}\``);
    });
  return sources;
}

function pathOf(client: ApiClient, name: string): string {
  return client.teamPath + route`/sources/${name}`;
}

async function addRequest(cli: Cli, options: AddOptions): Promise<Record<string, unknown>> {
  const password = options.password ?? cli.io.env.WEIR_SOURCE_PASSWORD;
  const credentials =
    options.privateKeyFile !== undefined
      ? { private_key: await readFile(options.privateKeyFile, 'utf8').catch(unreadable(options.privateKeyFile)) }
      : options.username !== undefined
        ? { username: options.username, password: password ?? '' }
        : undefined;
  return {
    uri: options.uri,
    branch: options.branch,
    path_glob: options.paths,
    interval_seconds: options.interval,
    webhook_token: options.webhookToken,
    credentials,
    vars: options.var ? Object.fromEntries(options.var.map(namedYaml)) : undefined,
  };
}

function unreadable(file: string): (error: Error) => never {
  return (error) => {
    throw new CliError(`cannot read ${file}: ${error.message}`);
  };
}

function namedYaml(pair: string): [string, unknown] {
  const equals = pair.indexOf('=');
  if (equals <= 0) throw new CliError(`--var ${pair}: expected NAME=YAML`);
  return [pair.slice(0, equals), parse(pair.slice(equals + 1))];
}

function seconds(text: string): number {
  const ms = parseDurationMs(text);
  if (ms === undefined || ms < 1000)
    throw new InvalidArgumentError('expected a duration of at least 1s, for example 30s');
  return Math.round(ms / 1000);
}

function stateOf(paint: Paint, source: WireSource): string {
  if (source.last_error) return paint('red', source.last_error.message.split('\n')[0] ?? '');
  if (source.syncing) return 'syncing';
  return source.last_synced_at === undefined ? 'not synced yet' : 'ok';
}

function sourceTable(paint: Paint, sources: readonly WireSource[]): string {
  return table(
    paint,
    ['name', 'uri', 'branch', 'paths', 'last synced', 'commit', 'state'],
    sources.map((s) => [
      s.name,
      s.uri,
      s.branch ?? '(default)',
      s.path_glob,
      time(s.last_synced_at),
      s.last_commit?.slice(0, 10) ?? '',
      stateOf(paint, s),
    ]),
  );
}

function sourceText(paint: Paint, source: WireSource): string {
  const { last_error: error } = source;
  const lines = [
    paint('bold', source.name),
    `uri: ${source.uri}`,
    `branch: ${source.branch ?? '(default)'}`,
    `paths: ${source.path_glob}`,
    `credentials: ${source.credentials}`,
    `every ${source.interval_seconds}s, webhook ${source.has_webhook ? 'yes' : 'no'}, next sync ${time(source.next_sync_at)}`,
    `last synced: ${time(source.last_synced_at)}${source.last_commit === undefined ? '' : ` at ${source.last_commit}`}`,
    `pipelines: ${source.pipelines.join(', ') || 'none'}`,
    `state: ${stateOf(paint, source)}`,
    ...(error ? error.problems.map((problem) => paint('red', `  ${problem}`)) : []),
  ];
  return `${lines.join('\n')}\n`;
}
