import { constants } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { GitSource } from './schema.js';
import { localPath, parseRepositoryUri } from './uri.js';

/** Larger tables and more files are git's business: it can search where this would read everything. */
const MAX_BYTES = 1024 * 1024;
const MAX_LOOSE_REFS = 2000;
const MAX_LINKS = 5;

/** Settings by which a repository shows other references than it holds, or holds them in another way than as files. */
const UNUSUAL = /hiderefs|\[\s*(include|includeif|extensions)\b|repositoryformatversion\s*=\s*[^0\s]/i;
const USUAL_FORMAT = /^\s*repositoryformatversion\s*=\s*0\s*$/im;

/**
 * What `git ls-remote` would tell of a repository on this machine, without a process: `names` (such as `HEAD`) and everything
 * in `folders` (such as `refs/tags`), as far as it is there. Annotated tags stand with the sha of the tag object.
 * That the objects exist is not looked at.
 * @returns undefined when git has to be asked: the repository is elsewhere, or anything about it is out of the ordinary.
 */
export async function readLocalRefs(
  source: GitSource,
  names: readonly string[],
  folders: readonly string[],
): Promise<ReadonlyMap<string, string> | undefined> {
  try {
    const dir = await gitDirOf(source);
    if (dir === undefined) return undefined;
    const refs = new RefFiles(dir);
    const found = new Map<string, string>();
    for (const name of [...names, ...(await refs.namesIn(folders))]) {
      const sha = await refs.resolve(name);
      if (sha !== undefined) found.set(name, sha);
    }
    return found;
  } catch {
    return undefined; // git has the words for what is wrong
  }
}

/** The folder with the references; undefined unless it is the usual one, with the usual settings. */
async function gitDirOf({ uri, git_config }: GitSource): Promise<string | undefined> {
  // Elsewhere a file may be found under a name of other capitals, which git does not take for the reference.
  if (process.platform !== 'linux' || parseRepositoryUri(uri)?.isLocal !== true) return undefined;
  // Settings could lead to another repository (insteadOf) or hide references.
  if ((git_config ?? []).length > 0 || !/^(file:\/\/)?\//.test(uri)) return undefined;
  const path = localPath(uri);
  const inner = await kindOf(join(path, '.git'));
  if (inner === 'other') return undefined; // a working tree or submodule of another repository
  const dir = inner === 'folder' ? join(path, '.git') : path;
  const kinds = await Promise.all(['objects', 'refs', 'commondir'].map((name) => kindOf(join(dir, name))));
  if (kinds.join() !== 'folder,folder,nothing') return undefined;
  const config = await readText(join(dir, 'config'));
  return config !== undefined && USUAL_FORMAT.test(config) && !UNUSUAL.test(config) ? dir : undefined;
}

/** The references of one repository as they are now. Throws where only git is to judge what it means. */
class RefFiles {
  private packed: Promise<ReadonlyMap<string, string>> | undefined;

  constructor(private readonly dir: string) {}

  /** Full names below the folders. Files first: a reference that is packed meanwhile is in the table when its file has gone. */
  async namesIn(folders: readonly string[]): Promise<readonly string[]> {
    if (folders.length === 0) return [];
    const names = new Set<string>();
    for (const folder of folders) await this.addLoose(folder, names);
    for (const name of (await this.table()).keys())
      if (folders.some((folder) => name.startsWith(`${folder}/`))) names.add(name);
    return [...names];
  }

  async resolve(name: string, links = 0): Promise<string | undefined> {
    const text = await readText(join(this.dir, name));
    if (text === undefined) return (await this.table()).get(name);
    const target = /^ref:\s*(refs\/[^\s]+)\s*$/.exec(text)?.[1];
    if (target === undefined) return shaIn(text);
    if (links === MAX_LINKS || target.split('/').some((part) => part.startsWith('.')))
      throw new Error(`odd: ${target}`);
    return this.resolve(target, links + 1);
  }

  private async addLoose(folder: string, names: Set<string>): Promise<void> {
    for (const entry of await readdir(join(this.dir, folder), { withFileTypes: true })) {
      if (entry.name.startsWith('.') || entry.name.endsWith('.lock')) continue;
      const name = `${folder}/${entry.name}`;
      if (entry.isDirectory()) await this.addLoose(name, names);
      else if (entry.isFile() && isPlainName(entry.name)) names.add(name);
      else throw new Error(`odd: ${name}`);
      if (names.size > MAX_LOOSE_REFS) throw new Error('many references');
    }
  }

  private table(): Promise<ReadonlyMap<string, string>> {
    return (this.packed ??= this.readTable());
  }

  private async readTable(): Promise<ReadonlyMap<string, string>> {
    const entries = new Map<string, string>();
    for (const line of ((await readText(join(this.dir, 'packed-refs'))) ?? '').split('\n')) {
      if (line === '' || line.startsWith('#') || line.startsWith('^')) continue; // ^: what the tag above stands for
      entries.set(line.slice(41), shaIn(line));
    }
    return entries;
  }
}

/** Names about which git has no doubt. */
const isPlainName = (name: string): boolean => /^[\w+=,%-][\w.+=,%-]*$/.test(name) && !/\.\.|\.$/.test(name);

function shaIn(text: string): string {
  const sha = /^[0-9a-f]{40}(?=\s|$)/.exec(text)?.[0];
  if (sha === undefined || /^0+$/.test(sha)) throw new Error('no sha');
  return sha;
}

async function kindOf(path: string): Promise<'folder' | 'other' | 'nothing'> {
  try {
    return (await stat(path)).isDirectory() ? 'folder' : 'other';
  } catch (error) {
    if (isAbsence(error)) return 'nothing';
    throw error;
  }
}

/** Undefined when there is no such file. Links are for git to understand, and a pipe does not stop the server. */
async function readText(path: string): Promise<string | undefined> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const { size } = await file.stat();
      if (size > MAX_BYTES) throw new Error('a large file');
      return (await file.read(Buffer.alloc(size), 0, size, 0)).buffer.toString('utf8');
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

const isAbsence = (error: unknown): boolean =>
  ['ENOENT', 'ENOTDIR', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
