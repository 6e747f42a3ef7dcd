import { Command } from 'commander';
import { confirm, say, show, type Cli } from '../cli.js';
import { table, time } from '../format.js';
import { CliError } from '../io.js';
import { cleanUrl, demandTarget, readTargets, writeTargets } from '../targets.js';

interface TargetOptions {
  readonly target?: string;
  readonly targetName?: string;
  readonly teamName?: string;
  readonly url?: string;
  readonly concourseUrl?: string;
  readonly all?: boolean;
  readonly nonInteractive?: boolean;
}

/** `targets`, `edit-target`, `delete-target`: what stands in `~/.weirrc`. None of them asks a server. */
export function targetCommands(cli: Cli): Command[] {
  return [
    new Command('targets')
      .alias('ts')
      .description('list the servers in ~/.weirrc, without their tokens')
      .action(async () => listTargets(cli)),
    new Command('edit-target')
      .alias('etg')
      .description('give the target of -t another name, team or address')
      .option('--target-name <name>', 'its name from now on')
      .option('-n, --team-name <team>', 'its team')
      .option('-u, --url <url>', "the server's address")
      .option('--concourse-url <url>', 'the same, as fly writes it')
      .action(async (_options: unknown, command: Command) => editTarget(cli, command.optsWithGlobals())),
    new Command('delete-target')
      .alias('dtg')
      .description('forget the target of -t; its login stays good until `weir logout` or its end')
      .option('-a, --all', 'forget all targets')
      .option('-n, --non-interactive', 'do not ask')
      .action(async (_options: unknown, command: Command) => deleteTarget(cli, command.optsWithGlobals())),
  ];
}

async function editTarget(cli: Cli, options: TargetOptions): Promise<void> {
  const { target: name, targetName, teamName, url = options.concourseUrl } = options;
  if (name === undefined) throw new CliError('which target? pass -t NAME');
  if (targetName === undefined && teamName === undefined && url === undefined)
    throw new CliError('what shall change? pass --target-name, --team-name or --url');
  const file = await readTargets(cli.io);
  const found = demandTarget(file, name);
  const newName = targetName ?? name;
  if (newName !== name && file.targets[newName]) throw new CliError(`there is a target "${newName}" already`);
  const { token, ...others } = found;
  const edited = { ...others, ...(teamName ? { team: teamName } : {}), ...(url ? { url: cleanUrl(url) } : {}) };
  // A token must not reach another server than the one that gave it.
  const kept = edited.url === found.url && token !== undefined ? { ...edited, token } : edited;
  const targets = Object.entries(file.targets).map(([each, value]) =>
    each === name ? [newName, kept] : [each, value],
  );
  await writeTargets(cli.io, {
    ...file,
    ...(file.current === name ? { current: newName } : {}),
    targets: Object.fromEntries(targets) as typeof file.targets,
  });
  say(cli, `target ${newName} is now ${kept.url}, team ${kept.team}`);
}

async function deleteTarget(cli: Cli, { target: name, all, nonInteractive }: TargetOptions): Promise<void> {
  const file = await readTargets(cli.io);
  if (all) {
    if (!nonInteractive && !(await confirm(cli, 'forget all targets?'))) throw new CliError('nothing was forgotten');
    await writeTargets(cli.io, { targets: {} });
    return say(cli, 'all targets are forgotten');
  }
  if (name === undefined) throw new CliError('which target? pass -t NAME, or --all');
  demandTarget(file, name);
  const { [name]: _, ...targets } = file.targets;
  const { current, ...rest } = file;
  await writeTargets(cli.io, {
    ...rest,
    ...(current === undefined || current === name ? {} : { current }),
    targets,
  });
  say(cli, `target ${name} is forgotten`);
}

async function listTargets(cli: Cli): Promise<void> {
  const { current, targets } = await readTargets(cli.io);
  const rows = Object.entries(targets).map(([name, { url, team, token }]) => ({
    name,
    url,
    team,
    current: name === current,
    logged_in: token !== undefined,
    expires: token === undefined ? undefined : expiryOf(token),
  }));
  show(cli, rows, () =>
    table(
      cli.paint,
      ['name', 'url', 'team', 'login expires', ''],
      rows.map(({ name, url, team, expires, logged_in: isIn, current: isCurrent }) => [
        name,
        url,
        team,
        isIn ? time(expires) : 'logged out',
        isCurrent ? 'current' : '',
      ]),
    ),
  );
}

/** The last eight bytes of a token are its expiry in unix seconds. */
function expiryOf(token: string): number | undefined {
  const bytes = Buffer.from(token, 'base64');
  return bytes.length === 28 ? Number(bytes.readBigUInt64LE(20)) : undefined;
}
