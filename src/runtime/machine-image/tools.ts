import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import {
  access,
  copyFile,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  realpath,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { copyTree, hasCode } from '../files.js';

const run = promisify(execFile);

/** The usual tools, as far as the machine has them. */
export const USUAL_TOOLS: readonly string[] = (
  'sh bash dash busybox env ls cat cp mv rm mkdir rmdir ln chmod chown chgrp touch echo printf pwd true false test [ expr ' +
  'head tail cut sort uniq wc tr tee tac rev fold fmt nl od seq split paste join comm shuf yes sleep date uname whoami id ' +
  'groups basename dirname readlink realpath mktemp stat du df dd sync install truncate md5sum sha1sum sha256sum sha512sum ' +
  'cksum base64 base32 nproc nice nohup timeout stty tty who hostname grep egrep fgrep sed awk find xargs tar gzip gunzip ' +
  'zcat bzip2 bunzip2 xz unxz zip unzip diff cmp patch file which ps kill pgrep pkill top free getent less more vi nc ' +
  'curl wget jq openssl ping ip setsid flock script'
).split(' ');

/** Where the machine's programs are: what the server was started with, and the usual places. */
const PLACES = [
  ...new Set([...(process.env['PATH'] ?? '').split(':'), '/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin']),
].filter((place) => place.startsWith('/'));

/** The real file of a program of this machine; undefined when it has none of that name. */
export async function findTool(name: string): Promise<string | undefined> {
  for (const place of PLACES) {
    const file = path.join(place, name);
    try {
      await access(file, constants.X_OK);
      return await realpath(file);
    } catch (error) {
      if (!hasCode(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP')) throw error;
    }
  }
  return undefined;
}

/**
 * Puts programs and the libraries they load into a root file system. Those that are one file under several names stay so; the
 * applets of busybox stand in for usual tools that the machine does not have itself.
 * @param tools real files by the names they are to have
 */
export async function installTools(root: string, tools: ReadonlyMap<string, string>): Promise<void> {
  const bin = path.join(root, 'usr/bin');
  const files = new Set<string>();
  for (const [name, file] of tools) {
    const own = path.basename(file);
    if (!(await isThere(path.join(bin, own)))) await copyFile(file, path.join(bin, own));
    if (name !== own) await linkUnlessThere(own, path.join(bin, name));
    if (await isBinary(file)) files.add(file);
  }
  await installLibraries(root, [...files]);
  const busybox = tools.get('busybox');
  if (busybox === undefined) return;
  const { stdout } = await run(busybox, ['--list']);
  for (const applet of stdout.split('\n')) {
    if (applet !== '') await linkUnlessThere('busybox', path.join(bin, applet));
  }
}

/** Copies a folder of the machine to its place, with the libraries that programs directly in it load. */
export async function installFolder(root: string, folder: string): Promise<void> {
  await copyTree(folder, path.join(root, folder));
  const programs: string[] = [];
  for (const name of await readdir(folder)) {
    const file = path.join(folder, name);
    if ((await stat(file)).isFile() && (await isBinary(file))) programs.push(file);
  }
  if (programs.length > 0) await installLibraries(root, programs);
}

/** Copies the shared libraries that the programs load, and the loader itself, to where they are looked for. */
export async function installLibraries(root: string, programs: readonly string[]): Promise<void> {
  // It ends with an error when one of them needs no library, and still tells those of the others.
  const { stdout } = await run('ldd', programs, { maxBuffer: 16 * 1024 * 1024 }).catch((error: unknown) => {
    if (typeof (error as { stdout?: unknown }).stdout !== 'string' || hasCode(error, 'ENOENT')) throw error;
    return error as { stdout: string };
  });
  const libraries = new Set([...stdout.matchAll(/^\s+(?:\S+ => )?(\/\S+) \(0x/gm)].map(([, file = '']) => file));
  for (const library of libraries) {
    const target = path.join(root, library);
    await mkdir(path.dirname(target), { recursive: true });
    if (!(await isThere(target))) await copyFile(await realpath(library), target);
  }
}

/** An empty system: its folders, its users, the names of its services and the authorities that it trusts. */
export async function makeSkeleton(root: string): Promise<void> {
  const folders = ['usr/bin', 'usr/sbin', 'usr/lib', 'usr/lib64', 'usr/local/bin', 'etc/ssl/certs', 'home', 'root'];
  for (const folder of [...folders, 'dev', 'proc', 'sys', 'run', 'opt', 'var/tmp', 'mnt', 'srv'])
    await mkdir(path.join(root, folder), { recursive: true });
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) await symlink(`usr/${name}`, path.join(root, name));
  await mkdir(path.join(root, 'tmp'));
  const files: Readonly<Record<string, string>> = {
    'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/sh\n',
    'etc/group': 'root:x:0:\nnogroup:x:65534:\n',
    'etc/hosts': '127.0.0.1 localhost\n::1 localhost\n',
    'etc/nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\n',
    'etc/os-release': 'ID=weir\nNAME=Weir\nPRETTY_NAME="Tools of a Weir server"\n',
  };
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(root, name), text);
  for (const bundle of [
    '/etc/ssl/certs/ca-certificates.crt',
    '/etc/pki/tls/certs/ca-bundle.crt',
    '/etc/ssl/cert.pem',
  ]) {
    const content = await readFile(bundle).catch(() => undefined);
    if (content === undefined) continue;
    await writeFile(path.join(root, 'etc/ssl/certs/ca-certificates.crt'), content);
    break;
  }
}

async function isBinary(file: string): Promise<boolean> {
  const handle = await open(file);
  try {
    const { buffer } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    return buffer.toString('latin1') === '\x7fELF';
  } finally {
    await handle.close();
  }
}

async function isThere(file: string): Promise<boolean> {
  return lstat(file).then(
    () => true,
    () => false,
  );
}

async function linkUnlessThere(target: string, link: string): Promise<void> {
  try {
    await symlink(target, link);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  }
}
