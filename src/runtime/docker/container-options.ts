import type Docker from 'dockerode';
import path from 'node:path';
import { UserError } from '../../platform/index.js';
import type { Mount, StepSpec } from '../port.js';
import type { NamedImage } from './images.js';
import { workFolder } from '../work-folder.js';
import { LABELS } from './labels.js';
import { plainVolume } from './volumes.js';

/**
 * `local` keeps every byte as it came; `json-file` replaces what is no UTF-8. One file that never rotates, so that nothing
 * is lost however large the log and that an offset in it stays what it is.
 */
const LOG_CONFIG = { Type: 'local', Config: { 'max-size': '1000g', 'max-file': '1', compress: 'false' } };

/** What a container mounts, and how its files get there. */
export type StepVolumes = Pick<Docker.HostConfig, 'Binds' | 'Mounts'> & { readonly files: 'shared' | 'sent' };

/** A mount with its absolute path, without a slash at the end. */
export type PlacedMount = Mount & { readonly path: string };

/** Absolute mounts by path, so that one inside another comes after it and an input before an output of the same path. */
export function placeMounts(spec: StepSpec): PlacedMount[] {
  const work = workFolder(spec.handle);
  return spec.mounts
    .map((mount) => ({ ...mount, path: absolutePath(work, mount.path) }))
    .sort((a, b) => compare(a.path, b.path) || Number('output' in a.source) - Number('output' in b.source));
}

/** What to create; the name makes a second creation impossible. */
export function containerOptions(
  spec: StepSpec,
  mounts: readonly PlacedMount[],
  image: NamedImage,
  namespace: string,
  { files, ...volumes }: StepVolumes,
): Docker.ContainerCreateOptions {
  const outputs = mounts.flatMap(({ path: at, source }) => ('output' in source ? [[source.output, at]] : []));
  const hasInput = spec.stdin !== undefined;
  const user = spec.user ?? image.user;
  return {
    name: containerName(namespace, spec.handle),
    Image: image.id,
    Entrypoint: spec.argv.slice(0, 1),
    Cmd: spec.argv.slice(1),
    // Signals reach the whole process group of the command, not only its leader.
    Env: [...environment({ ...image.env, ...spec.env }), 'TINI_KILL_PROCESS_GROUP=1'],
    WorkingDir: absolutePath(workFolder(spec.handle), spec.dir ?? ''),
    ...(user === undefined || user === '' ? {} : { User: user }),
    OpenStdin: hasInput,
    StdinOnce: hasInput,
    AttachStdin: hasInput,
    AttachStdout: false,
    AttachStderr: false,
    Labels: {
      [LABELS.namespace]: namespace,
      [LABELS.handle]: spec.handle,
      [LABELS.stdout]: spec.stdoutTo,
      [LABELS.files]: files,
      [LABELS.outputs]: JSON.stringify(Object.fromEntries(outputs)),
      ...Object.fromEntries(Object.entries(spec.labels).map(([name, value]) => [LABELS.step + name, value])),
    },
    HostConfig: {
      Init: true,
      LogConfig: LOG_CONFIG,
      ...volumes,
      ...(mounts.some(({ path: at }) => at === SCRATCH)
        ? {}
        : { Mounts: [...(volumes.Mounts ?? []), plainVolume(SCRATCH, namespace)] }),
      Privileged: spec.privileged === true,
      ...(spec.network === 'none' ? { NetworkMode: 'none' } : {}),
      ...(spec.limits?.memoryBytes === undefined
        ? {}
        : { Memory: spec.limits.memoryBytes, MemorySwap: spec.limits.memoryBytes }),
      ...(spec.limits?.cpuShares === undefined ? {} : { CpuShares: spec.limits.cpuShares }),
    },
  };
}

/** Each container has one, as in Concourse: what makes overlays itself cannot do so on the container's own files. */
const SCRATCH = '/scratch';

/** Deterministic, so that it is the handle on this daemon. The namespace keeps installations on one daemon apart. */
export function containerName(namespace: string, handle: string): string {
  return `weir-${namespace}-${handle}`;
}

function environment(env: Readonly<Record<string, string>>): string[] {
  return Object.entries(env).map(([name, value]) => {
    if (name === '' || name.includes('='))
      throw new UserError('bad-command', `"${name}" is no name for an environment variable`);
    return `${name}=${value}`;
  });
}

/** `..` of a relative path cannot lead out of the working folder. @throws UserError `bad-mount` for the root itself. */
function absolutePath(work: string, text: string): string {
  const found = path.posix.isAbsolute(text)
    ? path.posix.normalize(text)
    : path.posix.join(work, path.posix.normalize(`/${text}`));
  const clean = found.replace(/\/+$/, '');
  if (clean === '') throw new UserError('bad-mount', 'the root folder of a container cannot be mounted over');
  return clean;
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
