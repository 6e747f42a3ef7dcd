import { fileURLToPath } from 'node:url';
import { Command } from 'commander';

/** `serve`: the server itself, in this process. Its flags are its own; `weir serve --help` lists them. */
export function serveCommand(): Command {
  return new Command('serve')
    .description('run the server; `weir serve --help` lists its flags')
    .helpOption(false)
    .allowUnknownOption()
    .argument('[flags...]')
    .action(async (flags: string[]) => {
      // The server reads its flags from the process, as under `npm start`, and lives until a signal ends it.
      process.argv = [process.argv[0] ?? 'node', fileURLToPath(new URL('../../main.js', import.meta.url)), ...flags];
      await import('../../main.js');
    });
}
