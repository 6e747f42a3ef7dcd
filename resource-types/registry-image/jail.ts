import { lstat, mkdir, readlink, realpath, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ResourceFailure } from '../../src/resources/contract.js';

/** As many links as Linux follows in one path. */
const MAX_LINKS = 40;
const MAX_REMEMBERED = 10_000;

/**
 * A folder whose inside is resolved as if it were `/`: absolute links begin at it and `..` ends at it, so no path leads
 * out. Holds only while nobody else changes the folder. Paths are given as lists of names without `.` and `..`
 * ({@link namesIn}) and returned as real paths: none of their folders is a link.
 */
export class Jail {
  private readonly known = new Map<string, string>();

  private constructor(
    /** Real path of the folder. */
    readonly root: string,
    private readonly made: (folder: string) => void,
  ) {}

  /** @param made is told of each folder that was made because an entry needed it. */
  static async at(root: string, made: (folder: string) => void): Promise<Jail> {
    return new Jail(await realpath(root), made);
  }

  /** Where the entry goes. Its folders are made as needed; links in them are followed, a link at the place itself is not. */
  async place(names: readonly string[]): Promise<string> {
    return join(await this.folder(names.slice(0, -1)), names.at(-1) ?? '.');
  }

  /** As {@link place}, making nothing; undefined when a folder on the way is not there. */
  async find(names: readonly string[]): Promise<string | undefined> {
    const folder = await this.walk(names.slice(0, -1), false);
    return folder === undefined ? undefined : join(folder, names.at(-1) ?? '.');
  }

  /** The folder itself, links followed; undefined when it is not there. */
  async findFolder(names: readonly string[]): Promise<string | undefined> {
    return this.walk(names, false);
  }

  /** Removes what stands at a path that this jail gave, with all below it. */
  async remove(path: string): Promise<void> {
    this.known.clear(); // a folder or link that is gone changes where other paths lead
    await rm(path, { recursive: true, force: true });
  }

  private async folder(names: readonly string[]): Promise<string> {
    const key = names.join('/');
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const folder = await this.walk(names, true);
    if (folder === undefined) throw new Error(`the folder '${key}' vanished while it was used`);
    if (this.known.size >= MAX_REMEMBERED) this.known.clear();
    this.known.set(key, folder);
    return folder;
  }

  private async walk(names: readonly string[], makesMissing: boolean): Promise<string | undefined> {
    const ahead = names.toReversed(); // the next name is the last: taking it is cheap
    let here = this.root;
    for (let links = 0; ;) {
      const name = ahead.pop();
      if (name === undefined) return here;
      if (name === '..') {
        if (here !== this.root) here = dirname(here);
        continue;
      }
      const next = join(here, name);
      const info = await lstatIfThere(next);
      if (info === undefined) {
        if (!makesMissing) return undefined;
        await mkdir(next, { mode: 0o755 });
        this.made(next);
        here = next;
      } else if (info.isDirectory()) {
        here = next;
      } else if (info.isSymbolicLink()) {
        if (++links > MAX_LINKS) throw new ResourceFailure(`too many links on the way to '${names.join('/')}'`);
        const target = await readlink(next);
        if (target.startsWith('/')) here = this.root;
        ahead.push(...partsOf(target).toReversed());
      } else if (makesMissing) {
        throw new ResourceFailure(`'${names.join('/')}' needs a folder where a file stands`);
      } else {
        return undefined;
      }
    }
  }
}

/** The names in the path of an archive's entry, as seen from the root. @throws ResourceFailure when there is a `..`. */
export function namesIn(path: string): string[] {
  const names = partsOf(path);
  if (names.includes('..')) throw new ResourceFailure(`the path '${path}' leads out of the image`);
  return names;
}

/** What stands there, without following a link; undefined when nothing does. */
export async function lstatIfThere(path: string) {
  return lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}

function partsOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}
