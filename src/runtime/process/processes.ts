import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A process that cannot be confused with a later one of the same number. */
export interface ProcessId {
  readonly pid: number;
  /** When it started, in the system's own unit; only equality means something. */
  readonly start: string;
}

interface ProcessInfo extends ProcessId {
  readonly parent: number;
  readonly group: number;
  /** 0 where the system does not tell. */
  readonly session: number;
  readonly isZombie: boolean;
}

/** What belongs to one step. */
export interface ProcessTree {
  /** The step's first process, leader of its own group and session; undefined before it started. */
  readonly main: ProcessId | undefined;
  /** `NAME=value` that every process of the step has in its environment, and no other process. */
  readonly marker: string;
  /**
   * Its processes are in a process number space of their own, whose first process, and those of ours around it, only hold
   * the sandbox: they are no receivers of signals but KILL.
   */
  readonly isSandboxed?: boolean;
}

/** Start time of a process, undefined when there is none. A zombie has one: see {@link isAlive}. */
export async function startTimeOf(pid: number): Promise<string | undefined> {
  return (await infoOf(pid))?.start;
}

/** A pid alone lies: it may be used again, and the dead stand in the table until their parent looks. */
export async function isAlive(id: ProcessId): Promise<boolean> {
  const info = await infoOf(id.pid);
  return info !== undefined && info.start === id.start && !info.isZombie;
}

/** Changes with every start of the machine, and with nothing else. */
export function bootId(): Promise<string> {
  return (knownBoot ??= readBootId());
}

let knownBoot: Promise<string> | undefined;

async function readBootId(): Promise<string> {
  if (process.platform === 'linux') return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  return (await run('sysctl', ['-n', 'kern.bootsessionuuid'])).stdout.trim();
}

/**
 * Sends a signal to every process of the step. KILL comes back only when none is left that could be found, or after two
 * seconds: a process in an uninterruptible call dies later.
 */
export async function signalTree(tree: ProcessTree, signal: 'INT' | 'TERM' | 'KILL'): Promise<void> {
  if (tree.isSandboxed === true && signal !== 'KILL') {
    for (const { pid } of await commandsOf(tree)) send(pid, signal);
    return;
  }
  for (let round = 0; round < 200; round++) {
    const members = await membersOf(tree);
    if (members.length === 0) return;
    // The group first: one call reaches all of it, also what is being forked at this moment.
    if (tree.main !== undefined && members.some((member) => member.group === tree.main?.pid))
      send(-tree.main.pid, signal);
    for (const member of members) if (member.group !== tree.main?.pid) send(member.pid, signal);
    if (signal !== 'KILL') return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/**
 * Living processes of the step: its group, its session, those that left both but carry the marker, and the children of
 * all these.
 */
async function membersOf({ main, marker }: ProcessTree): Promise<readonly ProcessInfo[]> {
  const all = (await allProcesses()).filter((info) => info.pid !== process.pid);
  const leader = all.find((info) => info.pid === main?.pid);
  // A number that stands for another process now is no group or session of ours.
  const group = leader === undefined || leader.start === main?.start ? main?.pid : undefined;
  const living = all.filter((info) => !info.isZombie);
  const marked = await Promise.all(living.map((info) => hasMarker(info.pid, marker)));
  const members = new Set(
    living.filter(
      (info, at) =>
        marked[at] === true || (group !== undefined && [info.group, info.session, info.pid].includes(group)),
    ),
  );
  for (const info of members) for (const other of living) if (other.parent === info.pid) members.add(other);
  return [...members];
}

/** The step's own processes in its sandbox: the command and what it started. */
export async function commandsOf(tree: ProcessTree): Promise<readonly ProcessId[]> {
  const members = await membersOf(tree);
  const depth = (await numbersOf(process.pid)).length;
  const isHolder = async ({ pid }: ProcessId): Promise<boolean> => {
    const numbers = await numbersOf(pid);
    return numbers.length <= depth || numbers[depth] === '1';
  };
  const holders = await Promise.all(members.map(isHolder));
  return members.filter((_, at) => holders[at] === false);
}

/** The numbers of a process, from those that this server sees to those that it sees itself; none when it is gone. */
async function numbersOf(pid: number): Promise<string[]> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return (/^NSpid:\s*(.*)$/m.exec(status)?.[1] ?? '').split(/\s+/).filter(Boolean);
}

async function hasMarker(pid: number, marker: string): Promise<boolean> {
  try {
    return (await readFile(`/proc/${pid}/environ`, 'latin1')).includes(marker);
  } catch {
    return false; // gone meanwhile, another user's, or a system without /proc
  }
}

function send(pid: number, signal: 'INT' | 'TERM' | 'KILL'): void {
  try {
    process.kill(pid, `SIG${signal}`);
  } catch (error) {
    const { code } = error as { code?: string };
    // EPERM: it became another user's (sudo); nothing that this server can do reaches it.
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
  }
}

async function infoOf(pid: number): Promise<ProcessInfo | undefined> {
  try {
    if (process.platform === 'linux') return parseStat(await readFile(`/proc/${pid}/stat`, 'utf8'));
    return parsePs((await run('ps', ['-o', PS_COLUMNS, '-p', String(pid)], PS_OPTIONS)).stdout);
  } catch {
    return undefined;
  }
}

async function allProcesses(): Promise<ProcessInfo[]> {
  if (process.platform !== 'linux') {
    const lines = (await run('ps', ['-ax', '-o', PS_COLUMNS], PS_OPTIONS)).stdout.split('\n');
    return lines.map(parsePs).filter((info) => info !== undefined);
  }
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  return (await Promise.all(pids.map((pid) => infoOf(Number(pid))))).filter((info) => info !== undefined);
}

/** One line of /proc/<pid>/stat. The command's name stands in parentheses and may itself hold spaces and parentheses. */
export function parseStat(line: string): ProcessInfo | undefined {
  const end = line.lastIndexOf(')');
  const [state, parent, group, session, ...rest] = line.slice(end + 2).split(' ');
  const start = rest[15]; // field 22 of the whole line
  if (end < 0 || start === undefined) return undefined;
  return {
    pid: Number.parseInt(line, 10),
    start,
    parent: Number(parent),
    group: Number(group),
    session: Number(session),
    isZombie: state === 'Z' || state === 'X',
  };
}

const PS_COLUMNS = 'pid=,ppid=,pgid=,stat=,lstart=';
const PS_OPTIONS = { env: { PATH: '/bin:/usr/bin', LC_ALL: 'C' } };

/** One line of `ps -o pid=,ppid=,pgid=,stat=,lstart=`. */
export function parsePs(line: string): ProcessInfo | undefined {
  const [, pid, parent, group, state, start] = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(.*\S)/.exec(line) ?? [];
  if (pid === undefined || start === undefined) return undefined;
  return {
    pid: Number(pid),
    start: plainStart(start),
    parent: Number(parent),
    group: Number(group),
    session: 0,
    isZombie: state?.startsWith('Z') ?? false,
  };
}

/** A start time as one word, however the system spells it. */
export function plainStart(text: string): string {
  return text.replace(/\W+/g, '');
}
