import type { ProcessId } from './processes.js';
import { ROOT_CAPABILITIES } from './sandbox.js';

/** What has to be known to put another process into a step's sandbox. */
export interface SandboxRecord {
  readonly kind: string;
  readonly uid: number;
  readonly gid: number;
  readonly isRoot: boolean;
  readonly hasNetwork: boolean;
  readonly isPrivileged: boolean;
  /** The working folder in the sandbox. */
  readonly dir: string;
}

/**
 * The command that runs `argv` beside a process of a step, with the same files, process numbers, user and rights.
 * The environment is the caller's business; it must not hold what makes programs of the host load files (`LD_*`).
 * @param command one of {@link import('./processes.js').commandsOf}
 */
export function enterArgv(command: ProcessId, sandbox: SandboxRecord, argv: readonly string[]): readonly string[] {
  const { uid, gid, isRoot, hasNetwork, isPrivileged, dir } = sandbox;
  const enter = ['nsenter', `--target=${command.pid}`, '--pid', '--ipc', '--uts', ...(hasNetwork ? [] : ['--net'])];
  // A user other than root has no right left with which it could leave the root that it is given.
  if (!isRoot && uid !== 0) {
    return [
      ...enter,
      '--user',
      '--preserve-credentials',
      '--mount',
      '--root',
      `--wd=/proc/${command.pid}/root${dir}`,
      '--',
      ...argv,
    ];
  }
  const bounds = `--bounding-set=-all${ROOT_CAPABILITIES.map((name) => `,+${name}`).join('')}`;
  return [
    ...enter,
    ...(isRoot ? [] : ['--user', '--preserve-credentials']),
    '--',
    ...(isPrivileged ? [] : ['setpriv', bounds]),
    // Through /proc the root is reached without its mounts, so that rights over mounts are needed no more.
    ...['unshare', `--root=/proc/${command.pid}/root`, `--wd=${dir}`],
    ...(isRoot && (uid !== 0 || gid !== 0) ? [`--setgid=${gid}`, `--setuid=${uid}`] : []),
    '--',
    ...argv,
  ];
}

/** The command that runs `argv` in the sandbox of a step that is over, made once more. @param folder the step's */
export function reenterArgv(folder: string, argv: readonly string[]): readonly string[] {
  return ['/bin/sh', `${folder}/sandbox`, ...argv];
}
