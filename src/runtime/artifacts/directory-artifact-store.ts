import { spawn } from 'node:child_process';
import { lstat, mkdir, readFile, realpath, rename, stat, utimes } from 'node:fs/promises';
import path from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { NotFoundError, systemClock, UserError } from '../../platform/index.js';
import { copyTree, discard, hasCode, isThere, makeScratch, namesIn, removeTree, sweep } from '../files.js';
import type { ArtifactRef, ArtifactStore } from '../port.js';

/**
 * Artifacts as folders below `<dataDir>/artifacts/<id>/tree`. Each gets its name by one rename when it is complete, so that
 * what can be seen is whole after any crash. Several servers may share the folder.
 */
export class DirectoryArtifactStore implements ArtifactStore {
  /** Absolute. */
  readonly dataDir: string;
  private readonly root: string;

  constructor(dataDir: string) {
    this.dataDir = path.resolve(dataDir);
    this.root = path.join(this.dataDir, 'artifacts');
  }

  async create(id: string, fill: (dir: string) => Promise<void>): Promise<ArtifactRef> {
    const ref = checked({ id });
    if (await this.exists(ref)) return ref;
    const scratch = await makeScratch(this.root);
    try {
      await mkdir(path.join(scratch, 'tree'));
      await fill(path.join(scratch, 'tree'));
      await rename(scratch, path.join(this.root, id));
    } catch (error) {
      await removeTree(scratch);
      // Somebody made the same artifact meanwhile: it is as good as ours.
      if (hasCode(error, 'ENOTEMPTY', 'EEXIST') && (await this.exists(ref))) return ref;
      throw error;
    }
    return ref;
  }

  /** Makes the folder `dir` itself the artifact, by one rename. Idempotent by id. `dir` must be on the same file system. */
  async adopt(id: string, dir: string): Promise<ArtifactRef> {
    const ref = checked({ id });
    if (await this.exists(ref)) return ref;
    await mkdir(path.join(this.root, id), { recursive: true, mode: 0o700 });
    await rename(dir, this.treeOf(ref));
    return ref;
  }

  async copyTo(ref: ArtifactRef, dir: string): Promise<void> {
    await this.demand(ref);
    await mkdir(dir);
    await copyTree(this.treeOf(ref), dir);
  }

  async readFile(ref: ArtifactRef, file: string): Promise<Buffer> {
    await this.demand(ref);
    const tree = await realpath(this.treeOf(ref));
    const refuse = (reason: string): UserError =>
      new UserError('file-not-found', `${reason} "${file}" in artifact "${ref.id}"`, 404);
    try {
      const real = await realpath(path.join(tree, file));
      if (!real.startsWith(tree + path.sep)) throw refuse('no file');
      if (!(await stat(real)).isFile()) throw refuse('not a file:');
      return await readFile(real);
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'ERR_INVALID_ARG_VALUE'))
        throw refuse('no file');
      throw error;
    }
  }

  /** Absolute path of the artifact's files, which nobody may change. @throws NotFoundError when it is gone */
  async folderOf(ref: ArtifactRef): Promise<string> {
    await this.demand(ref);
    return this.treeOf(ref);
  }

  async exists(ref: ArtifactRef): Promise<boolean> {
    return isThere(this.treeOf(ref));
  }

  async touch(ref: ArtifactRef): Promise<boolean> {
    if (!(await this.exists(ref))) return false;
    const now = systemClock.now();
    // Removed at this moment, or by another user who made it: still there is what counts.
    await utimes(path.join(this.root, ref.id), now, now).catch(() => undefined);
    return this.exists(ref);
  }

  /**
   * @param folder only what is in this folder of the artifact, which must not be a link
   * @param without folders to leave out, relative to `folder`
   */
  async read(ref: ArtifactRef, folder = '.', without: readonly string[] = []): Promise<Readable> {
    await this.demand(ref);
    const tree = path.join(this.treeOf(ref), folder);
    if (!(await isRealFolder(tree)))
      throw new UserError('file-not-found', `no folder "${folder}" in artifact "${ref.id}"`, 404);
    const excluded = without.map((name) => `--exclude=./${name}`);
    const flags = excluded.length === 0 ? [] : ['--anchored', '--no-wildcards', ...excluded];
    const tar = spawn('tar', ['-C', tree, ...flags, '-cf', '-', '.'], { stdio: ['ignore', 'pipe', 'pipe'] });
    const archive = new PassThrough();
    let words = '';
    tar.stderr.setEncoding('utf8').on('data', (text: string) => (words = (words + text).slice(-2000)));
    tar.on('error', (cause) => archive.destroy(new Error(`cannot pack artifact "${ref.id}"`, { cause })));
    // The archive ends only when tar says that it is whole: half of one must not pass for it.
    tar.on('close', (code) => {
      if (code === 0) archive.end();
      else archive.destroy(new Error(`cannot pack artifact "${ref.id}": ${words.trim()}`));
    });
    tar.stdout.pipe(archive, { end: false });
    archive.on('close', () => tar.kill());
    return archive;
  }

  async remove(ref: ArtifactRef): Promise<void> {
    await discard(this.root, checked(ref).id);
  }

  /** Oldest name first. Also clears away what a crash left half made. */
  async list(): Promise<readonly { readonly ref: ArtifactRef; readonly createdAt: Date }[]> {
    await sweep(this.root);
    const found: { ref: ArtifactRef; createdAt: Date }[] = [];
    for (const id of await this.ids()) {
      const info = await stat(path.join(this.root, id)).catch(() => undefined); // removed meanwhile
      if (info !== undefined) found.push({ ref: { id }, createdAt: new Date(info.mtimeMs) });
    }
    return found;
  }

  private async ids(): Promise<string[]> {
    return (await namesIn(this.root)).filter((name) => !name.startsWith('.'));
  }

  private treeOf(ref: ArtifactRef): string {
    return path.join(this.root, checked(ref).id, 'tree');
  }

  private async demand(ref: ArtifactRef): Promise<void> {
    if (!(await this.exists(ref)))
      throw new NotFoundError(`there is no artifact "${ref.id}": it was removed or never made`);
  }
}

async function isRealFolder(dir: string): Promise<boolean> {
  return (await isThere(dir)) && (await lstat(dir)).isDirectory();
}

function checked(ref: ArtifactRef): ArtifactRef {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/.test(ref.id)) {
    throw new UserError(
      'invalid-artifact-id',
      `"${ref.id}" is no artifact id: use letters, digits, dots, dashes and underscores`,
    );
  }
  return ref;
}
