import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { Command } from 'commander';
import { verifyChain } from '../audit-chain.js';
import { count, show, type Cli } from '../cli.js';
import type { ApiClient } from '../client.js';
import { table, time } from '../format.js';
import { CliError, type Paint } from '../io.js';

interface Filters {
  readonly team?: string;
  readonly user?: string;
  readonly action?: string;
  readonly since?: string;
  readonly until?: string;
  readonly count?: number;
}

interface WireEntry {
  readonly seq: number;
  readonly at: string;
  readonly user: string | null;
  readonly token_kind: string | null;
  readonly remote_address: string | null;
  readonly action: string;
  readonly team: string | null;
  readonly target: string | null;
  readonly status: number | null;
  readonly reason: string | null;
}

/** `audit list|export|verify`: who changed what. */
export function auditCommand(cli: Cli): Command {
  const audit = new Command('audit').description('who changed what; with --team of that team only, for its owners');
  withFilters(audit.command('list', { isDefault: true }))
    .description('list changes, newest first')
    .option('-c, --count <number>', 'at most so many', count, 50)
    .action(async (_options: unknown, command: Command) => {
      const entries = await (await ask(cli, command, 'json')).json();
      show(cli, entries, () => entryTable(cli.paint, entries as WireEntry[]));
    });
  withFilters(audit.command('export'))
    .description('print changes, oldest first, as JSON lines with the hashes of their chain')
    .action(async (_options: unknown, command: Command) => {
      for await (const line of linesOf(await ask(cli, command, 'jsonl'))) cli.io.out(`${line}\n`);
    });
  audit
    .command('verify')
    .description(
      'compute the chain of hashes again, on this machine; exits with 1 when an entry was changed, removed or added',
    )
    .argument(
      '[file]',
      "the whole log as `weir audit export` printed it; - is standard input (default: the server's log)",
    )
    .option('--known-hash <hash>', 'a hash that an earlier verify printed: it must still be in the chain')
    .action(async (file: string | undefined, { knownHash }: { knownHash?: string }, command: Command) => {
      const lines = file === undefined ? linesOf(await wholeLog(await cli.connect(command))) : fileLines(cli, file);
      const verdict = await verifyChain(lines, knownHash);
      const { entries, last_hash: hash, broken } = verdict;
      show(cli, verdict, () =>
        broken
          ? `${cli.paint('red', 'the audit log does not hold')}: ${entries} entries hold, then entry ${broken.seq} ${broken.why}\n`
          : `${cli.paint('green', 'the audit log holds')}: ${entries} entries\nlast hash: ${hash}\nkeep it somewhere else: --known-hash ${hash} finds out later whether the newest entries were removed\n`,
      );
      if (broken) cli.exitCode = 1;
    });
  return audit;
}

function withFilters(command: Command): Command {
  return command
    .option('-u, --user <name>', 'by this user')
    .option('--action <name>', 'of this kind, as PausePipeline')
    .option('--since <time>', 'since then, as 2026-11-21 or 2026-11-21T18:22:05Z')
    .option('--until <time>', 'until then');
}

async function ask(cli: Cli, command: Command, format: 'json' | 'jsonl'): Promise<Response> {
  const client = await cli.connect(command);
  const { team, user, action, since, until, count: limit } = command.optsWithGlobals<Filters>();
  const query = new URLSearchParams({ format });
  const filters = { user, action, since: since && instant(since), until: until && instant(until), limit };
  for (const [name, value] of Object.entries(filters)) if (value !== undefined) query.set(name, String(value));
  const path = team === undefined ? '/api/v1/audit' : `${client.teamPath}/audit`;
  return client.call('GET', `${path}?${query.toString()}`);
}

function wholeLog(client: ApiClient): Promise<Response> {
  return client.call('GET', '/api/v1/audit?format=jsonl');
}

/** The time in ISO 8601; without a zone it is the local one. @throws CliError */
function instant(text: string): string {
  const at = new Date(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00` : text.replace(' ', 'T'));
  if (Number.isNaN(at.getTime())) throw new CliError(`"${text}" is no time such as 2026-11-21 or 2026-11-21T18:22:05Z`);
  return at.toISOString();
}

function linesOf({ body }: Response): AsyncIterable<string> {
  return createInterface({ input: body ? Readable.fromWeb(body) : Readable.from([]), crlfDelay: Infinity });
}

async function* fileLines({ io }: Cli, file: string): AsyncGenerator<string> {
  if (file === '-') return yield* (await io.readAll()).split('\n');
  const input = createReadStream(file);
  try {
    yield* createInterface({ input, crlfDelay: Infinity });
  } catch (error) {
    throw new CliError(`cannot read ${file}: ${(error as Error).message}`);
  }
}

function entryTable(paint: Paint, entries: readonly WireEntry[]): string {
  return table(
    paint,
    ['seq', 'at', 'user', 'from', 'action', 'team', 'target', 'status', 'reason'],
    entries.map((e) => [
      String(e.seq),
      time(Date.parse(e.at) / 1000),
      `${e.user ?? 'nobody'}${e.token_kind === null || e.token_kind === 'login' ? '' : ` (${e.token_kind} token)`}`,
      e.remote_address ?? '',
      e.action,
      e.team ?? '',
      e.target ?? '',
      e.status === null ? '' : String(e.status),
      e.reason ?? '',
    ]),
  );
}
