import { readFile } from 'node:fs/promises';
import { InvalidArgumentError, type Command } from 'commander';
import { parse } from 'yaml';
import type { JsonObject, JsonValue } from '../model/index.js';
import { another } from './cli.js';
import { CliError } from './io.js';
import { isMap, withField } from './pipeline-ref.js';

/** Where vars come from. */
export interface VarOptions {
  readonly var?: readonly string[];
  readonly yamlVar?: readonly string[];
  readonly loadVarsFrom?: readonly string[];
}

/** Gives a command the options of {@link VarOptions}. @param as how the value of `-v` is read */
export function withVarOptions(command: Command, kind = 'template var', as = 'as text'): Command {
  return command
    .option('-v, --var <name=value>', `a ${kind}, ${as}; may be given again`, another)
    .option('-y, --yaml-var <name=yaml>', `a ${kind}, as YAML; may be given again`, another)
    .option('-l, --load-vars-from <file>', `a YAML file of ${kind}s; may be given again, later ones win`, another);
}

/**
 * Files first, then `-v`, then `-y`; what comes later wins. A dotted name (`a.b`) is a field of a map.
 * @param read makes the value of a `-v` out of its text
 */
export async function readVars(
  options: VarOptions,
  read: (name: string, text: string) => JsonValue = (_name, text) => text,
): Promise<JsonObject> {
  let vars: JsonObject = {};
  for (const file of options.loadVarsFrom ?? []) {
    const loaded = parseYaml(await readText(file), file);
    if (!isMap(loaded)) throw new CliError(`${file} is not a map of vars`);
    vars = { ...vars, ...loaded };
  }
  for (const pair of options.var ?? []) {
    const [name, text] = namedValue(pair);
    vars = withField(vars, name, read(name, text));
  }
  for (const pair of options.yamlVar ?? []) {
    const [name, text] = namedValue(pair);
    vars = withField(vars, name, parseYaml(text, `the value of ${name}`));
  }
  return vars;
}

/** Reads `NAME=VALUE`; the value may hold more of `=`. */
export function namedValue(pair: string): [name: string, value: string] {
  const equals = pair.indexOf('=');
  if (equals <= 0) throw new InvalidArgumentError(`"${pair}" is not NAME=VALUE`);
  return [pair.slice(0, equals), pair.slice(equals + 1)];
}

/** @throws CliError with the reason in one line. */
export function parseYaml(text: string, what: string): JsonValue {
  try {
    return parse(text) as JsonValue;
  } catch (error) {
    throw new CliError(`${what}: ${(error as Error).message.split('\n')[0] ?? ''}`);
  }
}

/** The text of a file. @throws CliError saying why it cannot be read. */
export async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const reasons: Readonly<Record<string, string>> = {
      ENOENT: 'there is no such file',
      EISDIR: 'it is a folder',
      EACCES: 'it may not be read',
    };
    const { code, message } = error as { code?: string; message: string };
    throw new CliError(`cannot read ${file}: ${reasons[code ?? ''] ?? message}`);
  }
}
