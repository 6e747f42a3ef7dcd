import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { VERSION } from '../../platform/index.js';
import { copyTree, discard, hasCode, isThere, makeScratch, namesIn, removeTree, sweep } from '../files.js';
import { findTool, installFolder, installLibraries, installTools, makeSkeleton, USUAL_TOOLS } from './tools.js';
import { copyModules } from './trace-modules.js';

const run = promisify(execFile);

/** The folder that holds `src` and `resource-types`, compiled or not. */
const PROGRAMS = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const PROTOCOL = 'src/resources/protocol-main';
/** Folder in which the image has its type. */
const RESOURCE = 'opt/resource';
const METADATA = 'metadata.json';
const SEARCH_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What an image has beyond the usual tools. */
export interface ImageExtras {
  /** Programs by name; the machine must have them. */
  readonly tools?: readonly string[];
  /** Programs that are good to have. */
  readonly wishes?: readonly string[];
  /** Folders of the machine, which the image has at the same places. */
  readonly folders?: readonly string[];
}

/**
 * Images of this machine's own tools in which one of the server's types speaks the container protocol. Made once for each
 * state of the server and the tools, below `<dataDir>/machine-images`; what is given out are links to the same files.
 */
export class MachineImages {
  /** Elsewhere nobody can tell which libraries a program loads, and nothing runs such an image. */
  static readonly arePossible = process.platform === 'linux';
  private readonly root: string;
  private readonly making = new Map<string, Promise<string>>();

  constructor(dataDir: string) {
    this.root = path.join(path.resolve(dataDir), 'machine-images');
  }

  /**
   * Fills the empty folder `dir` with the image; its processes get the variables of `env` besides its own. Its files must not be
   * written to: they are shared.
   */
  async write(dir: string, type: string, env: Readonly<Record<string, string>> = {}): Promise<void> {
    const tools = await toolsOf(USUAL_TOOLS);
    const name = `${type}-${await keyOf(type, tools)}`;
    const known = this.making.get(name) ?? this.make(name, type, tools);
    this.making.set(name, known);
    const image = await known.finally(() => this.making.delete(name));
    try {
      await run('cp', ['-al', `${image}/.`, dir]);
    } catch {
      await copyTree(image, dir); // on another file system, or one without links
    }
    await rm(path.join(dir, METADATA));
    await writeMetadata(dir, env);
  }

  private async make(name: string, type: string, tools: ReadonlyMap<string, string>): Promise<string> {
    const image = path.join(this.root, name);
    if (await isThere(image)) return image;
    await sweep(this.root);
    for (const old of await namesIn(this.root)) if (old.startsWith(`${type}-`)) await discard(this.root, old);
    const scratch = await makeScratch(this.root);
    try {
      await writeImage(scratch, type, tools);
      await chmod(scratch, 0o755);
      await rename(scratch, image);
    } catch (error) {
      await removeTree(scratch);
      if (!hasCode(error, 'ENOTEMPTY', 'EEXIST')) throw error; // another server made it meanwhile
    }
    return image;
  }
}

/** Writes an image of a type into the empty folder `dir`: `rootfs/` and `metadata.json`. */
export async function writeTypeImage(dir: string, type: string, extras: ImageExtras = {}): Promise<void> {
  const tools = await toolsOf([...USUAL_TOOLS, ...(extras.tools ?? []), ...(extras.wishes ?? [])]);
  const missing = extras.tools?.filter((name) => !tools.has(name)) ?? [];
  if (missing.length > 0) throw new Error(`this machine has no ${missing.join(', ')}, which type "${type}" needs`);
  await writeImage(dir, type, tools, extras.folders);
}

async function writeImage(
  dir: string,
  type: string,
  tools: ReadonlyMap<string, string>,
  folders: readonly string[] = [],
): Promise<void> {
  const root = path.join(dir, 'rootfs');
  const resource = path.join(root, RESOURCE);
  await mkdir(root);
  await makeSkeleton(root);
  await installTools(root, tools);
  for (const folder of folders) await installFolder(root, folder);
  await mkdir(resource, { recursive: true });
  await copyFile(process.execPath, path.join(resource, 'node'));
  await installLibraries(root, [process.execPath]);
  await copyModules([PROTOCOL, `resource-types/${type}/index`], PROGRAMS, path.join(resource, 'app'));
  for (const script of ['check', 'in', 'out']) {
    const text = `#!/bin/sh\nexec /${RESOURCE}/node /${RESOURCE}/app/${PROTOCOL}.js ${type} ${script} "$@"\n`;
    await writeFile(path.join(resource, script), text, { mode: 0o755 });
  }
  // Whatever the server's own mask is: any user of the image may read it, and everybody has a folder for passing things.
  await run('chmod', ['-R', 'u+rwX,go+rX,go-w', root]);
  for (const folder of ['tmp', 'var/tmp']) await chmod(path.join(root, folder), 0o1777);
  await writeMetadata(dir);
}

async function writeMetadata(dir: string, added: Readonly<Record<string, string>> = {}): Promise<void> {
  const env = Object.entries({ PATH: SEARCH_PATH, HOME: '/root', ...added }).map(([name, value]) => `${name}=${value}`);
  await writeFile(path.join(dir, METADATA), `${JSON.stringify({ env, user: '' })}\n`);
}

async function toolsOf(names: readonly string[]): Promise<Map<string, string>> {
  const found = await Promise.all(names.map(async (name) => [name, await findTool(name)] as const));
  return new Map(found.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** Changes with everything that the image is made of. */
async function keyOf(type: string, tools: ReadonlyMap<string, string>): Promise<string> {
  const stamp = async (file: string): Promise<string> => {
    const { mtimeMs, size } = await stat(file);
    return `${file}:${mtimeMs}:${size}`;
  };
  const own = await Promise.all(
    [`${PROTOCOL}`, `resource-types/${type}/index`].map((module) => {
      const file = path.join(PROGRAMS, module);
      return stamp(`${file}.js`).catch(() => stamp(`${file}.ts`));
    }),
  );
  const stamps = await Promise.all([...new Set([...tools.values(), process.execPath])].map(stamp));
  return createHash('sha256')
    .update([VERSION, ...own, ...stamps].join('\n'))
    .digest('hex')
    .slice(0, 24);
}
