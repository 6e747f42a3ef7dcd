import { InvalidArgumentError, type Command } from 'commander';
import type { ApiClient } from './client.js';
import type { Io, Paint } from './io.js';

/** What every command works with. */
export interface Cli {
  readonly io: Io;
  readonly paint: Paint;
  /** What the process ends with; 0 unless a command says otherwise. */
  exitCode: number;
  /** A client of the server that the command's options choose. */
  connect(command: Command): Promise<ApiClient>;
}

/** Where a job or resource stands: `pipeline/name`. */
export interface Place {
  readonly pipeline: string;
  readonly name: string;
}

/** Reads `pipeline/name`, for commander. Pipeline names hold no slash, the others may. */
export function place(text: string): Place {
  const slash = text.indexOf('/');
  if (slash <= 0 || slash === text.length - 1) throw new InvalidArgumentError('expected PIPELINE/NAME');
  return { pipeline: text.slice(0, slash), name: text.slice(slash + 1) };
}

/** Reads a whole number above 0, for commander. */
export function count(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('expected a whole number above 0');
  return Number(text);
}

/** Adds one `key:value` to a version, for commander; the value may hold colons. */
export function versionPart(text: string, previous: Readonly<Record<string, string>> = {}): Record<string, string> {
  const parts = { ...previous };
  // A comma between pairs is how `versions` prints them.
  for (const pair of text.split(/,(?=[^,:]+:)/)) {
    const colon = pair.indexOf(':');
    if (colon <= 0) throw new InvalidArgumentError('expected KEY:VALUE');
    parts[pair.slice(0, colon)] = pair.slice(colon + 1);
  }
  return parts;
}

/** Adds one value to a list, for commander. */
export function another(text: string, previous: readonly string[] = []): string[] {
  return [...previous, text];
}

/** Prints for a program (`--json`) or for a person. */
export function show(cli: Cli, asJson: boolean | undefined, value: unknown, text: () => string): void {
  cli.io.out(asJson ? `${JSON.stringify(value, null, 2)}\n` : text());
}

/** Asks yes or no; without anybody to ask, the answer is no, with a hint. */
export async function confirm(cli: Cli, question: string): Promise<boolean> {
  if (!cli.io.isInteractive) {
    cli.io.err(`${question}\nnobody can be asked here: pass -n to go on without a question\n`);
    return false;
  }
  const answer = await cli.io.ask(`${question} [yN]: `);
  return /^y(es)?$/i.test(answer.trim());
}
