import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { messageOf } from '../../platform/index.js';

/** Whom PostgreSQL runs as when we are root, which it refuses to be. */
export interface ServiceUser {
  readonly uid: number;
  readonly gid: number;
}

/**
 * The owner of the present cluster, else the system's `postgres` user, else a system user `weir`, made if needed.
 * @returns undefined when we are not root: then PostgreSQL runs as ourselves.
 */
export function serviceUser(dataDir: string): ServiceUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const owner = fs.statSync(dataDir, { throwIfNoEntry: false });
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  return findUser('postgres') ?? findUser('weir') ?? createUser('weir');
}

function findUser(name: string): ServiceUser | undefined {
  const lines = fs.readFileSync('/etc/passwd', 'utf8').split('\n');
  const [, , uid, gid] = lines.map((line) => line.split(':')).find(([user]) => user === name) ?? [];
  return uid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) };
}

function createUser(name: string): ServiceUser {
  let cause: unknown;
  try {
    const flags = ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin'];
    execFileSync('useradd', [...flags, name], { stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (error) {
    cause = error;
  }
  const user = findUser(name);
  if (user) return user;
  throw new Error(
    `PostgreSQL does not run as root, and a user "${name}" for it could not be made (${messageOf(cause)}); start Weir as an ordinary user`,
    { cause },
  );
}

/** Can the user get to the file through every folder above it? Looks at owner and others only, so it may say no too often. */
export function canReach(file: string, uid: number): boolean {
  for (let dir = path.dirname(path.resolve(file)); ; dir = path.dirname(dir)) {
    const { uid: owner, mode } = fs.statSync(dir);
    if ((mode & (owner === uid ? 0o100 : 0o001)) === 0) return false;
    if (dir === path.dirname(dir)) return true;
  }
}
