import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';

/** A PostgreSQL server that runs on our cluster. */
export interface Postmaster {
  readonly pid: number;
  readonly isReady: boolean;
  readonly socketDir: string;
}

/**
 * The living server of the cluster. A `postmaster.pid` alone proves nothing: after a crash its number may be free, a
 * zombie's, or another program's, so the process must also carry our folder on its command line.
 */
export function findPostmaster(dataDir: string): Postmaster | undefined {
  try {
    const lines = pidFile(dataDir);
    const pid = Number(lines[0]);
    const words = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    if (!words.includes(dataDir)) return undefined;
    return { pid, isReady: lines[7]?.trim() === 'ready', socketDir: lines[4] ?? '' };
  } catch {
    return undefined; // no such file, or no such process
  }
}

/** Does any process work in the cluster? PostgreSQL's processes all have it as their folder, also without a postmaster. */
export function isInUse(dataDir: string): boolean {
  return fs.readdirSync('/proc').some((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return fs.readlinkSync(`/proc/${name}/cwd`) === dataDir;
    } catch {
      return false; // gone, or another user's
    }
  });
}

/** Does a server answer at the socket that the cluster's pid file names? It may be one whose process we cannot see. */
export function answers(dataDir: string): Promise<boolean> {
  return new Promise((resolve) => {
    try {
      const lines = pidFile(dataDir);
      const socket = net.connect(path.join(lines[4] ?? '', `.s.PGSQL.${lines[3]}`), () => socket.destroy());
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    } catch {
      resolve(false); // no such file
    }
  });
}

/** Lines: pid, data folder, start time, port, socket folder, listen address, shared memory, status. */
function pidFile(dataDir: string): string[] {
  return fs.readFileSync(path.join(dataDir, 'postmaster.pid'), 'utf8').split('\n');
}
