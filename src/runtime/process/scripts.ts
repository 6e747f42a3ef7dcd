import { existsSync } from 'node:fs';

/** Search path of a step that brings none: the server's own is not handed on. */
export const DEFAULT_PATH =
  process.platform === 'darwin'
    ? '/opt/homebrew/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin'
    : '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Goes into the folder `$2` below `$1`, making what is missing of it. Not through links: they could lead somewhere else than
 * they do for the step. $3: whose the new folders are, empty: the caller's.
 */
export const ENTER_FOLDER = `weir_enter() {
  cd "$1/$2" 2>/dev/null && return
  (
    cd "$1" || exit
    set -f
    IFS=/
    for weir_part in $2; do
      [ ! -h "$weir_part" ] || exit
      if [ ! -d "$weir_part" ]; then
        mkdir "./$weir_part" || exit
        [ -z "$3" ] || chown "$3" "./$weir_part" || exit
      fi
      cd "./$weir_part" || exit
    done
  ) 2>/dev/null && cd "$1/$2" 2>/dev/null
}`;

/** Sets `weir_pid` and `weir_start` to number and start time of the shell that runs it, be it a subshell. */
const WHO_AM_I = `
if [ -r /proc/self/stat ]; then
  read -r weir_stat </proc/self/stat
  weir_pid=\${weir_stat%% *}
  set -- \${weir_stat##*) }
  weir_start=\${20}
else
  weir_pid=$(exec /bin/sh -c 'echo $PPID')
  weir_start=$(LC_ALL=C ps -o lstart= -p $weir_pid)
fi`;

/**
 * Watches over one step from its folder once the step is its own: runs `launch`, ends what is left of its processes, keeps its
 * exit. A shell takes 0.7 MB and does not mind when the server dies. It starts as few programs as it can: each takes longer
 * than all the rest. $1: the step's folder, $2: the marker of its processes, $3: not empty when it is in a sandbox.
 */
export const SUPERVISE = `
umask 022
cd "$1" || exit 1
marker=$2
sandbox=$3
# The server ends this pipe without a word, by its death at the latest: now the claim is decided.
read -r weir_go
read -r weir_claim 2>/dev/null <pid
[ "$weir_claim" = "$$" ] || exit
exec </dev/null
${setsidPath() === undefined ? 'set -m' : ''}
# In a subshell, and not in the background, where a shell would make it deaf to INT.
(. ./launch)
code=$?
read -r main <main
[ -z "$main" ] || kill -KILL -- "-$main" 2>/dev/null
rounds=0
# With the first process of a sandbox all others have gone.
[ -z "$sandbox" ] || rounds=20
while [ $rounds -lt 20 ]; do
  left=$(grep -lsF "$marker" /proc/[0-9]*/environ)
  [ -n "$left" ] || break
  for found in $left; do
    found=\${found#/proc/}
    kill -KILL "\${found%/environ}" 2>/dev/null
  done
  rounds=$((rounds + 1))
done
reason=
[ ! -s reason ] || read -r reason <reason
{ echo probe >probe; } 2>/dev/null || reason='no space left on device: the log of the step may be incomplete'
printf '%s %s\\n' "$code" "$reason" 1<>exit
`;

/** What `launch` needs to know. All paths are absolute or relative to the step's folder. */
export interface LaunchPlan {
  readonly argv: readonly string[];
  readonly hasStdin: boolean;
  readonly stdoutTo: 'log' | 'result';
  /** Folders of groups that limit the step. */
  readonly groups: readonly string[];
  /** The working folder as people wrote it, for the message when it is missing. */
  readonly dirAsGiven: string;
}

/** What is known only of a step without a sandbox. */
export interface PlainPlan {
  readonly env: Readonly<Record<string, string>>;
  /** The step's own folder, and below it the command's working folder. */
  readonly work: string;
  readonly dir: string;
}

/** What a subshell of {@link SUPERVISE} reads to become the command: who it is, its input and output, its limits. */
function launchHead({ hasStdin, stdoutTo, groups }: LaunchPlan): string {
  return `weir_folder=$PWD
${WHO_AM_I}
printf '%s\\n' "$weir_pid" "$weir_start" 1<>main
exec <${hasStdin ? 'stdin' : '/dev/null'} >>${stdoutTo} 2>>log
weir_refuse() {
  printf 'weir: %s\\n' "$1" >&2
  printf '%s\\n' "$1" >"$weir_folder/reason"
  exit 127
}
${groups.map((group) => `echo "$weir_pid" >${quote(`${group}/cgroup.procs`)} || weir_refuse 'the limits of the step cannot be set'`).join('\n')}
`;
}

/**
 * Becomes the command in a sandbox, by the script `sandbox` beside it.
 * @param isCommandThere undefined: the script has to look
 */
export function sandboxedLaunch(plan: LaunchPlan, isCommandThere: boolean | undefined): string {
  const [command = ''] = plan.argv;
  if (isCommandThere === false) {
    return `${launchHead(plan)}weir_refuse ${quote(oneLine(`executable file not found: ${command}`))}\n`;
  }
  return `${launchHead(plan)}weir_setsid=${setsidPath() ?? ''}
weir_dir=${quote(oneLine(plan.dirAsGiven))}
weir_found=${isCommandThere === true ? 'yes' : ''}
set -- ${plan.argv.map(quote).join(' ')}
. ./sandbox
`;
}

/**
 * Becomes the command in a session of its own, and shares everything else with the machine. Variables go
 * through `export` and not through the arguments of `env`, which every user of the machine could read.
 */
export function plainLaunch(plan: LaunchPlan & PlainPlan): string {
  const entries = Object.entries(plan.env);
  const exported = entries.filter(([name]) => isPlainName(name));
  const passed = entries.filter(([name]) => !isPlainName(name)).map(([name, value]) => `${name}=${value}`);
  const [command = ''] = plan.argv;
  const setsid = setsidPath();
  // Only `env` can pass names that no shell can export, and take back the variable that bash always adds.
  const env = passed.length > 0 ? '/usr/bin/env -u _ --' : '${BASH_VERSION:+/usr/bin/env -u _ --}';
  return `${launchHead(plan)}${ENTER_FOLDER}
weir_enter ${quote(plan.work)} ${quote(plan.dir)} '' || weir_refuse ${quote(oneLine(`working folder not found: ${plan.dirAsGiven}`))}
${exported.map(([name, value]) => `export ${name}=${quote(value)}`).join('\n')}
command -v ${quote(command)} >/dev/null || weir_refuse ${quote(oneLine(`executable file not found: ${command}`))}
unset PWD OLDPWD SHLVL
exec ${setsid ?? ''} ${env} ${[...passed, ...plan.argv].map(quote).join(' ')}
`;
}

/** Names that a shell can export and to which it gives no meaning of its own. */
export function isPlainName(name: string): boolean {
  return (
    /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) &&
    !/^(_|weir_.*|PWD|OLDPWD|SHLVL|PPID|E?UID|OPT(IND|ERR|ARG)|LINENO|SECONDS|E?RANDOM|EPOCH.*|SHELLOPTS|BASH.*|DIRSTACK|GROUPS|FUNCNAME|HISTCMD|IFS|LC_.*|LANG)$/.test(
      name,
    )
  );
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ');
}

/** Where `setsid` is; without it (macOS) the shell's job control gives the command a process group of its own. */
function setsidPath(): string | undefined {
  return ['/usr/bin/setsid', '/bin/setsid'].find((file) => existsSync(file));
}
