import { Command, CommanderError } from 'commander';
import { VERSION } from '../platform/version.js';
import type { Cli } from './cli.js';
import { buildCommands } from './commands/builds.js';
import { configCommands } from './commands/configs.js';
import { executeCommand } from './commands/execute.js';
import { explainCommand } from './commands/explain.js';
import { containerCommands } from './commands/intercept.js';
import { jobCommands } from './commands/jobs.js';
import { loginCommands } from './commands/login.js';
import { planCommand } from './commands/plan.js';
import { pipelineCommands } from './commands/pipelines.js';
import { resourceCommands } from './commands/resources.js';
import { schemaCommand } from './commands/schema.js';
import { serveCommand } from './commands/serve.js';
import { sourcesCommand } from './commands/sources.js';
import { workersCommand } from './commands/workers.js';
import { watchCommand } from './commands/watch.js';
import { CliError, painter, type Io } from './io.js';
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
    connect: (command) => connect(io, command.optsWithGlobals()),
  };
  try {
    await program(cli).parseAsync(argv, { from: 'user' });
    return cli.exitCode;
  } catch (error) {
    return explain(error, cli);
  }
}

/** All commands. */
export function program(cli: Cli): Command {
  const weir = new Command('weir')
    .description('Weir, a resource-driven continuous scheduler')
    .version(VERSION, '--version', 'print the version')
    .option('-t, --target <name>', 'a server in ~/.weirrc (default: the last login, or WEIR_TARGET_URL and WEIR_TOKEN)')
    .option('--team <name>', "another team than the target's")
    .showSuggestionAfterError()
    .helpCommand('help [command]', 'explain a command')
    .addHelpText(
      'after',
      "\nExit codes: 0 done; 1 refused; of watched builds: the failed task's, else 1 failed, 2 errored, 3 aborted.",
    );
  const commands = [
    ...loginCommands(cli),
    serveCommand(),
    ...configCommands(cli),
    ...pipelineCommands(cli),
    ...jobCommands(cli),
    explainCommand(cli),
    watchCommand(cli),
    ...buildCommands(cli),
    executeCommand(cli),
    ...containerCommands(cli),
    ...resourceCommands(cli),
    sourcesCommand(cli),
    workersCommand(cli),
    planCommand(),
    schemaCommand(cli),
  ];
  for (const command of commands) weir.addCommand(command);
  eachCommand(weir, (command) => {
    command.exitOverride().configureOutput({
      writeOut: (text) => cli.io.out(text),
      writeErr: (text) => cli.io.err(text),
      getOutHasColors: () => cli.io.hasColours,
    });
  });
  return weir;
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
