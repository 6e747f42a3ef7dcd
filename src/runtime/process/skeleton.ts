import { lstat, mkdir, readdir, readlink, realpath, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { hasCode, isThere } from '../files.js';
import type { Bind } from './sandbox.js';

/** What sandboxes without an image are made of: folders on the disk that nobody writes to, and parts of the host. */
export interface Skeleton {
  /** A root with a place for everything that is mounted. */
  readonly root: string;
  /** `/dev` with empty files in the place of devices. */
  readonly devices: string;
  /** An empty folder and an empty file, to hide others with. */
  readonly nothing: { readonly folder: string; readonly file: string };
  /** The host as a step may see it. */
  readonly binds: readonly Bind[];
}

/** Where a step without an image is at home. */
export const SANDBOX_HOME = '/home/step';

/** What of the host's root no step sees: its own have other things there, or people's files are there. */
const NOT_SHARED = ['boot', 'dev', 'home', 'lost+found', 'media', 'mnt', 'proc', 'root', 'run', 'sys', 'tmp'];

/** Readable by root alone; a step of a server that is root would be able to. */
const SECRETS = [
  '/etc/shadow',
  '/etc/shadow-',
  '/etc/gshadow',
  '/etc/gshadow-',
  '/etc/sudoers',
  '/etc/sudoers.d',
  '/etc/ssl/private',
];

/**
 * Makes the folders below `dir`, or finds them made.
 * @param hidden absolute folders that no step may see, such as that of the server's data
 */
export async function makeSkeleton(dir: string, hidden: readonly string[]): Promise<Skeleton> {
  const root = path.join(dir, 'root');
  const devices = path.join(dir, 'dev');
  const nothing = { folder: path.join(dir, 'empty'), file: path.join(dir, 'empty-file') };
  for (const name of ['proc', 'sys', 'dev', 'tmp', 'run', 'root', 'mnt', SANDBOX_HOME])
    await mkdir(path.join(root, name), { recursive: true, mode: 0o755 });
  await mkdir(nothing.folder, { recursive: true });
  await touch(nothing.file);
  await makeDevices(devices);
  const binds = await shareHost(root);
  await shareResolver(root, binds);
  return { root, devices, nothing, binds: [...binds, ...(await hide(hidden, binds, nothing))] };
}

async function makeDevices(dir: string): Promise<void> {
  for (const name of ['pts', 'shm']) await mkdir(path.join(dir, name), { recursive: true });
  for (const name of ['null', 'zero', 'full', 'random', 'urandom', 'tty']) await touch(path.join(dir, name));
  const links = { fd: '/proc/self/fd', stdin: 'fd/0', stdout: 'fd/1', stderr: 'fd/2', ptmx: 'pts/ptmx' };
  for (const [name, target] of Object.entries(links)) await link(target, path.join(dir, name));
}

/** Folders of the host's root, and its links as they are. */
async function shareHost(root: string): Promise<Bind[]> {
  const binds: Bind[] = [{ from: '/sys', to: '/sys', isWritable: false }];
  for (const name of await readdir('/')) {
    const from = path.join('/', name);
    if (NOT_SHARED.includes(name) || name.startsWith('.')) continue;
    const info = await lstat(from);
    if (info.isSymbolicLink()) await link(await readlink(from), path.join(root, name));
    if (!info.isDirectory()) continue;
    await mkdir(path.join(root, name), { recursive: true });
    binds.push({ from, to: from, isWritable: false });
  }
  return binds;
}

/** Where names are looked up is often told by a file of `/run`. */
async function shareResolver(root: string, binds: Bind[]): Promise<void> {
  const file = await realpath('/etc/resolv.conf').catch(() => undefined);
  if (file === undefined || !file.startsWith('/run/')) return;
  await mkdir(path.dirname(path.join(root, file)), { recursive: true });
  await touch(path.join(root, file));
  binds.push({ from: file, to: file, isWritable: false });
}

async function hide(hidden: readonly string[], binds: readonly Bind[], nothing: Skeleton['nothing']): Promise<Bind[]> {
  const secrets = process.getuid?.() === 0 ? [...SECRETS, ...(await hostKeys())] : [];
  const covers: Bind[] = [];
  for (const place of [...hidden, ...secrets]) {
    const to = await realpath(place).catch(() => undefined);
    if (to === undefined || !binds.some(({ from }) => to === from || to.startsWith(`${from}/`))) continue;
    covers.push({ from: (await lstat(to)).isDirectory() ? nothing.folder : nothing.file, to, isWritable: false });
  }
  return covers;
}

async function hostKeys(): Promise<string[]> {
  const names = await readdir('/etc/ssh').catch(() => []);
  return names.filter((name) => /^ssh_host_.*_key$/.test(name)).map((name) => path.join('/etc/ssh', name));
}

async function touch(file: string): Promise<void> {
  if (!(await isThere(file))) await writeFile(file, '', { flag: 'a' });
}

async function link(target: string, file: string): Promise<void> {
  await symlink(target, file).catch((error: unknown) => {
    if (!hasCode(error, 'EEXIST')) throw error;
  });
}
