import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { isPlainName } from './scripts.js';
import {
  goToWork,
  mountLine,
  overlayLine,
  quote,
  ROOT_CAPABILITIES,
  SCRIPT_HEAD,
  type Bind,
  type SandboxPlan,
  type SandboxScript,
} from './sandbox.js';

/** File that says `n` while the processes in the sandbox only make it, and `y` when the next one becomes the command. */
export const BEGUN = 'begun';

/**
 * The sandbox made by programs of util-linux. A shell is the first process of the step's own process numbers: it mounts what
 * the step sees with one `mount`, covers its own root by that, and starts the command with the rights that it may have.
 */
export function namespacesScript(plan: SandboxPlan, folder: string): SandboxScript {
  const flags = ['--mount', '--pid', '--fork', '--kill-child', '--ipc', '--uts'];
  if (!plan.hasNetwork) flags.push('--net');
  if (!plan.isRoot) flags.push('--user', '--map-root-user');
  return {
    script: `weir_folder=${quote(folder)}
export weir_dir weir_found
exec $weir_setsid unshare ${flags.join(' ')} /bin/sh "$weir_folder/sandbox.inner" "$@"
`,
    files: { [BEGUN]: 'n\n', 'sandbox.mounts': mounts(plan), 'sandbox.inner': innerScript(plan, folder) },
  };
}

function innerScript(plan: SandboxPlan, folder: string): string {
  const { exported, passed, lost } = shareEnvironment(plan);
  return `weir_folder=${quote(folder)}${SCRIPT_HEAD}
mount -n -a -T "$weir_folder/sandbox.mounts" || weir_fail $?
${plan.hasNetwork ? '' : 'ip link set lo up 2>/dev/null'}
${goToWork(plan, plan.isRoot && plan.user.uid !== 0 ? `${plan.user.uid}:${plan.user.gid}` : '')}
[ -n "$weir_found" ] || (PATH=${quote(plan.env.PATH ?? '')}; command -v "$1" >/dev/null) || weir_fail $? "executable file not found: $1"
cd ${quote(plan.root)} || weir_fail $?
${isSecondUser(plan) ? '' : 'mount -n --move . / || weir_fail $?'}
unset weir_dir weir_found PWD OLDPWD SHLVL
${lost.map((name) => `echo ${quote(`weir: the image has no env, so ${name} is not set`)} >&2`).join('\n')}
weir_tools=$(command -v setpriv) && weir_unshare=$(command -v unshare) || weir_fail $?
${exported.map(([name, value]) => `export ${name}=${quote(value)}`).join('\n')}
echo y 1<>"$weir_folder/${BEGUN}"
${becoming(plan).join(' ')} ${passed.length > 0 ? `${plan.envProgram} ${passed.join(' ')} ` : ''}"$@"
exit $?
`;
}

/** Variables that the host's programs may see, those that only `env` in the step's own root sets, and those that nobody can. */
function shareEnvironment({ env, envProgram }: SandboxPlan): {
  exported: [string, string][];
  passed: string[];
  lost: string[];
} {
  const entries = Object.entries(env);
  const isExported = ([name]: [string, string]): boolean =>
    isHarmless(name) || (envProgram === undefined && /^(LANG|LC_[A-Z]+)$/.test(name));
  const others = entries.filter((entry) => !isExported(entry));
  return {
    exported: entries.filter(isExported),
    passed: envProgram === undefined ? [] : others.map(([name, value]) => quote(`${name}=${value}`)),
    lost: envProgram === undefined ? others.map(([name]) => name) : [],
  };
}

/** What stands before the command: rights first, then the root, then the user, all without a program of the step's own root. */
function becoming(plan: SandboxPlan): string[] {
  const { user, isRoot, isPrivileged, dir } = plan;
  const bounds = `--bounding-set=-all${ROOT_CAPABILITIES.map((name) => `,+${name}`).join('')}`;
  const rights = isPrivileged && isRoot ? [] : ['"$weir_tools"', bounds];
  const become = isRoot
    ? user.uid === 0 && user.gid === 0
      ? []
      : [`--setgid=${user.gid}`, `--setuid=${user.uid}`]
    : isSecondUser(plan)
      ? ['--user', `--map-user=${user.uid}`, `--map-group=${user.gid}`]
      : [];
  return [...rights, '"$weir_unshare"', '--root=.', `--wd=${quote(dir)}`, ...become, '--'];
}

/**
 * Who is not root here gets one user of another name by a second user namespace, which only a process with an uncovered root
 * may make. That user has no right left that a changed root could be left with.
 */
const isSecondUser = ({ isRoot, user }: SandboxPlan): boolean => !isRoot && (user.uid !== 0 || user.gid !== 0);

/** Programs of the host are started with these: others may make them load files that the step brought, or are odd to a shell. */
function isHarmless(name: string): boolean {
  return (
    isPlainName(name) &&
    !/^(LD_|GCONV_PATH|GETCONF_DIR|GLIBC|HOSTALIASES|LOCALDOMAIN|LOCPATH|MALLOC|NIS|NLSPATH|RES|TZ|LANGUAGE|OUTPUT_CHARSET|MUSL)/.test(
      name,
    )
  );
}

function mounts(plan: SandboxPlan): string {
  const at = (place: string): string => path.join(plan.root, place);
  const readOnly = (place: string): string => mountLine(at(place), at(place), 'none', 'bind,ro');
  const bind = ({ from, to, isWritable }: Bind): string[] =>
    isWritable
      ? [mountLine(from, at(to), 'none', 'rbind')]
      : [from, ...mountPointsIn(from)].map((point) =>
          mountLine(point, at(path.join(to, path.relative(from, point))), 'none', 'rbind,ro'),
        );
  const kernel = plan.isPrivileged ? [] : ['/proc/sys', '/proc/sysrq-trigger', '/proc/irq', '/proc/bus'];
  return [
    ...plan.overlays.map((overlay) => overlayLine(overlay, plan.isRoot)),
    mountLine(plan.root, plan.root, 'none', plan.isRootWritable ? 'rbind' : 'rbind,ro'),
    ...devices(plan, at),
    mountLine('proc', at('/proc'), 'proc', 'nosuid,nodev,noexec'),
    ...kernel.filter((place) => existsSync(place)).map(readOnly),
    ...plan.binds.flatMap(bind),
  ].join('');
}

const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'];

function devices({ devices: folder, isPrivileged }: SandboxPlan, at: (place: string) => string): string[] {
  if (isPrivileged) return [mountLine('/dev', at('/dev'), 'none', 'rbind')];
  return [
    mountLine(folder, at('/dev'), 'none', 'bind,ro'),
    ...DEVICES.map((name) => mountLine(`/dev/${name}`, at(`/dev/${name}`), 'none', 'bind')),
    mountLine('tmpfs', at('/dev/shm'), 'tmpfs', 'nosuid,nodev,mode=1777'),
    mountLine('devpts', at('/dev/pts'), 'devpts', 'newinstance,ptmxmode=0666,mode=620,nosuid,noexec'),
  ];
}

/** Where something is mounted below the folder: to be read only each needs to be told. */
function mountPointsIn(folder: string): string[] {
  const points = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) =>
      (line.split(' ')[4] ?? '').replace(/\\(\d{3})/g, (_, code: string) => String.fromCharCode(parseInt(code, 8))),
    );
  return [...new Set(points)].filter((point) => point.startsWith(`${folder}/`) && existsSync(point));
}
