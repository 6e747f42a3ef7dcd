import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseYaml } from '../../pipelines/index.js';
import { messageOf } from '../../platform/index.js';
import { isPathPart, SourceError, type Secret, type SecretOwner, type SecretSource } from '../secret-source.js';

/**
 * Files of a folder: `<team>/<pipeline>/<var>`, then `<team>/<var>`. A file `<var>` is text, without its last line break; a
 * file `<var>.yml` is a value with structure. Names that would leave their folder are in none. Nothing is kept: a changed
 * file counts from its next use on.
 */
export class FolderSource implements SecretSource {
  readonly isRemote = false;
  readonly title: string;
  readonly settings: { readonly path: string };

  constructor(private readonly folder: string) {
    this.title = 'the folder of vars';
    this.settings = { path: folder };
  }

  places(name: string, { teamName, pipelineName }: SecretOwner): string[] {
    const owners = pipelineName === undefined ? [[teamName]] : [[teamName, pipelineName], [teamName]];
    return owners
      .map((owner) => [...owner, ...name.split('/')])
      .filter((parts) => parts.every(isPathPart))
      .map((parts) => path.join(...parts));
  }

  async read(place: string): Promise<Secret | undefined> {
    const file = path.join(this.folder, place);
    const text = await readIfThere(file);
    if (text !== undefined) return { value: text.replace(/\r?\n$/, '') };
    const yaml = await readIfThere(`${file}.yml`);
    if (yaml === undefined) return undefined;
    try {
      return { value: parseYaml(yaml, 'its file') };
    } catch (error) {
      throw new SourceError(messageOf(error), false);
    }
  }

  async health(): Promise<{ method: string; error?: string }> {
    const error = await readdir(this.folder).then(() => undefined, messageOf);
    return { method: 'read the folder', ...(error === undefined ? {} : { error }) };
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (['ENOENT', 'ENOTDIR', 'EISDIR', 'ENAMETOOLONG'].includes(code)) return undefined;
    throw new SourceError(`its file cannot be read: ${code}`, false, { cause: error });
  }
}
