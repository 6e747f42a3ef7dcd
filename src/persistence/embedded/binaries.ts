import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { UserError } from '../../platform/index.js';
import { canReach, type ServiceUser } from './service-user.js';

/** PostgreSQL's programs, usable by the user who will run them. */
export interface Binaries {
  readonly postgres: string;
  readonly initdb: string;
  /** Major version, for example 18. */
  readonly major: number;
}

/** There is no embedded PostgreSQL here; the message names the way out. */
export class EmbeddedPostgresError extends UserError {
  constructor(message: string, cause?: unknown) {
    super('embedded-postgres', message, 500);
    this.cause = cause;
  }
}

const WAY_OUT = 'set DATABASE_URL to a PostgreSQL server (15 or newer)';

/**
 * Finds the programs that npm installed. When the service user cannot reach them (a checkout below `/root`), or links are
 * missing and cannot be made (npm 12 runs no install scripts; the checkout may be another user's), they are copied below `base`.
 */
export function findBinaries(base: string, user: ServiceUser | undefined): Binaries {
  const installed = installedPackage();
  const { version } = JSON.parse(fs.readFileSync(path.join(installed, 'package.json'), 'utf8')) as { version: string };
  const native = path.join(installed, 'native');
  const isUsable =
    (user === undefined || canReach(path.join(native, 'bin', 'postgres'), user.uid)) && makeLinks(native);
  const folder = isUsable ? native : copied(native, path.join(base, `programs-${version}`));
  return {
    postgres: path.join(folder, 'bin', 'postgres'),
    initdb: path.join(folder, 'bin', 'initdb'),
    major: Number.parseInt(version, 10),
  };
}

function installedPackage(): string {
  // PostgreSQL's life is followed through /proc; elsewhere it would run, but could not be told from a stranger.
  if (process.platform !== 'linux')
    throw new EmbeddedPostgresError(`embedded PostgreSQL runs on Linux only; ${WAY_OUT}`);
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return path.resolve(path.dirname(createRequire(import.meta.url).resolve(name)), '..');
  } catch (error) {
    throw new EmbeddedPostgresError(
      `the package ${name} is not installed (npm ci --omit=optional?) or not made for this machine; ${WAY_OUT}`,
      error,
    );
  }
}

/**
 * Makes the links between shared libraries that npm packages cannot hold: the work of the package's install script.
 * @returns false when they are missing and cannot be made here.
 */
function makeLinks(native: string): boolean {
  const links = JSON.parse(fs.readFileSync(path.join(native, 'pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of links) {
    const link = path.join(native, '..', target);
    try {
      fs.symlinkSync(path.relative(path.dirname(link), path.join(native, '..', source)), link);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return fs.existsSync(link);
    }
  }
  return true;
}

/** Copies the package's programs, links included, to `folder`/native; complete or not at all. */
function copied(native: string, folder: string): string {
  const home = path.join(folder, 'native');
  if (fs.existsSync(home)) return home;
  const unfinished = `${folder}.${process.pid}`;
  fs.cpSync(native, path.join(unfinished, 'native'), {
    recursive: true,
    verbatimSymlinks: true,
    filter: (file) => !file.endsWith('.a'),
  });
  makeLinks(path.join(unfinished, 'native'));
  fs.renameSync(unfinished, folder);
  return home;
}
