import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { JsonValue } from '../model/index.js';
import { parseYaml } from '../pipelines/index.js';

interface Owner {
  readonly teamName: string;
  readonly pipelineName?: string | undefined;
}

/**
 * Reads a var from the folder: `<team>/<pipeline>/<var>`, then `<team>/<var>`. A file `<var>` is text, without its last line
 * break; a file `<var>.yml` is a value with structure. Names that would leave their folder are in none.
 * @returns undefined when there is no such file.
 * @throws when a file is there and cannot be read, naming the var and never its content.
 */
export async function readVar(folder: string, owner: Owner, name: string): Promise<JsonValue | undefined> {
  if (folder === '') return undefined;
  const { teamName, pipelineName } = owner;
  const places = pipelineName === undefined ? [[teamName]] : [[teamName, pipelineName], [teamName]];
  for (const place of places) {
    const segments = [...place, ...name.split('/')];
    if (!segments.every(isPlain)) continue;
    const file = path.join(folder, ...segments);
    const text = await readIfThere(file, name);
    if (text !== undefined) return text.replace(/\r?\n$/, '');
    const yaml = await readIfThere(`${file}.yml`, name);
    if (yaml !== undefined) return parseYaml(yaml, `the file of var '${name}'`);
  }
  return undefined;
}

function isPlain(segment: string): boolean {
  return !['', '.', '..'].includes(segment) && !/[/\\\0]/.test(segment);
}

async function readIfThere(file: string, name: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (['ENOENT', 'ENOTDIR', 'EISDIR', 'ENAMETOOLONG'].includes(code)) return undefined;
    throw new Error(`the file of var '${name}' cannot be read: ${code}`, { cause: error });
  }
}
