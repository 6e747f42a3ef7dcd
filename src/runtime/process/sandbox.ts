import { ENTER_FOLDER } from './scripts.js';

/** How steps can be put into a place of their own, best first. */
export type SandboxKind = 'bubblewrap' | 'namespaces';

/** A private writable view of a folder that stays as it is. Absolute paths of the host, without spaces, commas and colons. */
export interface Overlay {
  readonly lower: string;
  /** Takes the changes. May be `target` itself. */
  readonly upper: string;
  readonly work: string;
  readonly target: string;
}

/** Something of the host that the step sees. Folders with all that is mounted in them. */
export interface Bind {
  /** Absolute path of the host. */
  readonly from: string;
  /** Absolute path in the sandbox, where something of its kind stands already; no part of it is a link. */
  readonly to: string;
  readonly isWritable: boolean;
}

/** Everything that a step is to see and to be. */
export interface SandboxPlan {
  /** Mounted first, in this order. */
  readonly overlays: readonly Overlay[];
  /** Folder of the host that is the step's root. It holds `/proc` and `/dev`. */
  readonly root: string;
  readonly isRootWritable: boolean;
  /** In this order; a later one may be in an earlier one. */
  readonly binds: readonly Bind[];
  /** Folder with what `/dev` is made of; see {@link import('./skeleton.js').makeSkeleton}. */
  readonly devices: string;
  /** The working folder in the sandbox. */
  readonly dir: string;
  /** The step's own folder as the host sees it, and the way from there to the working folder. */
  readonly hostWork: string;
  readonly dirInWork: string;
  readonly env: Readonly<Record<string, string>>;
  /** Where the root has an `env`; undefined: it has none. */
  readonly envProgram?: string;
  readonly user: { readonly uid: number; readonly gid: number };
  readonly hasNetwork: boolean;
  /** With all rights that the server has itself. */
  readonly isPrivileged: boolean;
  /** The server is root and can become any user; else one user is all there is. */
  readonly isRoot: boolean;
}

/** A shell script that becomes the command of its arguments in the sandbox, and files that it needs beside it. */
export interface SandboxScript {
  /** `$weir_folder` is the step's folder; `$weir_setsid` stands before the first program. */
  readonly script: string;
  readonly files: Readonly<Record<string, string>>;
}

/**
 * What a script of the sandbox may use: `weir_refuse words` ends the step before its command began; `weir_fail` after a
 * program that failed: one that was ended by a signal ends the step the same way.
 */
export const SCRIPT_HEAD = `
weir_refuse() {
  printf 'weir: %s\\n' "$1" >&2
  printf '%s\\n' "$1" >"$weir_folder/reason"
  exit 127
}
weir_fail() {
  [ "$1" -le 128 ] || exit "$1"
  weir_refuse "\${2:-the sandbox of the step cannot be set up}"
}`;

/** The rights of root in a sandbox: what installing packages and changing owners needs, and nothing over the machine. */
export const ROOT_CAPABILITIES = [
  'chown',
  'dac_override',
  'fowner',
  'fsetid',
  'kill',
  'setgid',
  'setuid',
  'setpcap',
  'setfcap',
  'sys_chroot',
];

/** Goes to the working folder as the host sees it, which is made when it is missing. @param owner of what is made; default: the caller */
export function goToWork({ hostWork, dirInWork }: SandboxPlan, owner = ''): string {
  return `${ENTER_FOLDER}
weir_enter ${quote(hostWork)} ${quote(dirInWork)} ${quote(owner)} || weir_fail $? "working folder not found: $weir_dir"`;
}

/** A line of a table for `mount -a`. */
export function mountLine(from: string, to: string, type: string, options: string): string {
  const escaped = (text: string): string =>
    text.replace(/[\s\\]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`);
  return `${escaped(from)} ${escaped(to)} ${type} ${options}\n`;
}

export function overlayLine({ lower, upper, work, target }: Overlay, isRoot: boolean): string {
  return mountLine(
    'overlay',
    target,
    'overlay',
    `lowerdir=${lower},upperdir=${upper},workdir=${work},${overlayOptions(isRoot)}`,
  );
}

/** Renamed folders and changed modes are copied whole: what the upper folder holds must mean something without the lower one. */
const overlayOptions = (isRoot: boolean): string =>
  isRoot ? 'redirect_dir=nofollow,metacopy=off,index=off' : 'userxattr';

export function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
