import { parseArgs } from 'node:util';
import { Command } from 'commander';
import type { Cli } from '../cli.js';
import { CliError } from '../io.js';
import { readText } from '../vars.js';

/** What curl ends with after `-f` and an answer of 400 or more. */
const HTTP_ERROR = 22;

/** `weir curl`: any request to the server, with the login of the target. */
export function curlCommand(cli: Cli): Command {
  return new Command('curl')
    .alias('c')
    .description('send any request with the login of the target; knows the options of curl that a JSON API needs')
    .usage('<path> [-- -X METHOD] [-d DATA|@FILE] [-H HEADER] [-i] [-f]')
    .argument('<path>', 'as /api/v1/info')
    .argument('[options...]', "curl's, after --: -X, -d, -H, -i, -f, -s")
    .allowUnknownOption()
    .action(async (path: string, given: string[], _options: unknown, command: Command) => {
      const { data, request, header = [], include, fail } = readOptions(given);
      const client = await cli.connect(command);
      const body = data?.startsWith('@') ? await readText(data.slice(1)) : data;
      const headers = new Headers({ accept: '*/*', ...client.authorization });
      if (body !== undefined) headers.set('content-type', typeOf(body));
      for (const each of header) headers.set(...headerPair(each));
      const response = await client.fetch(request ?? (body === undefined ? 'GET' : 'POST'), path.replace(/^\/*/, '/'), {
        headers,
        ...(body === undefined ? {} : { body }),
      });
      if (include) {
        const lines = [...response.headers].map(([name, value]) => `${name}: ${value}\n`);
        cli.io.out(`HTTP ${response.status}\n${lines.join('')}\n`);
      }
      cli.io.out(await response.text());
      if (fail && !response.ok) throw new CliError(`the server answered with status ${response.status}`, HTTP_ERROR);
    });
}

function readOptions(args: string[]): {
  data?: string;
  request?: string;
  header?: string[];
  include?: boolean;
  fail?: boolean;
} {
  try {
    return parseArgs({
      args,
      options: {
        request: { type: 'string', short: 'X' },
        data: { type: 'string', short: 'd' },
        header: { type: 'string', short: 'H', multiple: true },
        include: { type: 'boolean', short: 'i' },
        fail: { type: 'boolean', short: 'f' },
        silent: { type: 'boolean', short: 's' },
      },
    }).values;
  } catch (error) {
    throw new CliError(
      `${(error as Error).message}; for other options use curl itself, with a token of \`weir tokens create\``,
    );
  }
}

function typeOf(body: string): string {
  return /^\s*[[{"]/.test(body) ? 'application/json' : 'application/x-yaml';
}

function headerPair(text: string): [string, string] {
  const colon = text.indexOf(':');
  if (colon <= 0) throw new CliError(`-H "${text}": expected NAME: VALUE`);
  return [text.slice(0, colon).trim(), text.slice(colon + 1).trim()];
}
