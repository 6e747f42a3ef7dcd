import { createReadStream } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import path from 'node:path';
import { pipeline as pipe, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { pack, type Pack } from 'tar-stream';
import { gitFiles } from './git-files.js';

/**
 * A folder as a tar archive, compressed with gzip: in a git working tree what git knows or would add, else everything.
 * Nothing is kept in memory but what is on its way.
 * @param isWhole everything, whatever git says
 */
export async function packFolder(dir: string, isWhole: boolean): Promise<Readable> {
  const names = isWhole ? undefined : await gitFiles(dir);
  const archive = pack();
  const gzip = createGzip({ level: 1 });
  // Its streams are Node's in all that is used here, but not in their types.
  pipe(archive as unknown as Readable, gzip, () => undefined);
  fill(archive, dir, names ?? (await everything(dir))).then(
    () => archive.finalize(),
    (error: Error) => archive.destroy(error),
  );
  return gzip;
}

async function fill(archive: Pack, dir: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const file = path.join(dir, name);
    const info = await lstat(file).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
      throw error;
    });
    if (info === undefined) continue; // tracked, and removed since
    const common = { name, mode: info.mode & 0o7777, mtime: info.mtime };
    if (info.isDirectory()) archive.entry({ ...common, type: 'directory' });
    else if (info.isSymbolicLink()) archive.entry({ ...common, type: 'symlink', linkname: await readlink(file) });
    else if (info.isFile()) {
      const entry = archive.entry({ ...common, type: 'file', size: info.size });
      // Not more than was announced, should it grow meanwhile.
      const content = info.size === 0 ? Readable.from([]) : createReadStream(file, { end: info.size - 1 });
      await pipeline(content, entry as unknown as NodeJS.WritableStream);
    }
  }
}

/** Every path below a folder, folders before what is in them. */
async function everything(dir: string, inside = ''): Promise<string[]> {
  const names: string[] = [];
  for (const entry of await readdir(path.join(dir, inside), { withFileTypes: true })) {
    const name = inside === '' ? entry.name : `${inside}/${entry.name}`;
    names.push(name);
    if (entry.isDirectory()) names.push(...(await everything(dir, name)));
  }
  return names;
}
