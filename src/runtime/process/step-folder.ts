import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { messageOf, UserError } from '../../platform/index.js';
import { hasCode, makeScratch, removeTree } from '../files.js';
import type { Handle, Mount, StepSpec } from '../port.js';
import { workFolder } from '../work-folder.js';
import type { SandboxRecord } from './enter.js';
import { PLACE_FILE, type StepPlace } from './exec.js';
import { ABSOLUTE, giveFolders, layGround, type StepPlaces } from './ground.js';
import { readImage, resolveInRoot, type Image } from './image-root.js';
import { PLAIN_PATH, type Isolation, type Sandboxing } from './isolation.js';
import { makeGroups, removeGroups } from './limits.js';
import {
  aloneInputs,
  layInput,
  placeMounts,
  relativePath,
  returnCaches,
  sortedMounts,
  type MountedCache,
  type MountStores,
} from './mounts.js';
import { plainStart, type ProcessId } from './processes.js';
import type { Overlay } from './sandbox.js';
import { kindFor, sandboxScript } from './sandbox-script.js';
import { DEFAULT_PATH, plainLaunch, sandboxedLaunch, type LaunchPlan } from './scripts.js';

/** What is kept of a step's spec, in `spec.json`. The environment is not: it may be secret, and stands in `launch` and `place.json`. */
export interface StepRecord {
  readonly handle: Handle;
  readonly labels: Readonly<Record<string, string>>;
  /** `NAME=value`, unlike any other step's on this machine. */
  readonly marker: string;
  readonly stdoutTo: 'log' | 'result';
  readonly outputs: readonly { readonly name: string; readonly path: string }[];
  readonly caches: readonly MountedCache[];
  /** Absent: the step shares the files and processes of the machine. */
  readonly sandbox?: SandboxRecord;
  /** Groups that limit it, to be removed after it. */
  readonly groups?: readonly string[];
}

/**
 * The folder of one step:
 *
 * | file | written by | what |
 * |---|---|---|
 * | `spec.json`, `place.json`, `launch`, `stdin` | server, before the folder gets its name | what to do |
 * | `sandbox*` | server, before the folder gets its name | how to become the command in a sandbox |
 * | `work`, `absolute`, `home`, `tmp` | server, then the step | the step's own files |
 * | `root`, `scratch`, `views` | server, then the step | its changes to an image, and what views of inputs need |
 * | `pid` | server, once | pid and start time of the supervisor, and boot id: the claim |
 * | `main` | launch | pid and start time of the command |
 * | `log`, `result` | the command | its output |
 * | `reason` | server, launch | words about an exit that was not the command's own doing |
 * | `exit` | supervisor, last | a line with exit code and reason; before, room for it |
 */
export class StepFolder {
  readonly work: string;

  constructor(readonly dir: string) {
    this.work = path.join(dir, 'work');
  }

  file(name: string): string {
    return path.join(this.dir, name);
  }

  /** Undefined when there is no such step. */
  async record(): Promise<StepRecord | undefined> {
    const text = await this.text('spec.json');
    return text === undefined ? undefined : (JSON.parse(text) as StepRecord);
  }

  /** The text of a file of the step; undefined when it is not there. */
  async text(name: string): Promise<string | undefined> {
    try {
      return await readFile(this.file(name), 'utf8');
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
      throw error;
    }
  }

  /** Bytes of a file of the step, 0 when it is not there. */
  async size(name: string): Promise<number> {
    try {
      return (await stat(this.file(name))).size;
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return 0;
      throw error;
    }
  }

  /** The supervisor; undefined while nobody has claimed the step. */
  async supervisor(): Promise<(ProcessId & { readonly boot: string }) | undefined> {
    const text = await this.text('pid');
    if (text === undefined) return undefined;
    const [pid = '', start = '', boot = ''] = text.split('\n');
    return { pid: Number(pid), start: plainStart(start), boot };
  }

  /** The command's first process; undefined before it was started. */
  async main(): Promise<ProcessId | undefined> {
    const [, pid, start] = /^(\d+)\n(.+)\n/.exec((await this.text('main')) ?? '') ?? [];
    return pid === undefined || start === undefined ? undefined : { pid: Number(pid), start: plainStart(start) };
  }

