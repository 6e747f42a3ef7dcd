import { Command, InvalidArgumentError } from 'commander';
import { parseDurationMs } from '../../model/index.js';
import { another, count, say, show, type Cli } from '../cli.js';
import { route } from '../client.js';
import { table, time } from '../format.js';
import type { Paint } from '../io.js';

interface WireToken {
  readonly id: number;
  readonly name: string;
  readonly kind: string;
  readonly team?: string;
  readonly role?: string;
  readonly pipelines?: readonly string[];
  readonly actions?: readonly string[];
  readonly created_by?: string;
  readonly expires_at: string;
  readonly last_used_at?: string;
  readonly token?: string;
}

interface CreateOptions {
  readonly robot?: boolean;
  readonly team?: string;
  readonly role?: string;
  readonly pipeline?: readonly string[];
  readonly action?: readonly string[];
  readonly expiresIn?: number;
  readonly reason?: string;
}

/** `tokens list|create|revoke`: tokens for scripts, personal ones and robots. */
export function tokensCommand(cli: Cli): Command {
  const tokens = new Command('tokens').description('tokens for scripts: personal ones, and robots of teams');
  tokens
    .command('list', { isDefault: true })
    .description('list your tokens and the robots of teams you own')
    .action(async (_options: unknown, command: Command) => {
      const client = await cli.connect(command);
      const all = await client.get<WireToken[]>('/api/v1/tokens');
      show(cli, all, () => tokenTable(cli.paint, all));
    });
  tokens
    .command('create')
    .description('make a token and print it, this once')
    .argument('<name>', 'what it is for')
    .option('--robot', 'it belongs to the team of --team instead of you, and needs a --role')
    .option('--role <role>', 'the most it may do: owner, member, pipeline-operator or viewer')
    .option('-p, --pipeline <glob>', 'only these pipelines; may be given again', another)
    .option('--action <name>', 'only this action (docs/reference/roles.md); may be given again', another)
    .option('--expires-in <duration>', 'for example 30d (default: 90d)', seconds)
    .option('--reason <text>', 'why; kept in the audit log')
    .action(async (name: string, _options: unknown, command: Command) => {
      const client = await cli.connect(command);
      const { robot, team, role, pipeline, action, expiresIn, reason } = command.optsWithGlobals<CreateOptions>();
      const made = await client.send<WireToken>('POST', '/api/v1/tokens', {
        name,
        robot: robot === true,
        team: robot ? client.team : team,
        role,
        pipelines: pipeline,
        actions: action,
        expires_in_seconds: expiresIn,
        reason,
      });
      // The token alone goes to standard output, for $(...).
      if (!cli.isJson)
        cli.io.err(`token ${made.id} "${name}", good until ${shownTime(made.expires_at)}; it is shown only now:\n`);
      say(cli, made.token ?? '', made);
    });
  tokens
    .command('revoke')
    .description('end a token at once')
    .argument('<id>', 'as `weir tokens` shows it', count)
    .action(async (id: number, _options: unknown, command: Command) => {
      const client = await cli.connect(command);
      await client.send('DELETE', route`/api/v1/tokens/${id}`);
      say(cli, `token ${id} revoked`);
    });
  return tokens;
}

function seconds(text: string): number {
  const days = /^(\d{1,4})d$/.exec(text)?.[1];
  const ms = days === undefined ? parseDurationMs(text) : Number(days) * 86_400_000;
  if (ms === undefined || ms < 60_000)
    throw new InvalidArgumentError('expected a duration of at least 1m, as 12h or 30d');
  return Math.round(ms / 1000);
}

function shownTime(iso: string): string {
  return time(Date.parse(iso) / 1000);
}

function tokenTable(paint: Paint, tokens: readonly WireToken[]): string {
  return table(
    paint,
    ['id', 'name', 'kind', 'team', 'role', 'pipelines', 'actions', 'expires', 'last used'],
    tokens.map((t) => [
      String(t.id),
      t.name,
      t.kind,
      t.team ?? 'all',
      t.role ?? 'as you',
      t.pipelines?.join(', ') ?? 'all',
      t.actions?.join(', ') ?? 'all',
      shownTime(t.expires_at),
      t.last_used_at === undefined ? 'never' : shownTime(t.last_used_at),
    ]),
  );
}
