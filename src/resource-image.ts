import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf, VERSION } from './platform/index.js';
import { ResourceTypeRegistry } from './resources/index.js';
import { MachineImages, writeImageArchive, writeTypeImage, type ImageExtras } from './runtime/index.js';

/*
 * `npm run build:resource-image -- TYPE [--out FILE.tar]`: one of the server's types as a container image that speaks the
 * check/in/out protocol, made of this machine's tools. Needs no Docker.
 */

/** Git brings its parts along in folders. */
const GIT: ImageExtras = {
  tools: ['git', 'ssh'],
  wishes: ['ssh-keygen', 'ssh-agent', 'ssh-add', 'gpg', 'gpg-agent', 'git-lfs', 'git-crypt'],
  folders: ['/usr/lib/git-core', '/usr/share/git-core'],
};
const EXTRAS: Readonly<Record<string, ImageExtras>> = { git: GIT, pool: GIT, semver: GIT };
/** They ask the server they run in, which an image cannot. */
const BOUND_TO_THE_SERVER = ['pipeline'];

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { out: { type: 'string' } } });
  const [name = ''] = positionals;
  const { name: type } = new ResourceTypeRegistry().get(name);
  if (BOUND_TO_THE_SERVER.includes(type)) throw new Error(`type "${type}" works only inside the server`);
  if (!MachineImages.arePossible) throw new Error('images of this machine can be made on Linux only');
  const file = path.resolve(values.out ?? `${type}-resource.tar`);
  const dir = await mkdtemp(path.join(os.tmpdir(), 'weir-resource-image-'));
  try {
    await writeTypeImage(dir, type, EXTRAS[type]);
    await writeImageArchive(dir, file, `weir/${type}-resource:${VERSION}`);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
  console.log(`${file}: docker load -i ${path.basename(file)}, or push it with a registry-image resource`);
}

main().catch((error: unknown) => {
  console.error(`build:resource-image: ${messageOf(error)}`);
  process.exitCode = 1;
});
