import type { Command } from 'commander';

/** The page of the manual about every command, from the commands themselves. */
export function cliReference(weir: Command): string {
  const commands = leaves(weir).filter((command) => !command.name().startsWith('_') && command.name() !== 'help');
  const row = (command: Command): string => {
    const anchor = pathOf(command).replaceAll(' ', '-');
    return `| [\`${pathOf(command)}\`](#${anchor}) | ${aliasesOf(command)} | ${escaped(command.description())} |`;
  };
  const groups = [...new Set(commands.map(groupOf))];
  return [
    '# Command line',
    'Written by `npm run docs:cli` from the commands themselves; `weir help COMMAND` prints the same. Names, short names and options are those of `fly` where it has them. ' +
      'Pipelines are named `NAME` or `NAME/VAR:VALUE,...` (an instance), jobs and resources `PIPELINE/NAME`.',
    '## Options of every command',
    optionTable(weir),
    'Besides, every command that prints something knows `--json`: answers for programs, of watched builds their events, a line each. Colours and questions come only at a terminal; `NO_COLOR` turns colours off.',
    '| variable | what it does |\n|---|---|\n' +
      '| `WEIR_TARGET_URL`, `WEIR_TOKEN` | a server and a token, instead of `~/.weirrc` |\n' +
      '| `WEIR_PASSWORD` | the password of `weir login -u` |\n' +
      '| `WEIR_SOURCE_PASSWORD` | the password of `weir sources add --username` |',
    '## Exit codes',
    '| code | meaning |\n|---|---|\n| 0 | done |\n| 1 | refused, or a watched build failed |\n| 2, 3 | a watched build errored, was aborted |\n| 22 | `weir curl -f`: the answer has a status of 400 or more |\n| 130 | Ctrl-C |\n| 255 | the event stream or the connection to a container broke |\n| other | exit status of the task that failed, or of the command in a container |',
    '## Commands',
    ...groups.flatMap((group) => {
      const rows = commands.filter((command) => groupOf(command) === group).map(row);
      return [`### ${group}`, ['| command | short | what it does |', '|---|---|---|', ...rows].join('\n')];
    }),
    ...commands.map(section),
  ]
    .join('\n\n')
    .concat('\n');
}

/** Commands that do something, with those of groups. */
export function leaves(command: Command): Command[] {
  return command.commands.flatMap((each) => (each.commands.length > 0 ? leaves(each) : [each]));
}

function groupOf(command: Command): string {
  const first = command.parent?.parent ? command.parent : command;
  return first.helpGroup().replace(/:$/, '');
}

function pathOf(command: Command): string {
  const { parent } = command;
  return parent?.parent ? `${parent.name()} ${command.name()}` : command.name();
}

function section(command: Command): string {
  const parts = [`## ${pathOf(command)}`, `${sentence(command.description())}`];
  parts.push(`\`\`\`\nweir ${pathOf(command)} ${command.usage()}\n\`\`\``);
  const described = command.registeredArguments.filter(({ description }) => description);
  if (described.length > 0)
    parts.push(described.map((each) => `- \`${each.name()}\`: ${escaped(each.description)}`).join('\n'));
  if (command.options.some(({ hidden, long }) => !hidden && long !== '--json')) parts.push(optionTable(command));
  return parts.join('\n\n');
}

function optionTable(command: Command): string {
  const rows = command.options
    .filter(({ hidden, long }) => !hidden && long !== '--json')
    .map(({ flags, description, mandatory, defaultValue }) => {
      const extra = [
        ...(mandatory ? ['required'] : []),
        ...(defaultValue === undefined ? [] : [`default: ${String(defaultValue)}`]),
      ];
      return `| \`${flags}\` | ${escaped(description)}${extra.length > 0 ? ` (${extra.join('; ')})` : ''} |`;
    });
  return ['| option | meaning |', '|---|---|', ...rows].join('\n');
}

function aliasesOf(command: Command): string {
  return command
    .aliases()
    .map((alias) => `\`${alias}\``)
    .join(', ');
}

function escaped(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}

function sentence(text: string): string {
  return `${escaped(text.charAt(0).toUpperCase() + text.slice(1))}.`;
}
