import { Command, CommanderError } from 'commander';
import { VERSION } from '../platform/version.js';
import { say, type Cli } from './cli.js';
import { auditCommand } from './commands/audit.js';
import { buildCommands } from './commands/builds.js';
import { cacheCommands } from './commands/caches.js';
import { completionCommands } from './commands/completion.js';
import { configCommands } from './commands/configs.js';
import { curlCommand } from './commands/curl.js';
import { executeCommand } from './commands/execute.js';
import { explainCommand } from './commands/explain.js';
import { containerCommands } from './commands/intercept.js';
import { jobCommands } from './commands/jobs.js';
import { loginCommands } from './commands/login.js';
import { operatorCommands } from './commands/operator.js';
import { planCommand } from './commands/plan.js';
import { pipelineCommands } from './commands/pipelines.js';
import { resourceCommands } from './commands/resources.js';
import { schemaCommand } from './commands/schema.js';
import { serveCommand } from './commands/serve.js';
import { sourcesCommand } from './commands/sources.js';
import { targetCommands } from './commands/targets.js';
import { teamCommands } from './commands/teams.js';
import { tokensCommand } from './commands/tokens.js';
import { workersCommand } from './commands/workers.js';
import { watchCommand } from './commands/watch.js';
import { CliError, painter, type Io } from './io.js';
import { leaves } from './reference.js';
import { connect } from './targets.js';

const INTERRUPTED = 130;

/**
 * Runs one command line (without `node` and the program's name).
 * @returns the exit code: 0 done, 1 refused (with one line on standard error), or what the command says.
 */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  const cli: Cli = {
    io,
    paint: painter(io),
    exitCode: 0,
    isJson: false,
    connectTo: (choice) => connect(io, choice),
    connect: (command) => connect(io, command.optsWithGlobals()),
  };
  try {
    // No option of the program: commands have a `--version` of their own.
    await program(cli).parseAsync(argv[0] === '--version' ? ['version'] : argv, { from: 'user' });
    return cli.exitCode;
  } catch (error) {
    return explain(error, cli);
  }
}

/** All commands. */
export function program(cli: Cli): Command {
  const weir = new Command('weir')
    .description('Weir, a resource-driven continuous scheduler')
    .option('-t, --target <name>', 'a server in ~/.weirrc (default: the last login, or WEIR_TARGET_URL and WEIR_TOKEN)')
    .option('--team <name>', "another team than the target's")
    .showSuggestionAfterError()
    .helpCommand('help [command]', 'explain a command')
    .addHelpText(
      'after',
      "\nExit codes: 0 done; 1 refused; of watched builds: the failed task's, else 1 failed, 2 errored, 3 aborted.",
    );
  const groups: Readonly<Record<string, readonly Command[]>> = {
    'Logging in:': [...loginCommands(cli), ...targetCommands(cli)],
    'Pipelines:': [...configCommands(cli), ...pipelineCommands(cli), sourcesCommand(cli)],
    'Jobs and builds:': [...jobCommands(cli), explainCommand(cli), ...buildCommands(cli), watchCommand(cli)],
    'Steps:': [executeCommand(cli), ...containerCommands(cli), ...cacheCommands(cli)],
    'Resources:': resourceCommands(cli),
    'Teams:': [...teamCommands(cli), tokensCommand(cli), auditCommand(cli)],
    'The server:': [serveCommand(), workersCommand(cli), ...operatorCommands(cli), curlCommand(cli)],
    'This machine:': [planCommand(), schemaCommand(cli), versionCommand(cli), ...completionCommands(cli)],
  };
  for (const [heading, commands] of Object.entries(groups))
    for (const command of commands)
      weir.addCommand(command.helpGroup(heading), { hidden: command.name().startsWith('_') });
  for (const command of leaves(weir)) if (!PLAIN.includes(command.name())) withJson(command);
  weir.hook('preAction', (_weir, command) => {
    cli.isJson = command.getOptionValue('json') === true;
  });
  eachCommand(weir, (command) => {
    command.exitOverride().configureOutput({
      writeOut: (text) => cli.io.out(text),
      writeErr: (text) => cli.io.err(text),
      getOutHasColors: () => cli.io.hasColours,
    });
  });
  return weir;
}

function versionCommand(cli: Cli): Command {
  return new Command('version')
    .description('print the version of this CLI, as `weir --version`')
    .action(() => say(cli, VERSION, { version: VERSION }));
}

/** What has one form of output only. */
const PLAIN = ['serve', 'completion', '__complete', 'plan', 'schema', 'curl', 'intercept', 'export', 'format-pipeline'];

function withJson(command: Command): void {
  if (!command.options.some(({ long }) => long === '--json')) command.option('--json', 'for programs');
}

function eachCommand(command: Command, visit: (command: Command) => void): void {
  visit(command);
  for (const inner of command.commands) eachCommand(inner, visit);
}

/** One clear line, never a stack. */
function explain(error: unknown, { io, paint }: Cli): number {
  // Commander has printed its words already; help and version end with 0.
  if (error instanceof CommanderError) {
    if (error.code === 'commander.invalidArgument' && !error.message.startsWith('error:'))
      io.err(`error: ${error.message}\n`);
    return error.exitCode;
  }
  if (io.signal.aborted) return INTERRUPTED;
  const message = error instanceof Error ? error.message : String(error);
  io.err(`${paint('red', 'error')}: ${message}\n`);
  return error instanceof CliError ? error.exitCode : 1;
}
