import { Command, InvalidArgumentError } from 'commander';
import { parseDurationMs } from '../../model/index.js';
import { VERSION } from '../../platform/version.js';
import { say, show, type Cli } from '../cli.js';
import { route } from '../client.js';
import { duration, table } from '../format.js';
import { CliError } from '../io.js';

interface WireWall {
  readonly message?: string;
  /** Nanoseconds. */
  readonly TTL?: number;
}

interface WireHealth {
  readonly status: string;
  readonly [part: string]: unknown;
}

interface WireComponent {
  readonly name: string;
  readonly interval: number;
  readonly last_ran: string;
  readonly paused: boolean;
}

const NANOSECONDS = 1e9;

/** The message for everybody, health, the loops of the server, and whether this CLI fits it. */
export function operatorCommands(cli: Cli): Command[] {
  return [
    new Command('get-wall')
      .alias('gw')
      .description('show the message for everybody')
      .action(async (_options: unknown, command: Command) => {
        const wall = await (await cli.connect(command)).get<WireWall>('/api/v1/wall');
        show(
          cli,
          wall,
          () =>
            `${wall.message ?? 'there is no message'}${wall.TTL === undefined ? '' : ` (for ${duration(wall.TTL / NANOSECONDS)} more)`}\n`,
        );
      }),
    new Command('set-wall')
      .alias('sw')
      .description('show a message to everybody')
      .requiredOption('-m, --message <text>', 'the message')
      .option('--ttl <duration>', 'for so long, as 1h (default: until it is cleared)', nanoseconds)
      .action(async ({ message, ttl }: { message: string; ttl?: number }, command: Command) => {
        await (await cli.connect(command)).send('PUT', '/api/v1/wall', { message, TTL: ttl ?? 0 });
        say(cli, 'everybody sees it');
      }),
    new Command('clear-wall')
      .alias('cw')
      .description('remove the message for everybody')
      .action(async (_options: unknown, command: Command) => {
        await (await cli.connect(command)).send('DELETE', '/api/v1/wall');
        say(cli, 'there is no message any more');
      }),
    new Command('health')
      .description('show whether the server and what it needs are well; exits with 1 when not')
      .action(async (_options: unknown, command: Command) => {
        const health = (await (await (await cli.connect(command)).fetch('GET', '/api/v1/health')).json()) as WireHealth;
        show(cli, health, () => `${cli.paint(health.status === 'ok' ? 'green' : 'red', health.status)}\n`);
        if (health.status === 'failing') cli.exitCode = 1;
      }),
    new Command('get-components')
      .alias('gc')
      .description('list the loops of the server, with the time of their last round')
      .action(async (_options: unknown, command: Command) => {
        const all = await (await cli.connect(command)).get<WireComponent[]>('/api/v1/components');
        const rows = all.map((c) => [c.name, duration(c.interval / NANOSECONDS), c.last_ran]);
        show(cli, all, () => table(cli.paint, ['name', 'interval', 'last ran'], rows));
      }),
    new Command('sync')
      .alias('s')
      .description(
        'compare the version of this CLI with the server; they come in one package, so update it as you installed it',
      )
      .option('-f, --force', 'has no effect; fly has it')
      .action(async (_options: unknown, command: Command) => {
        const client = await cli.connect(command);
        const { weir_version: server } = await client.get<{ weir_version?: string }>('/api/v1/info');
        if (server === undefined) throw new CliError(`${client.url} is no Weir server`);
        if (server !== VERSION)
          throw new CliError(`this is weir ${VERSION}, the server is ${server}: install weir ${server} here`);
        say(cli, `weir ${VERSION}, the same as the server`, { version: VERSION, server_version: server });
      }),
    changeWorker(cli, 'land-worker', 'lw', 'let a runtime start nothing more, for maintenance', 'land', 'landed'),
    pruneCommand(cli),
  ];
}

function changeWorker(cli: Cli, name: string, alias: string, description: string, verb: string, done: string): Command {
  return new Command(name)
    .alias(alias)
    .description(description)
    .requiredOption('-w, --worker <name>', 'its name, as `weir workers` shows it')
    .action(async ({ worker }: { worker: string }, command: Command) => {
      await (await cli.connect(command)).send('PUT', route`/api/v1/workers/${worker}/${verb}`);
      say(cli, `${done} ${worker}`);
    });
}

function pruneCommand(cli: Cli): Command {
  return new Command('prune-worker')
    .alias('pw')
    .description('forget runtimes that are gone')
    .option('-w, --worker <name>', 'its name')
    .option('-a, --all-stalled', 'all that have not been heard of')
    .action(async ({ worker, allStalled }: { worker?: string; allStalled?: boolean }, command: Command) => {
      const client = await cli.connect(command);
      if (worker === undefined && !allStalled) throw new CliError('which one? -w NAME, or --all-stalled');
      const names =
        worker === undefined
          ? (await client.get<{ name: string; state: string }[]>('/api/v1/workers'))
              .filter(({ state }) => state === 'stalled')
              .map(({ name }) => name)
          : [worker];
      for (const name of names) await client.send('PUT', route`/api/v1/workers/${name}/prune`);
      say(cli, names.length === 0 ? 'there are none' : `pruned ${names.join(', ')}`, names);
    });
}

function nanoseconds(text: string): number {
  const ms = parseDurationMs(text);
  if (ms === undefined || ms <= 0) throw new InvalidArgumentError('expected a duration, for example 1h');
  return ms * 1e6;
}
