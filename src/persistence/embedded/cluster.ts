import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { EmbeddedPostgresError, findBinaries, type Binaries } from './binaries.js';
import { canReach, serviceUser, type ServiceUser } from './service-user.js';

/** Only names the socket file: there is no TCP listener. */
export const PORT = 5432;
export const DATABASE_USER = 'weir';

/** A complete PostgreSQL cluster on disk and what is needed to run it. */
export interface Cluster {
  readonly dataDir: string;
  readonly logFile: string;
  readonly password: string;
  readonly binaries: Binaries;
  readonly user: ServiceUser | undefined;
}

/** What our PostgreSQL sees of our environment: nothing that could change its messages or its clock. */
export const ENVIRONMENT = { PATH: process.env.PATH, LANG: 'C', LC_ALL: 'C', TZ: 'UTC' };

/**
 * The cluster in `base`, made at the first call.
 * @throws EmbeddedPostgresError when it is of another major version, incomplete, or cannot be made.
 */
export async function prepareCluster(base: string, isForTests: boolean): Promise<Cluster> {
  const dataDir = path.join(base, 'data');
  const user = serviceUser(dataDir);
  const binaries = findBinaries(base, user);
  const cluster = { dataDir, logFile: path.join(base, 'postgres.log'), binaries, user };
  const secret = path.join(base, 'password');
  if (!fs.existsSync(path.join(dataDir, 'PG_VERSION'))) {
    const password = randomBytes(24).toString('base64url');
    await initialise(base, cluster, password, isForTests, () =>
      fs.writeFileSync(secret, password, { mode: 0o600, flush: true }),
    );
  }
  refuseOtherMajor(dataDir, binaries.major);
  if (!fs.existsSync(secret))
    throw new EmbeddedPostgresError(
      `${secret} is missing, so the database beside it cannot be opened; restore it from a backup`,
    );
  return { ...cluster, password: fs.readFileSync(secret, 'utf8').trim() };
}

/**
 * Where the cluster lives: `wanted`, made if needed. As root, PostgreSQL runs as another user, who cannot enter a folder
 * below, say, `/root`: then it is a folder in `/var/lib/weir`, and a link `elsewhere` leads there, so that it is found
 * after the data folder was moved.
 * @returns the one true name of the folder: PostgreSQL's processes are recognised by it.
 */
export function reachableBase(wanted: string): string {
  fs.mkdirSync(wanted, { recursive: true, mode: 0o711 });
  const home = fs.realpathSync(wanted);
  const link = path.join(home, 'elsewhere');
  const target = fs.lstatSync(link, { throwIfNoEntry: false }) && fs.readlinkSync(link);
  if (target !== undefined) return existing(target, home);
  const user = serviceUser(path.join(home, 'data'));
  if (user === undefined || canReach(path.join(home, 'data'), user.uid)) return home;
  fs.mkdirSync('/var/lib/weir', { recursive: true, mode: 0o711 });
  const base = fs.mkdtempSync('/var/lib/weir/');
  fs.chmodSync(base, 0o711);
  fs.symlinkSync(base, link);
  return base;
}

function existing(target: string, home: string): string {
  if (fs.existsSync(target)) return target;
  throw new EmbeddedPostgresError(
    `the database of ${home} was kept in ${target}, which is gone; restore it from a backup`,
  );
}

function refuseOtherMajor(dataDir: string, major: number): void {
  const found = Number.parseInt(fs.readFileSync(path.join(dataDir, 'PG_VERSION'), 'utf8'), 10);
  if (found === major) return;
  throw new EmbeddedPostgresError(
    `${dataDir} was made by PostgreSQL ${found}, and this Weir brings PostgreSQL ${major}; start the Weir that made it, ` +
      `dump the database with pg_dump and restore it into a new data folder, or choose another --data-dir`,
  );
}

/**
 * Runs initdb into a name of its own and renames it when complete: a kill in the middle leaves nothing half made, and an
 * initdb that outlived its killed server goes on writing where nobody looks.
 */
async function initialise(
  base: string,
  { dataDir, binaries, user }: Pick<Cluster, 'dataDir' | 'binaries' | 'user'>,
  password: string,
  isForTests: boolean,
  storePassword: () => void,
): Promise<void> {
  for (const name of fs.readdirSync(base).filter((n) => n.startsWith('data.new-')))
    removeQuietly(path.join(base, name));
  const attempt = path.join(base, `data.new-${randomBytes(6).toString('hex')}`);
  ownedFolder(attempt, user);
  const passwordFile = `${attempt}.password`;
  fs.writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  if (user) fs.chownSync(passwordFile, user.uid, user.gid);
  try {
    await promisify(execFile)(
      binaries.initdb,
      [
        '-D',
        attempt,
        '-U',
        DATABASE_USER,
        '--auth=scram-sha-256',
        `--pwfile=${passwordFile}`,
        '--encoding=UTF8',
        '--locale=C',
      ].concat(isForTests ? ['--no-sync'] : []),
      { ...user, env: ENVIRONMENT, cwd: '/' },
    );
  } catch (error) {
    removeQuietly(attempt);
    throw new EmbeddedPostgresError(`PostgreSQL could not make its database: ${lastWords(error)}`, error);
  } finally {
    fs.rmSync(passwordFile, { force: true });
  }
  storePassword();
  fs.renameSync(attempt, dataDir);
}

function lastWords(error: unknown): string {
  const { stderr, message, code } = error as { stderr?: string; message: string; code?: unknown };
  if (code === 'ENOENT') return 'its programs do not run here (they need glibc, so a Debian-like system, not Alpine)';
  return stderr?.trim() || message;
}

function removeQuietly(dir: string): void {
  try {
    fs.rmSync(dir, { recursive: true, force: true });
  } catch {
    // an orphaned initdb still writes into it: the next start removes it
  }
}

/** A folder only its owner may enter. */
export function ownedFolder(dir: string, user: ServiceUser | undefined): string {
  fs.mkdirSync(dir, { recursive: true, mode: 0o700 });
  if (user) fs.chownSync(dir, user.uid, user.gid);
  return dir;
}

const LONGEST_SOCKET_ADDRESS = 107;

/** Where PostgreSQL puts its socket: beside the cluster, or in a private folder of the system's when that name is too long. */
export function socketFolder(cluster: Cluster): string {
  const beside = path.join(path.dirname(cluster.dataDir), 's');
  if (Buffer.byteLength(path.join(beside, `.s.PGSQL.${PORT}`)) <= LONGEST_SOCKET_ADDRESS)
    return ownedFolder(beside, cluster.user);
  const temporary = os.tmpdir().length < 60 ? os.tmpdir() : '/tmp';
  return ownedFolder(fs.mkdtempSync(path.join(temporary, 'weir-socket-')), cluster.user);
}