  async exit(): Promise<{ readonly code: number; readonly reason?: string } | undefined> {
    const [, code, reason] = /^(\d+) (.*)\n/.exec((await this.text('exit')) ?? '') ?? [];
    if (code === undefined) return undefined;
    return { code: Number(code), ...(reason ? { reason } : {}) };
  }
}

/**
 * Builds the whole folder of a step aside and gives it its name by one rename: a step that can be seen is complete, and of
 * two that prepare it at once one wins.
 */
export async function prepareStep(
  steps: string,
  spec: StepSpec,
  stores: MountStores,
  isolation: Isolation,
): Promise<void> {
  const work = workFolder(spec.handle);
  const placed = (absolute: string): string =>
    absolute.startsWith(`${work}/`)
      ? relativePath(absolute.slice(work.length + 1), 'the path')
      : ABSOLUTE + path.posix.normalize(absolute);
  const mounts = sortedMounts(spec.mounts, isolation.kind === 'none' ? undefined : placed);
  const marker = `WEIR_STEP=${randomUUID()}`;
  const record: StepRecord = {
    handle: spec.handle,
    labels: spec.labels,
    marker,
    stdoutTo: spec.stdoutTo,
    outputs: mounts.flatMap((mount) =>
      'output' in mount.source ? [{ name: mount.source.output, path: mount.path }] : [],
    ),
    caches: mounts.flatMap((mount) => ('cache' in mount.source ? [{ key: mount.source.cache, path: mount.path }] : [])),
  };
  const scratch = new StepFolder(await makeScratch(steps));
  const places = { now: scratch.dir, later: path.join(steps, spec.handle) };
  let groups: readonly string[] = [];
  try {
    await Promise.all([mkdir(scratch.file('home')), mkdir(scratch.file('tmp'))]);
    if (isolation.cgroups !== undefined && spec.limits !== undefined) {
      groups = await makeGroups(isolation.cgroups, `weir-${marker.slice('WEIR_STEP='.length)}`, spec.limits);
    }
    const launch: LaunchPlan = {
      argv: spec.argv,
      hasStdin: spec.stdin !== undefined,
      stdoutTo: spec.stdoutTo,
      groups,
      dirAsGiven: spec.dir ?? '.',
    };
    const ready = { ...record, ...(groups.length === 0 ? {} : { groups }) };
    if (isolation.kind === 'none') await preparePlain(places, spec, ready, launch, mounts, stores);
    else await prepareSandbox(places, spec, ready, launch, mounts, stores, isolation);
    if (await nameStep(places)) groups = [];
  } catch (error) {
    if (error instanceof UserError) throw error;
    const isFull = hasCode(error, 'ENOSPC', 'EDQUOT') || /No space left/.test(String(error));
    throw new Error(`cannot prepare step ${spec.handle}: ${isFull ? 'no space left on device' : messageOf(error)}`, {
      cause: error,
    });
  } finally {
    await removeGroups(groups);
    await returnCaches(stores.caches, scratch.work, record.caches); // nothing is there when the step got its name
    await removeTree(scratch.dir);
  }
}

/** @returns whether it was ours that got the name. */
async function nameStep({ now, later }: StepPlaces): Promise<boolean> {
  try {
    await rename(now, later);
    return true;
  } catch (error) {
    if (!hasCode(error, 'ENOTEMPTY', 'EEXIST')) throw error; // somebody prepared the same step meanwhile: it is as good as ours
    return false;
  }
}

/** A step that shares the files of the machine. Of an image only a command with an absolute path is taken. */
async function preparePlain(
  { now, later }: StepPlaces,
  spec: StepSpec,
  record: StepRecord,
  launch: LaunchPlan,
  mounts: readonly Mount[],
  stores: MountStores,
): Promise<void> {
  const work = path.join(later, 'work');
  const dir = relativePath(spec.dir ?? '', 'the working folder');
  const env = { PATH: DEFAULT_PATH, HOME: path.join(later, 'home'), TMPDIR: path.join(later, 'tmp'), ...spec.env };
  const argv = await argvOfImage(spec, stores);
  const script = plainLaunch({ ...launch, argv, env: { ...env, ...markerVariable(record) }, work, dir });
  await writeFiles(now, spec, record, { env, dir: path.join(work, dir) }, { launch: script });
  await placeMounts(path.join(now, 'work'), mounts, stores);
}

