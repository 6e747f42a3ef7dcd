import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { messageOf, UserError } from '../../platform/index.js';
import { hasCode, makeScratch, removeTree } from '../files.js';
import type { Handle, StepSpec } from '../port.js';
import { PLACE_FILE, type StepPlace } from './exec.js';
import {
  placeMounts,
  relativePath,
  returnCaches,
  sortedMounts,
  type MountedCache,
  type MountStores,
} from './mounts.js';
import { plainStart, type ProcessId } from './processes.js';
import { DEFAULT_PATH, launchScript, SUPERVISE } from './scripts.js';

/** What is kept of a step's spec, in `spec.json`. The environment is not: it may be secret, and stands in `launch` and `place.json`. */
export interface StepRecord {
  readonly handle: Handle;
  readonly labels: Readonly<Record<string, string>>;
  /** `NAME=value`, unlike any other step's on this machine. */
  readonly marker: string;
  readonly stdoutTo: 'log' | 'result';
  readonly outputs: readonly { readonly name: string; readonly path: string }[];
  readonly caches: readonly MountedCache[];
}

/**
 * The folder of one step:
 *
 * | file | written by | what |
 * |---|---|---|
 * | `spec.json`, `place.json`, `launch`, `supervise`, `stdin` | server, before the folder gets its name | what to do |
 * | `work`, `home`, `tmp` | server, then the step | the step's own files |
 * | `pid` | supervisor, once | its pid, start time and boot id: the claim |
 * | `main` | launch | pid and start time of the command |
 * | `log`, `result` | the command | its output |
 * | `reason` | server, launch | words about an exit that was not the command's own doing |
 * | `exit` | supervisor, by rename, last | exit code and reason |
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
export async function prepareStep(steps: string, spec: StepSpec, stores: MountStores): Promise<void> {
  const mounts = sortedMounts(spec.mounts);
  const record: StepRecord = {
    handle: spec.handle,
    labels: spec.labels,
    marker: `WEIR_STEP=${randomUUID()}`,
    stdoutTo: spec.stdoutTo,
    outputs: mounts.flatMap((mount) =>
      'output' in mount.source ? [{ name: mount.source.output, path: mount.path }] : [],
    ),
    caches: mounts.flatMap((mount) => ('cache' in mount.source ? [{ key: mount.source.cache, path: mount.path }] : [])),
  };
  const scratch = new StepFolder(await makeScratch(steps));
  try {
    await writeFiles(scratch, path.join(steps, spec.handle), spec, record);
    await placeMounts(scratch.work, mounts, stores);
    await nameStep(scratch.dir, path.join(steps, spec.handle));
  } catch (error) {
    if (error instanceof UserError) throw error;
    const isFull = hasCode(error, 'ENOSPC', 'EDQUOT') || /No space left/.test(String(error));
    throw new Error(`cannot prepare step ${spec.handle}: ${isFull ? 'no space left on device' : messageOf(error)}`, {
      cause: error,
    });
  } finally {
    await returnCaches(stores.caches, scratch.work, record.caches); // nothing is there when the step got its name
    await removeTree(scratch.dir);
  }
}

async function nameStep(scratch: string, dir: string): Promise<void> {
  try {
    await rename(scratch, dir);
  } catch (error) {
    if (!hasCode(error, 'ENOTEMPTY', 'EEXIST')) throw error; // somebody prepared the same step meanwhile: it is as good as ours
  }
}

async function writeFiles(scratch: StepFolder, dir: string, spec: StepSpec, record: StepRecord): Promise<void> {
  const home = path.join(dir, 'home');
  const tmp = path.join(dir, 'tmp');
  const [name = '', value = ''] = record.marker.split('=');
  const env = { PATH: DEFAULT_PATH, HOME: home, TMPDIR: tmp, ...spec.env };
  const place: StepPlace = { env, dir: path.join(dir, 'work', relativePath(spec.dir ?? '', 'the working folder')) };
  const launch = launchScript({
    argv: spec.argv,
    env: { ...env, [name]: value },
    dir: place.dir,
    dirAsGiven: spec.dir ?? '.',
    hasStdin: spec.stdin !== undefined,
    stdoutTo: spec.stdoutTo,
  });
  const files: Record<string, string | Uint8Array> = {
    'spec.json': JSON.stringify(record),
    [PLACE_FILE]: JSON.stringify(place),
    supervise: SUPERVISE,
    launch,
    log: '',
    main: `${' '.repeat(128)}\n`, // room for what launch writes, because the disk may be full by then
    ...(spec.stdoutTo === 'result' ? { result: '' } : {}),
    ...(spec.stdin === undefined ? {} : { stdin: spec.stdin }),
  };
  await Promise.all([
    ...Object.entries(files).map(([file, content]) => writeFile(scratch.file(file), content, { mode: 0o600 })),
    mkdir(scratch.file('home')),
    mkdir(scratch.file('tmp')),
  ]);
}
