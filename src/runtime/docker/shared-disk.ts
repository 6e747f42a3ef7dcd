import type Docker from 'dockerode';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { PassThrough } from 'node:stream';
import tar from 'tar-stream';
import { messageOf } from '../../platform/index.js';
import { isThere, removeTree } from '../files.js';
import { hasStatus, isUnreachable } from './daemon.js';
import { importTree } from './images.js';
import { overlayVolume } from './volumes.js';

/** What is known of each daemon and folder: it does not change while both live. */
const known = new WeakMap<Docker, Map<string, Promise<string | undefined>>>();

/**
 * Tries once whether the daemon sees the folder `root` under the same path as this process, can lay an overlay there, and
 * leaves nothing that this process may not remove. Nothing is run for it.
 * @returns why it cannot be used, in words; undefined when all of that works.
 * @throws when the daemon is away: then nothing is known.
 */
export function whyNotShared(docker: Docker, root: string, namespace: string): Promise<string | undefined> {
  const ofDaemon = known.get(docker) ?? new Map<string, Promise<string | undefined>>();
  known.set(docker, ofDaemon);
  const key = `${root}\n${namespace}`;
  const answer = ofDaemon.get(key) ?? probe(docker, root, namespace);
  ofDaemon.set(key, answer);
  answer.catch(() => ofDaemon.delete(key));
  return answer;
}

async function probe(docker: Docker, root: string, namespace: string): Promise<string | undefined> {
  // They have a meaning in the options of mounts.
  if (/[:,\\"\s]/.test(root)) return 'the path of the data folder has a colon, comma, quote, backslash or space';
  const { SecurityOptions = [] } = (await docker.info()) as { SecurityOptions?: string[] };
  const mapped = SecurityOptions.find((option) => /^name=(userns|rootless|selinux)/.test(option));
  if (mapped !== undefined) return `the daemon uses ${mapped.replace('name=', '')}`;
  const name = `weir-${namespace}-probe`;
  const folder = path.join(root, name);
  try {
    await discard(docker, name, folder);
    return await tryOut(docker, name, folder);
  } catch (error) {
    if (isUnreachable(error)) throw error;
    return messageOf(error);
  } finally {
    await discard(docker, name, folder);
  }
}

/** The archives of a container that was never started go through its mounts as the container itself would. */
async function tryOut(docker: Docker, name: string, folder: string): Promise<string | undefined> {
  const at = (file: string): string => path.join(folder, file);
  const container = await createProbe(docker, name, {
    Binds: [`${at('work')}:/work`],
    Mounts: [overlayVolume('/in', { lower: at('lower'), upper: at('upper'), work: at('scratch') })],
  });
  for (const dir of ['work', 'lower', 'upper', 'scratch']) await mkdir(at(dir), { recursive: true });
  await writeFile(at('lower/seen'), folder);
  const seen = await text(await container.getArchive({ path: '/in/seen' })).catch((error: unknown) => {
    if (hasStatus(error, 404)) return ''; // the daemon has another folder of this path
    throw error;
  });
  if (!seen.includes(folder)) return 'the daemon does not see the data folder of this server';
  for (const dir of ['/in', '/work']) await container.putArchive(oneFile('new', folder), { path: dir });
  const isWritten = async (file: string): Promise<boolean> =>
    (await isThere(at(file))) && (await readFile(at(file), 'utf8')) === folder;
  if (!(await isWritten('upper/new')) || !(await isWritten('work/new')))
    return 'this server does not see what the daemon writes into the data folder';
  return (await isThere(at('lower/new'))) ? 'an overlay of the daemon changes the files below it' : undefined;
}

/** A container needs an image, if an empty one. */
async function createProbe(docker: Docker, name: string, HostConfig: Docker.HostConfig): Promise<Docker.Container> {
  const [repo, tag] = ['weir-probe', '1'];
  const options = { name, Image: `${repo}:${tag}`, Cmd: ['/none'], HostConfig };
  try {
    return await docker.createContainer(options);
  } catch (error) {
    if (!hasStatus(error, 404)) throw error;
    await importTree(docker, oneFile('empty', ''), { repo, tag });
    return docker.createContainer(options);
  }
}

function oneFile(name: string, content: string): PassThrough {
  const pack = tar.pack();
  pack.entry({ name }, content);
  pack.finalize();
  return pack.pipe(new PassThrough());
}

async function discard(docker: Docker, name: string, folder: string): Promise<void> {
  await docker
    .getContainer(name)
    .remove({ force: true, v: true })
    .catch((error: unknown) => {
      if (!hasStatus(error, 404, 409)) throw error;
    });
  await removeTree(folder);
}
