import { InvalidArgumentError, type Command } from 'commander';
import type { ApiClient } from './client.js';
import type { Io, Paint } from './io.js';
import type { TargetChoice } from './targets.js';

/** What every command works with. */
export interface Cli {
  readonly io: Io;
  readonly paint: Paint;
  /** What the process ends with; 0 unless a command says otherwise. */
  exitCode: number;
  /** Answer programs, not people: `--json`. */
  isJson: boolean;
  /** A client of the server that the command's options choose. */
  connect(command: Command): Promise<ApiClient>;
  connectTo(choice: TargetChoice): Promise<ApiClient>;
}

/** Where a job or resource stands: `pipeline/name`. */
export interface Place {
  /** As it is written, with its instance vars; `ApiClient.pipeline` reads it. */
  readonly pipeline: string;
  readonly name: string;
}

/** Reads `pipeline/name` or `pipeline/var:value/name`, for commander. Pipeline names hold no slash, the others may. */
export function place(text: string): Place {
  const [whole, pipeline, name] = /^([^/]+\/(?:"[^"]*"|[^"/])*:(?:"[^"]*"|[^"])*)\/([^/]+)$/.exec(text) ?? [];
  if (whole !== undefined && pipeline !== undefined && name !== undefined) return { pipeline, name };
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
export function show(cli: Cli, value: unknown, text: () => string): void {
  cli.io.out(cli.isJson ? `${JSON.stringify(value, null, 2)}\n` : text());
}

/** Says in one line what was done; a program gets the value, or the line as `message`. */
export function say(cli: Cli, message: string, value: unknown = { message }): void {
  show(cli, value, () => `${message}\n`);
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
