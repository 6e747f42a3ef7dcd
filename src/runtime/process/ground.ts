import { chown, copyFile, lstat, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../../platform/index.js';
import { copyTree, isThere } from '../files.js';
import type { Mount, StepSpec } from '../port.js';
import { workFolder } from '../work-folder.js';
import { hasExecutable, makePlace, resolveInRoot, userIn, type Image, type ImageUser } from './image-root.js';
import type { Isolation, Sandboxing } from './isolation.js';
import { relativePath } from './mounts.js';
import type { Bind, Overlay, SandboxPlan } from './sandbox.js';
import { SANDBOX_HOME } from './skeleton.js';
import { DEFAULT_PATH } from './scripts.js';

/** A step's folder while it is being made, and where it will stand. */
export interface StepPlaces {
  readonly now: string;
  readonly later: string;
}

/** What a step in a sandbox stands on. */
export interface Ground {
  readonly plan: SandboxPlan;
  /** The command was looked for in the image: there (true) or not (false). Undefined: the launch has to look. */
  readonly isCommandThere?: boolean;
}

/**
 * Lays the ground of a step in its new folder: the writable side of its root, and the places of everything that is mounted.
 * @param mounts as {@link import('./mounts.js').sortedMounts} gives them; inputs in `overlays` are not copied
 * @throws UserError `no-such-user`, `user-not-supported`, `absolute-path`, `bad-mount`, `bad-image`
 */
export async function layGround(
  spec: StepSpec,
  image: Image | undefined,
  mounts: readonly Mount[],
  overlays: readonly Overlay[],
  { now, later }: StepPlaces,
  isolation: Sandboxing,
): Promise<Ground> {
  const work = workFolder(spec.handle);
  const user = await userOf(spec, image, isolation);
  const base =
    image === undefined
      ? await hostBase(now, later, work, isolation)
      : await imageBase(image, now, later, work, isolation);
  const binds = [...base.binds];
  for (const { path: at } of mounts.filter(isAbsolute)) {
    const place = at.slice(ABSOLUTE.length);
    if (
      binds.some(
        ({ from }) =>
          place.startsWith(`${from.slice(path.join(later, 'absolute').length)}/`) &&
          from.startsWith(path.join(later, 'absolute')),
      )
    )
      continue;
    binds.push({ from: path.join(later, 'absolute', place), to: await base.place(place), isWritable: true });
  }
  const dir = relativePath(spec.dir ?? '', 'the working folder');
  const env = { PATH: DEFAULT_PATH, HOME: image === undefined ? SANDBOX_HOME : user.home, ...image?.env, ...spec.env };
  const envProgram = image === undefined ? '/usr/bin/env' : await findEnv(image.rootfs);
  const [command = ''] = spec.argv;
  const isRelative = command.includes('/') && !command.startsWith('/');
  const isMounted = binds.some(({ to }) => command.startsWith(`${to}/`));
  return {
    plan: {
      overlays: [...base.overlays, ...overlays],
      root: base.root,
      isRootWritable: image !== undefined,
      binds,
      devices: isolation.skeleton.devices,
      dir: path.posix.join(work, dir),
      hostWork: path.join(later, 'work'),
      dirInWork: dir,
      env,
      ...(envProgram === undefined ? {} : { envProgram }),
      user,
      hasNetwork: spec.network !== 'none',
      isPrivileged: spec.privileged === true && isolation.isRoot,
      isRoot: isolation.isRoot,
    },
    ...(image === undefined || isRelative
      ? {}
      : { isCommandThere: isMounted || (await hasExecutable(image.rootfs, command, env.PATH)) }),
  };
}

async function findEnv(rootfs: string): Promise<string | undefined> {
  for (const file of ['/usr/bin/env', '/bin/env']) if (await hasExecutable(rootfs, file, '')) return file;
  return undefined;
}

/** A folder of the step's own that is no overlay, at the root of every image: what makes overlays itself needs one. */
const SCRATCH = 'scratch';

/** Where mounts with an absolute path stand, seen from the working folder. */
export const ABSOLUTE = '../absolute';

const isAbsolute = (mount: Mount): boolean => mount.path.startsWith(`${ABSOLUTE}/`);

interface Base {
  readonly root: string;
  readonly overlays: readonly Overlay[];
  readonly binds: readonly Bind[];
  /** Makes a place for a mount and tells where it really is. */
  place(at: string): Promise<string>;
}

/** The host's own root, read-only. */
async function hostBase(now: string, later: string, work: string, { skeleton }: Sandboxing): Promise<Base> {
  const inTmp = async (at: string): Promise<string> => {
    if (!at.startsWith('/tmp/')) {
      throw new UserError(
        'absolute-path',
        `cannot mount at "${at}": without an image a step on the host has the machine's own files around it, where nothing can be mounted but below /tmp; give the step an image, or a path relative to the working folder`,
      );
    }
    await mkdir(path.join(now, at), { recursive: true });
    return at;
  };
  await inTmp(work);
  return {
    root: skeleton.root,
    overlays: [],
    binds: [
      ...skeleton.binds,
      { from: path.join(later, 'tmp'), to: '/tmp', isWritable: true },
      { from: path.join(later, 'home'), to: SANDBOX_HOME, isWritable: true },
      { from: path.join(later, 'work'), to: work, isWritable: true },
    ],
    place: inTmp,
  };
}

/** The files of an image with a writable side of the step's own; without overlays all of them are copied. */
async function imageBase(
  { rootfs }: Image,
  now: string,
  later: string,
  work: string,
  { hasOverlay }: Sandboxing,
): Promise<Base> {
  const at = (dir: string, name: string): string => path.join(dir, 'root', name);
  await Promise.all(['root', SCRATCH].map((name) => mkdir(path.join(now, name))));
  const lower = hasOverlay ? rootfs : at(now, 'merged');
  const writable = hasOverlay ? at(now, 'upper') : at(now, 'merged');
  if (hasOverlay) {
    await Promise.all(['upper', 'work', 'merged'].map((name) => mkdir(at(now, name), { mode: 0o755 })));
  } else await copyTree(rootfs, at(now, 'merged'));
  const place = (where: string, mode?: number): Promise<string> => makePlace(lower, writable, where, mode);
  for (const dir of ['/proc', '/dev', '/sys']) await place(dir);
  await place('/tmp', 0o1777);
  await bringNames(lower, writable);
  return {
    root: at(later, 'merged'),
    overlays: hasOverlay
      ? [{ lower: rootfs, upper: at(later, 'upper'), work: at(later, 'work'), target: at(later, 'merged') }]
      : [],
    binds: [
      { from: '/sys', to: '/sys', isWritable: false },
      { from: path.join(later, 'work'), to: await place(work), isWritable: true },
      { from: path.join(later, SCRATCH), to: await place(`/${SCRATCH}`), isWritable: true },
    ],
    place,
  };
}

/** The host's network has the host's names. */
async function bringNames(lower: string, writable: string): Promise<void> {
  const etc = await makePlace(lower, writable, '/etc');
  for (const name of ['resolv.conf', 'hosts']) {
    const file = path.join(writable, etc, name);
    const { info } = await resolveInRoot(lower, path.posix.join(etc, name));
    if (info?.isDirectory() === true || !(await isThere(path.join('/etc', name)))) continue;
    if (lower === writable && (await lstat(file).catch(() => undefined))?.isSymbolicLink() === true) continue;
    await copyFile(path.join('/etc', name), file);
  }
}

async function userOf(spec: StepSpec, image: Image | undefined, { isRoot }: Isolation): Promise<ImageUser> {
  if (image !== undefined) return userIn(image.rootfs, spec.user ?? image.user);
  const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, home: SANDBOX_HOME };
  if (spec.user === undefined) return own;
  const wanted = await userIn('/', spec.user);
  if (!isRoot && wanted.uid !== own.uid) {
    throw new UserError(
      'user-not-supported',
      `cannot run as user "${spec.user}": without an image a step runs as the server's user; leave "user" out, give the step an image, or run the server as root`,
    );
  }
  return wanted.uid === own.uid ? own : wanted;
}

/** Lets another user than the server's write to its own folders. */
export async function giveFolders(now: string, mounts: readonly Mount[], plan: SandboxPlan): Promise<void> {
  const { user, isRoot, isRootWritable } = plan;
  if (!isRoot || user.uid === 0) return;
  const places = [
    'work',
    'home',
    'tmp',
    ...(isRootWritable ? [SCRATCH] : []),
    ...mounts.map((mount) => path.join('work', mount.path)),
  ];
  for (const place of places) await chown(path.join(now, place), user.uid, user.gid);
}