/** A command such as `/opt/resource/check` of an image whose files are not the step's. */
async function argvOfImage({ argv, image }: StepSpec, { artifacts }: MountStores): Promise<readonly string[]> {
  const [command = '', ...args] = argv;
  if (image === undefined || !('artifact' in image) || !command.startsWith('/')) return argv;
  const { rootfs } = await readImage(artifacts, image.artifact);
  const { path: file, info } = await resolveInRoot(rootfs, command);
  return info?.isFile() === true ? [path.join(rootfs, file), ...args] : argv;
}

async function prepareSandbox(
  places: StepPlaces,
  spec: StepSpec,
  record: StepRecord,
  launch: LaunchPlan,
  mounts: readonly Mount[],
  stores: MountStores,
  isolation: Sandboxing,
): Promise<void> {
  const { now, later } = places;
  const image = await imageOf(spec, stores);
  const laid = isolation.hasOverlay ? aloneInputs(mounts).filter(({ path: at }) => PLAIN_PATH.test(at)) : [];
  const copied = mounts.filter((mount) => !laid.some(({ path: at }) => at === mount.path));
  await placeMounts(path.join(now, 'work'), copied, stores);
  const views: Overlay[] = [];
  for (const { path: at, source } of laid) {
    const { lower } = await layInput(path.join(now, 'work'), at, source.artifact, stores);
    const work = path.join('views', String(views.length));
    await mkdir(path.join(now, work), { recursive: true });
    const target = path.join(later, 'work', at);
    views.push({ lower, upper: target, work: path.join(later, work), target });
  }
  const ground = await layGround(spec, image, mounts, views, places, isolation);
  await giveFolders(now, mounts, ground.plan);
  const { env, user, hasNetwork, isPrivileged, isRoot, dir, hostWork, dirInWork } = ground.plan;
  const plan = { ...ground.plan, env: { ...env, ...markerVariable(record) } };
  const kind = kindFor(isolation.kind, plan);
  const { script, files } = sandboxScript(kind, plan, later);
  await writeFiles(
    now,
    spec,
    { ...record, sandbox: { kind, uid: user.uid, gid: user.gid, isRoot, hasNetwork, isPrivileged, dir } },
    { env, dir: path.join(hostWork, dirInWork) },
    { ...files, sandbox: script, launch: sandboxedLaunch(launch, ground.isCommandThere) },
  );
}

/** @throws UserError `image-ref` for an image by name: who wants one fetches it before, by its resource type. */
async function imageOf({ image, handle }: StepSpec, { artifacts }: MountStores): Promise<Image | undefined> {
  if (image === undefined) return undefined;
  if ('artifact' in image) return readImage(artifacts, image.artifact);
  throw new UserError(
    'image-ref',
    `step ${handle} wants the image "${image.ref}" by its name, which the host cannot pull: get it as an artifact, by a resource of type registry-image`,
  );
}

function markerVariable({ marker }: StepRecord): Record<string, string> {
  const [name = '', value = ''] = marker.split('=');
  return { [name]: value };
}

async function writeFiles(
  folder: string,
  spec: StepSpec,
  record: StepRecord,
  place: StepPlace,
  scripts: Readonly<Record<string, string>>,
): Promise<void> {
  const files: Record<string, string | Uint8Array> = {
    'spec.json': JSON.stringify(record),
    [PLACE_FILE]: JSON.stringify(place),
    ...scripts,
    log: '',
    // Room for what launch and supervisor write, because the disk may be full by then.
    main: `${' '.repeat(128)}\n`,
    exit: ' '.repeat(1024),
    ...(spec.stdoutTo === 'result' ? { result: '' } : {}),
    ...(spec.stdin === undefined ? {} : { stdin: spec.stdin }),
  };
  await Promise.all(
    Object.entries(files).map(([file, content]) => writeFile(path.join(folder, file), content, { mode: 0o600 })),
  );
}
