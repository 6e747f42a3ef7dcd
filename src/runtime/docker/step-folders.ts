import type Docker from 'dockerode';
import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { chmod, chown, lstat, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { UserError } from '../../platform/index.js';
import type { DirectoryArtifactStore } from '../artifacts/directory-artifact-store.js';
import { discard, hasCode, namesIn, removeTree } from '../files.js';
import type { ArtifactRef } from '../port.js';
import { ownFolder } from '../process/mounts.js';
import { workFolder } from '../work-folder.js';
import type { PlacedMount, StepVolumes } from './container-options.js';
import { LABELS } from './labels.js';
import { openCaches, putFiles } from './transfer.js';
import { cacheMount, overlayVolume, type OverlayFolders } from './volumes.js';

const run = promisify(execFile);

/**
 * The files of steps where the daemon sees the disk of this server: nothing is copied or sent. Each step has a folder
 * `<dataDir>/docker/<name of its container>`:
 *
 * | folder | mounted | what |
 * |---|---|---|
 * | `work` | at the working folder | the step's own files, with outputs in it |
 * | `out/<digest of path>` | at its path | an output elsewhere, or one around or inside other mounts |
 * | `in/<digest of path>` | over the artifact, at its path | what the step changes in an input |
 * | `look-…/<digest of path>` | over the artifact, in a container that stands in for the step | changes to an output that became one |
 *
 * The container is made before the folder and removed before it, so that a folder without a container is nobody's.
 */
export class StepFolders {
  readonly root: string;

  constructor(
    private readonly artifacts: DirectoryArtifactStore,
    private readonly namespace: string,
  ) {
    this.root = path.join(artifacts.dataDir, 'docker');
  }

  /** What the container mounts. @throws NotFoundError when an input is gone. */
  async mountsOf(name: string, handle: string, mounts: readonly PlacedMount[]): Promise<StepVolumes> {
    const work = workFolder(handle);
    const Binds = mounts.some(({ path: at }) => at === work) ? [] : [`${this.at(name, 'work')}:${work}`];
    const Mounts: Docker.MountSettings[] = [];
    for (const { path: at, source } of mounts) {
      if ('cache' in source) Mounts.push(cacheMount(at, this.namespace, source.cache));
      if ('artifact' in source) Mounts.push(overlayVolume(at, await this.overlayOf(name, at, source.artifact)));
      if ('output' in source && isApart(handle, mounts, at)) Binds.push(`${this.at(name, 'out', digest(at))}:${at}`);
    }
    return { files: 'shared', Binds, Mounts };
  }

  /** Makes the folder of a container that was created and has not started. Doing it again gives the same. */
  async fill(container: Docker.Container, name: string, handle: string, mounts: readonly PlacedMount[]): Promise<void> {
    await removeTree(this.at(name)); // of a container of this name that somebody else has removed
    await openFolder(this.at(name, 'work'));
    const sent: PlacedMount[] = [];
    for (const mount of mounts) {
      const { path: at, source } = mount;
      const inWork = this.inWork(name, handle, at);
      if ('artifact' in source) await makeOverlay(await this.overlayOf(name, at, source.artifact));
      else if ('output' in source && isApart(handle, mounts, at)) await openFolder(this.at(name, 'out', digest(at)));
      else if ('output' in source && !isInput(mounts, at)) await openFolder(inWork);
      else if ('file' in source && !isFree(handle, mounts, at)) sent.push(mount);
      else if ('file' in source) {
        await openFolder(path.dirname(inWork));
        await writeFile(inWork, source.file, { mode: source.mode ?? 0o644 });
      }
    }
    await openCaches(container, mounts);
    await putFiles(container, sent);
  }

  /**
   * Makes the folder of an output the artifact, by one rename. Devices and the like are left out.
   * @param at absolute path of the output in the container, which has ended
   * @returns undefined when it must be read through the container: other mounts belong to it, or it has no folder here.
   * @throws UserError `output-missing` when the step removed the folder
   */
  async adopt(id: string, info: Docker.ContainerInspectInfo, at: string): Promise<ArtifactRef | undefined> {
    if (!isAlone(info, at)) return undefined;
    const name = info.Name.slice(1);
    const isMounted = info.Mounts.some(({ Destination }) => Destination === at);
    const folder = isMounted
      ? await ownFolder(this.at(name, 'out'), digest(at))
      : await ownFolder(this.at(name, 'work'), path.relative(workOf(info), at));
    if (folder === undefined && isMounted) return undefined;
    if (folder === undefined)
      throw new UserError('output-missing', `"${at}" is no folder any more: the step removed or replaced it`);
    await run('find', [folder, '!', '-type', 'd', '!', '-type', 'f', '!', '-type', 'l', '-delete']);
    await chmod(folder, 0o755);
    try {
      const ref = await this.artifacts.adopt(id, folder);
      if (isMounted) await mkdir(folder); // whoever reads other files of the container mounts this, too
      return ref;
    } catch (error) {
      if (hasCode(error, 'EXDEV', 'EACCES', 'EPERM')) return undefined;
      throw error;
    }
  }

  /**
   * Views of outputs that {@link adopt} has taken, for a container that stands in for one that has ended.
   * @param outputs artifacts by absolute path
   */
  async viewsOf(
    info: Docker.ContainerInspectInfo,
    outputs: ReadonlyMap<string, ArtifactRef>,
  ): Promise<Docker.MountSettings[]> {
    const views: Docker.MountSettings[] = [];
    if (info.Config.Labels[LABELS.files] !== 'shared') return views; // nothing was taken
    const look = `look-${randomUUID()}`;
    for (const [at, artifact] of outputs) {
      if (!isAlone(info, at) || !(await this.artifacts.exists(artifact))) continue;
      const folders = await this.overlay(artifact, this.at(info.Name.slice(1), look, digest(at)));
      await makeOverlay(folders);
      views.push(overlayVolume(at, folders));
    }
    return views;
  }

  /** For a container that is gone. No error when it has no folder. */
  async remove(name: string): Promise<void> {
    await discard(this.root, name);
  }

  /** Names of containers that have a folder here. Also clears away what a crash left half removed. */
  async names(): Promise<readonly string[]> {
    const found = await namesIn(this.root);
    for (const gone of found.filter((name) => name.startsWith('.gone-'))) await removeTree(this.at(gone));
    return found.filter((name) => name.startsWith(`weir-${this.namespace}-`));
  }

  private overlayOf(name: string, at: string, ref: ArtifactRef): Promise<OverlayFolders> {
    return this.overlay(ref, this.at(name, 'in', digest(at)));
  }

  private async overlay(ref: ArtifactRef, dir: string): Promise<OverlayFolders> {
    return { lower: await this.artifacts.folderOf(ref), upper: path.join(dir, 'upper'), work: path.join(dir, 'work') };
  }

  private inWork(name: string, handle: string, at: string): string {
    return path.join(this.at(name, 'work'), path.relative(workFolder(handle), at));
  }

  private at(name: string, ...parts: readonly string[]): string {
    return path.join(this.root, name, ...parts);
  }
}

/** True when one of the two paths is or holds the other. */
function overlaps(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`);
}

const isInput = (mounts: readonly PlacedMount[], at: string): boolean =>
  mounts.some(({ path: other, source }) => other === at && 'artifact' in source);

/** True when what stands at the path can be an ordinary folder or file of the working folder. */
function isFree(handle: string, mounts: readonly PlacedMount[], at: string): boolean {
  const isAround = ({ path: other }: PlacedMount): boolean => other !== at && overlaps(other, at);
  return at.startsWith(`${workFolder(handle)}/`) && !mounts.some(isAround);
}

/** True when an output needs a mount of its own. One with the path of an input shares that one's. */
function isApart(handle: string, mounts: readonly PlacedMount[], at: string): boolean {
  return !isInput(mounts, at) && !isFree(handle, mounts, at);
}

/** True when all files of an output are its own: no other mount or output is in it or around it. */
function isAlone(info: Docker.ContainerInspectInfo, at: string): boolean {
  const outputs = Object.values(JSON.parse(info.Config.Labels[LABELS.outputs] ?? '{}') as Record<string, string>);
  const others = [...info.Mounts.map(({ Destination }) => Destination), ...outputs];
  const work = workOf(info);
  return others.every((other) => other === at || other === work || !overlaps(other, at));
}

function workOf({ Config }: Docker.ContainerInspectInfo): string {
  return workFolder(Config.Labels[LABELS.handle] ?? '');
}

/** Everybody may write there: the image decides which user the step is. */
async function openFolder(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  await chmod(dir, 0o777);
}

/** The top of an overlay is that of its upper folder. */
async function makeOverlay({ lower, upper, work }: OverlayFolders): Promise<void> {
  await Promise.all([mkdir(upper, { recursive: true }), mkdir(work, { recursive: true })]);
  const { mode, uid, gid } = await lstat(lower);
  await chown(upper, uid, gid);
  await chmod(upper, mode & 0o7777);
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16);
