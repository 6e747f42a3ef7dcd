import {
  chmod,
  chown,
  lchown,
  link,
  lstat,
  lutimes,
  mkdir,
  open,
  readdir,
  realpath,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { ResourceFailure } from '../../src/resources/contract.js';
import { Jail, lstatIfThere, namesIn } from './jail.js';
import { isTarFault, readTar, type TarEntry, type TarHeader } from './tar.js';

export interface UnpackOptions {
  readonly signal: AbortSignal;
  /** Owners, set-user and set-group bits as the image has them. Needs root. Default: true as root. */
  readonly keepsOwners?: boolean;
  /** More entries in all layers are refused. Default a million. */
  readonly maxEntries?: number;
  /** More bytes of uncompressed layers are refused. Default 128 GiB. */
  readonly maxBytes?: number;
}

export interface UnpackSummary {
  readonly entries: number;
  /** Of uncompressed layers. */
  readonly bytes: number;
  /** Devices and pipes, which are never made: runtimes bring their own. */
  readonly skippedDevices: number;
}

/**
 * Unpacks the layers of an image, lowest first, into the empty folder `root`, which nobody else may change meanwhile. The
 * order of entries within a layer does not matter for whiteouts: they hide only what lower layers brought.
 *
 * - Nothing outside of `root` is written, linked to, changed or removed, whatever the layers say. Absolute paths count from
 *   `root`; paths with `..` are refused; links in folders are followed as a process rooted in `root` would follow them.
 *   The targets of symbolic links are kept as they are: whoever reads the result must not follow them from outside.
 * - Modes and times are as in the image. As root so are owners; otherwise owners and set-user bits are dropped, and the owner
 *   can always read files and use folders.
 * - Extended attributes are dropped; sparse files and unknown kinds of entries are refused.
 *
 * @param layers each gives the uncompressed tar when its turn comes.
 * @throws ResourceFailure when a layer is broken, hostile or too big; the signal's reason after an abort. The folder is then
 *   half full and of no use.
 */
export async function unpackLayers(
  layers: readonly (() => AsyncIterable<Uint8Array>)[],
  root: string,
  options: UnpackOptions,
): Promise<UnpackSummary> {
  const unpacking = await Unpacking.into(root, options);
  for (const [index, openLayer] of layers.entries()) {
    options.signal.throwIfAborted();
    await unpacking.layer(openLayer(), index);
  }
  return unpacking.finish();
}

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';
/** Bookkeeping of an old storage driver that leaked into layers. */
const AUFS = '.wh..wh.';

/** Codes of errors that the layer is to blame for, and not this machine. */
const LAYER_FAULTS =
  /^(?:ENAMETOOLONG|ENOTDIR|EISDIR|ELOOP|EINVAL|EILSEQ|ENOTEMPTY|EMLINK|ERR_INVALID_ARG_VALUE|Z_\w+|ZSTD_\w+)$/;

interface FolderFacts {
  readonly mode: number;
  readonly mtime?: Date;
  readonly uid?: number;
  readonly gid?: number;
}

class Unpacking {
  private jail!: Jail;
  /** Applied at the end: until then folders must be writable, and making files in them changes their times. */
  private readonly folders = new Map<string, FolderFacts>();
  /** Real paths that the present layer made or made something in; undefined in the lowest layer, which hides nothing. */
  private own: Set<string> | undefined;
  private entries = 0;
  private bytes = 0;
  private skippedDevices = 0;
  private readonly keepsOwners: boolean;
  private readonly umask = process.umask();
  private readonly maxEntries: number;
  private readonly maxBytes: number;

  private constructor(private readonly options: UnpackOptions) {
    this.keepsOwners = options.keepsOwners ?? process.getuid?.() === 0;
    this.maxEntries = options.maxEntries ?? 1_000_000;
    this.maxBytes = options.maxBytes ?? 128 * 1024 ** 3;
  }

  static async into(root: string, options: UnpackOptions): Promise<Unpacking> {
    const unpacking = new Unpacking(options);
    unpacking.jail = await Jail.at(root, (folder) => unpacking.folders.set(folder, { mode: 0o755 }));
    unpacking.folders.set(unpacking.jail.root, { mode: 0o755 });
    return unpacking;
  }

  async layer(tar: AsyncIterable<Uint8Array>, index: number): Promise<void> {
    this.own = index === 0 ? undefined : new Set();
    try {
      for await (const entry of readTar(this.measured(tar), this.options.signal)) await this.entry(entry);
    } catch (error) {
      this.options.signal.throwIfAborted();
      throw blame(error, `layer ${index + 1} cannot be unpacked`);
    }
  }

  async finish(): Promise<UnpackSummary> {
    for (const [path, facts] of this.folders) {
      // What has become a link, or leads through one, is no folder of ours any more.
      if ((await realpath(path).catch(() => undefined)) !== path) continue;
      if (!(await lstat(path)).isDirectory()) continue;
      if (this.keepsOwners) await chown(path, facts.uid ?? 0, facts.gid ?? 0);
      await chmod(path, this.keepsOwners ? facts.mode & 0o7777 : (facts.mode & 0o1777) | 0o700);
      if (facts.mtime !== undefined) await utimes(path, facts.mtime, facts.mtime);
    }
    return { entries: this.entries, bytes: this.bytes, skippedDevices: this.skippedDevices };
  }

  private async *measured(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of bytes) {
      this.bytes += chunk.length;
      if (this.bytes > this.maxBytes) throw new ResourceFailure(`the image is bigger than ${this.maxBytes} bytes`);
      yield chunk;
    }
  }

  private async entry(entry: TarEntry): Promise<void> {
    if (++this.entries > this.maxEntries) {
      throw new ResourceFailure(`the image has more than ${this.maxEntries} entries`);
    }
    const { header } = entry;
    try {
      const names = namesIn(header.name);
      if (names.at(-1) === OPAQUE) await this.hideContent(names.slice(0, -1));
      else if (names.some((name) => name.startsWith(AUFS))) return;
      else if (names.at(-1)?.startsWith(WHITEOUT)) await this.whiteOut(names);
      else if (names.length === 0) this.rootFolder(header);
      else await this.put(names, entry);
    } catch (error) {
      throw blame(error, `'${header.name}'`);
    }
  }

  private async put(names: readonly string[], { header, body }: TarEntry): Promise<void> {
    const path = await this.jail.place(names);
    switch (header.type) {
      case 'file':
      case 'contiguous-file':
        await this.file(path, header, body);
        break;
      case 'directory':
        if (!(await lstatIfThere(path))?.isDirectory()) await this.replacing(path, () => mkdir(path, { mode: 0o755 }));
        this.folders.set(path, { mode: header.mode, mtime: timeOf(header), ...ownerOf(header) });
        break;
      case 'symlink':
        await this.symbolicLink(path, header);
        break;
      case 'link':
        await this.hardLink(path, header);
        break;
      case 'character-device':
      case 'block-device':
      case 'fifo':
        await this.jail.remove(path);
        this.skippedDevices++;
        break;
      default:
        throw new ResourceFailure(`it is of an unknown kind`);
    }
    this.claim(path);
  }

  private rootFolder(header: TarHeader): void {
    if (header.type !== 'directory') throw new ResourceFailure('the root must be a folder');
    this.folders.set(this.jail.root, { mode: header.mode, mtime: timeOf(header), ...ownerOf(header) });
  }

  private async file(path: string, header: TarHeader, body: TarEntry['body']): Promise<void> {
    if (Object.keys(header.pax ?? {}).some((key) => key.startsWith('GNU.sparse'))) {
      throw new ResourceFailure('sparse files are not supported');
    }
    const mode = this.keepsOwners ? header.mode & 0o7777 : (header.mode & 0o777) | 0o400;
    // `wx` writes through no link and into no file that has another name elsewhere.
    const file = await this.replacing(path, () => open(path, 'wx', mode & 0o777));
    try {
      await writeFile(file, body);
      const { uid, gid } = ownerOf(header);
      const isOwn = uid === process.getuid?.() && gid === process.getgid?.();
      if (this.keepsOwners && !isOwn) await file.chown(uid, gid);
      // Images have many small files: each call that can be spared counts.
      if ((mode & (0o7000 | this.umask)) !== 0) await file.chmod(mode);
      await file.utimes(timeOf(header), timeOf(header));
    } finally {
      await file.close();
    }
  }

  private async symbolicLink(path: string, header: TarHeader): Promise<void> {
    const target = header.linkname ?? '';
    if (target === '') throw new ResourceFailure('it is a link to nothing');
    await this.replacing(path, () => symlink(target, path));
    const { uid, gid } = ownerOf(header);
    if (this.keepsOwners) await lchown(path, uid, gid);
    await lutimes(path, timeOf(header), timeOf(header));
  }

  private async hardLink(path: string, header: TarHeader): Promise<void> {
    const names = namesIn(header.linkname ?? '');
    const target = names.length === 0 ? undefined : await this.jail.find(names);
    const info = target === undefined ? undefined : await lstatIfThere(target);
    if (target === undefined || info === undefined)
      throw new ResourceFailure(`there is no '${header.linkname}' to link to`);
    if (info.isDirectory()) throw new ResourceFailure(`'${header.linkname}' is a folder and cannot be linked to`);
    if (target.startsWith(`${path}/`)) throw new ResourceFailure(`it would replace '${header.linkname}'`);
    if (target !== path) await this.replacing(path, () => link(target, path));
  }

  /** Makes something at the path, removing what stands there only if something does. */
  private async replacing<T>(path: string, make: () => Promise<T>): Promise<T> {
    try {
      return await make();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      await this.jail.remove(path);
      return make();
    }
  }

  /** The path and its folders are of this layer from now on. */
  private claim(path: string): void {
    const own = this.own;
    if (own === undefined) return;
    for (let at = path; at !== this.jail.root && !own.has(at); at = join(at, '..')) own.add(at);
  }

  private async whiteOut(names: readonly string[]): Promise<void> {
    const name = (names.at(-1) ?? '').slice(WHITEOUT.length);
    if (['', '.', '..'].includes(name)) throw new ResourceFailure('it hides no name');
    const path = await this.jail.find([...names.slice(0, -1), name]);
    if (path !== undefined) await this.hide(path);
  }

  private async hideContent(names: readonly string[]): Promise<void> {
    const folder = await this.jail.findFolder(names);
    if (folder === undefined) return;
    for (const name of await readdir(folder)) await this.hide(join(folder, name));
  }

  /** Removes what lower layers brought and leaves what this layer did. */
  private async hide(path: string): Promise<void> {
    if (this.own === undefined) return;
    if (!this.own.has(path)) return this.jail.remove(path);
    if (!(await lstatIfThere(path))?.isDirectory()) return;
    for (const name of await readdir(path)) await this.hide(join(path, name));
  }
}

/** Says what the error is about; one that the layer is to blame for becomes the answer of the resource. */
function blame(error: unknown, what: string): Error {
  const { code = '', message } = error as NodeJS.ErrnoException;
  const isLayers = error instanceof ResourceFailure || LAYER_FAULTS.test(code) || isTarFault(error);
  return isLayers ? new ResourceFailure(`${what}: ${message}`) : new Error(what, { cause: error });
}

function timeOf(header: TarHeader): Date {
  const seconds = Number(header.pax?.['mtime'] ?? NaN);
  const time = Number.isFinite(seconds) ? new Date(seconds * 1000) : header.mtime;
  return Number.isNaN(time.getTime()) ? new Date(0) : time;
}

function ownerOf(header: TarHeader): { readonly uid: number; readonly gid: number } {
  return { uid: idOf(header.pax?.['uid'], header.uid), gid: idOf(header.pax?.['gid'], header.gid) };
}

function idOf(long: string | undefined, short: number): number {
  const id = long === undefined ? short : Number(long);
  if (!Number.isInteger(id) || id < 0 || id >= 2 ** 32 - 1) throw new ResourceFailure('its owner is not valid');
  return id;
}
