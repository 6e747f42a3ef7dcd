import { Command } from 'commander';
import { another, confirm, say, show, type Cli } from '../cli.js';
import { table, time } from '../format.js';
import { CliError, type Paint } from '../io.js';
import { authOfFile, authOfFlags, HOLDER_FLAGS, type TeamAuth } from '../team-auth.js';
import { parseYaml, readText } from '../vars.js';

interface WireTeam {
  readonly id: number;
  readonly name: string;
  readonly auth?: Readonly<Record<string, { readonly users?: readonly string[]; readonly groups?: readonly string[] }>>;
}

interface TeamOptions {
  readonly teamName: string;
  readonly nonInteractive?: boolean;
}

interface WireActiveUser {
  readonly username: string;
  readonly connector: string;
  readonly last_login?: number;
}

/** Teams, who is in them, and who was here. */
export function teamCommands(cli: Cli): Command[] {
  return [
    new Command('teams')
      .alias('t')
      .description('list the teams')
      .option('-d, --details', 'with their users and groups')
      .action(async ({ details }: { details?: boolean }, command: Command) => {
        const client = await cli.connect(command);
        const all = await client.get<WireTeam[]>('/api/v1/teams');
        show(cli, all, () =>
          details
            ? teamTable(cli.paint, all)
            : table(
                cli.paint,
                ['name'],
                all.map((t) => [t.name]),
              ),
        );
      }),
    onTeam('get-team', 'show the roles of a team')
      .alias('gt')
      .action(async ({ teamName }: TeamOptions, command: Command) => {
        const client = await cli.connect(command);
        const team = await client.get<WireTeam>(client.teamNamed(teamName));
        show(cli, team, () => teamTable(cli.paint, [team]));
      }),
    setCommand(cli),
    new Command('rename-team')
      .alias('rt')
      .description('give a team another name')
      .requiredOption('-o, --old-name <name>', 'present name')
      .requiredOption('-n, --new-name <name>', 'name from now on')
      .action(async ({ oldName, newName }: { oldName: string; newName: string }, command: Command) => {
        const client = await cli.connect(command);
        await client.send('PUT', `${client.teamNamed(oldName)}/rename`, { name: newName });
        say(cli, `team ${oldName} is now ${newName}`);
      }),
    destroyCommand(cli),
    new Command('active-users')
      .aliases(['au', 'users'])
      .description('list who logged in of late')
      .option('--since <date>', 'since this day, as 2026-11-21 (default: within 60 days)')
      .action(async ({ since }: { since?: string }, command: Command) => {
        const client = await cli.connect(command);
        const query = since === undefined ? '' : `?since=${encodeURIComponent(since)}`;
        const users = await client.get<WireActiveUser[]>(`/api/v1/users${query}`);
        const rows = users.map((user) => [user.username, user.connector, time(user.last_login)]);
        show(cli, users, () => table(cli.paint, ['username', 'connector', 'last login'], rows));
      }),
  ];
}

function onTeam(name: string, description: string): Command {
  return new Command(name).description(description).requiredOption('-n, --team-name <name>', 'the team');
}

function setCommand(cli: Cli): Command {
  const command = onTeam('set-team', 'create a team, or replace its roles; shows them and asks')
    .alias('st')
    .option('--non-interactive', 'do not ask')
    .option('-c, --config <file>', 'YAML with the roles; see docs/operating/accounts.md');
  for (const flag of HOLDER_FLAGS) {
    const of = flag === 'github-team' ? 'org:team' : 'name';
    command.option(`--${flag} <${of}>`, 'an owner; may be given again', another);
  }
  return command.action(async (options: TeamOptions & { config?: string }) => {
    const auth = await authOf(command, options.config);
    const client = await cli.connect(command);
    const name = options.teamName;
    if (!cli.isJson) cli.io.out(`setting team: ${cli.paint('bold', name)}\n\n${rolesText(cli.paint, auth)}\n`);
    if (!options.nonInteractive && !(await confirm(cli, 'apply team configuration?')))
      throw new CliError('nothing was changed');
    const { team } = await client.send<{ team: WireTeam }>('PUT', client.teamNamed(name), { auth });
    say(cli, `team ${name} set`, team);
  });
}

async function authOf(command: Command, file: string | undefined): Promise<TeamAuth> {
  const given = Object.fromEntries(
    command.options.map((option) => [option.long?.slice(2), command.getOptionValue(option.attributeName())]),
  ) as Record<string, string[] | undefined>;
  const isGiven = HOLDER_FLAGS.some((flag) => given[flag] !== undefined);
  if (file !== undefined && isGiven)
    throw new CliError('-c and the flags of owners exclude each other: put the owners into the file');
  if (file !== undefined) return authOfFile(parseYaml(await readText(file), file), file);
  if (!isGiven) throw new CliError(`who owns the team? pass --${HOLDER_FLAGS.join(', --')}, or -c FILE`);
  return authOfFlags(given);
}

function destroyCommand(cli: Cli): Command {
  return onTeam('destroy-team', 'remove a team with all its pipelines, builds and logs, for ever')
    .alias('dt')
    .option('--non-interactive', 'do not ask')
    .action(async ({ teamName, nonInteractive }: TeamOptions, command: Command) => {
      const client = await cli.connect(command);
      await client.get(client.teamNamed(teamName));
      if (!nonInteractive) {
        const question = `this removes team ${teamName} with all its pipelines, builds and logs`;
        if (!cli.io.isInteractive)
          throw new CliError(`${question}: pass --non-interactive to do so without a question`);
        // As fly asks: not to be answered without thought.
        const answer = await cli.io.ask(`${question}\nplease type the team name to confirm: `);
        if (answer.trim() !== teamName) throw new CliError('nothing was removed');
      }
      await client.send('DELETE', client.teamNamed(teamName));
      say(cli, `team ${teamName} destroyed`);
    });
}

function rolesText(paint: Paint, auth: TeamAuth): string {
  const list = (names: readonly string[]): string =>
    names.length === 0 ? ' none' : names.map((n) => `\n    - ${n}`).join('');
  return Object.entries(auth)
    .map(
      ([role, { users, groups }]) =>
        `${paint('bold', `role ${role}`)}:\n  users:${list(users)}\n  groups:${list(groups)}\n`,
    )
    .join('\n');
}

function teamTable(paint: Paint, teams: readonly WireTeam[]): string {
  return table(
    paint,
    ['name', 'role', 'users', 'groups'],
    teams.flatMap(({ name, auth = {} }) =>
      Object.entries(auth).map(([role, { users = [], groups = [] }]) => [
        name,
        role,
        users.join(', ') || 'none',
        groups.join(', ') || 'none',
      ]),
    ),
  );
}
