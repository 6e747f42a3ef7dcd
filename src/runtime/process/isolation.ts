import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../../platform/index.js';
import { isThere, makeScratch, removeTree } from '../files.js';
import { probeCgroups, type Cgroups } from './limits.js';
import type { SandboxKind, SandboxPlan } from './sandbox.js';
import { sandboxScript } from './sandbox-script.js';
import { DEFAULT_PATH } from './scripts.js';
import { makeSkeleton, type Skeleton } from './skeleton.js';

/** How much the operator wants steps to be kept apart. */
export type IsolationWish = 'required' | 'preferred' | 'none';

/** How steps of this machine are kept apart from it and from each other, as tried at the start. */
export type Isolation = Plain | Sandboxing;

/** Not at all. */
export interface Plain {
  readonly kind: 'none';
  readonly isRoot: boolean;
  readonly cgroups: Cgroups | undefined;
  /** Why it is not better; undefined when nobody asked for more. */
  readonly reason?: string;
}

export interface Sandboxing {
  readonly kind: SandboxKind;
  readonly isRoot: boolean;
  readonly cgroups: Cgroups | undefined;
  /** Images and inputs are laid under a writable view; else they are copied. */
  readonly hasOverlay: boolean;
  readonly skeleton: Skeleton;
}

/** Without a sandbox and without limits. */
export const PLAIN: Plain = { kind: 'none', isRoot: process.getuid?.() === 0, cgroups: undefined };

/**
 * Finds the best sandbox that works, by running a command in it.
 * @param dataDir where steps have their folders; not seen in a sandbox, like the folders of `hidden`
 * @throws UserError `isolation-unavailable` when it is required and there is none
 */
export async function probeIsolation(
  dataDir: string,
  wish: IsolationWish,
  hidden: readonly string[] = [],
  kinds: readonly SandboxKind[] = ['bubblewrap', 'namespaces'],
): Promise<Isolation> {
  const isRoot = process.getuid?.() === 0;
  if (wish === 'none') return { ...PLAIN, cgroups: await probeCgroups() };
  const refusals: string[] = [];
  if (process.platform !== 'linux') refusals.push(`${process.platform} has no namespaces`);
  else {
    const root = path.resolve(dataDir);
    const skeleton = await makeSkeleton(path.join(root, 'sandbox'), [root, ...hidden]);
    for (const kind of kinds) {
      for (const hasOverlay of PLAIN_PATH.test(root) ? [true, false] : [false]) {
        const refusal = await tryOut(root, { kind, isRoot, hasOverlay, skeleton, cgroups: undefined });
        if (refusal === undefined) return { kind, isRoot, hasOverlay, skeleton, cgroups: await probeCgroups() };
        if (!hasOverlay) refusals.push(`${kind}: ${refusal}`);
      }
    }
  }
  const reason = refusals.join('; ');
  if (wish === 'required') {
    throw new UserError(
      'isolation-unavailable',
      `steps cannot be isolated on this machine (${reason}): install bubblewrap, allow user namespaces, use --runtime docker, or --isolation preferred to run without; see docs/operating/host.md`,
      503,
    );
  }
  return { kind: 'none', isRoot, reason, cgroups: await probeCgroups() };
}

/** What can stand in the options of an overlay without another meaning. */
export const PLAIN_PATH = /^[\w./@+-]*$/;

/** @returns why the sandbox does not work, undefined when it does. */
async function tryOut(root: string, isolation: Sandboxing): Promise<string | undefined> {
  const dir = await makeScratch(path.join(root, 'steps'));
  try {
    const { script, files } = sandboxScript(isolation.kind, await trialPlan(dir, isolation), dir);
    for (const [name, text] of Object.entries(files)) await writeFile(path.join(dir, name), text, { mode: 0o600 });
    const { code, words } = await runScript(script, ['/bin/sh', '-c', TRIAL]);
    if (code !== 0) return words.trim().split('\n')[0] || `a trial ended with ${code}`;
    const didWrite = await isThere(path.join(dir, 'upper', 'written'));
    return !isolation.hasOverlay || didWrite ? undefined : 'an overlay did not take a change';
  } finally {
    await removeTree(dir);
  }
}

/** Everything that a step needs: a read-only root, a writable folder, /proc of its own and devices. */
const TRIAL =
  '[ "$PWD" = /tmp ] && echo >written && read -r line <lower && echo >/dev/null && [ -e /proc/self/stat ] && ! echo 2>/dev/null >/usr/weir';

async function trialPlan(dir: string, { hasOverlay, skeleton, isRoot }: Sandboxing): Promise<SandboxPlan> {
  const at = (name: string): string => path.join(dir, name);
  for (const name of ['lower', 'upper', 'work', 'view']) await mkdir(at(name));
  await writeFile(path.join(at('lower'), 'lower'), 'line\n');
  const view = hasOverlay ? at('view') : at('lower');
  return {
    overlays: hasOverlay ? [{ lower: at('lower'), upper: at('upper'), work: at('work'), target: view }] : [],
    root: skeleton.root,
    isRootWritable: false,
    binds: [...skeleton.binds, { from: view, to: '/tmp', isWritable: true }],
    devices: skeleton.devices,
    dir: '/tmp',
    hostWork: view,
    dirInWork: '',
    env: { PATH: DEFAULT_PATH },
    user: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
    hasNetwork: true,
    isPrivileged: false,
    isRoot,
  };
}

/** At most five seconds: a trial that hangs is one that failed. */
function runScript(script: string, argv: readonly string[]): Promise<{ code: number | null; words: string }> {
  const child = spawn('/bin/sh', ['-c', script, 'sh', ...argv], {
    env: { PATH: DEFAULT_PATH },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: 5000,
    killSignal: 'SIGKILL',
  });
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (words += text));
  return new Promise((resolve, reject) => child.on('error', reject).on('close', (code) => resolve({ code, words })));
}
