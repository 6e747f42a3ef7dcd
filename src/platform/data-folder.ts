import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import type { Clock } from './clock.js';
import { messageOf, UserError } from './errors.js';
import { lockFolder } from './folder-lock.js';

/** The layout of the data folder that this Weir reads and writes. Grows when an older Weir could not read it any more. */
const FORMAT = 1;

/** What `weir.json` holds. */
interface Identity {
  readonly format: number;
  readonly instanceId: string;
  readonly epoch: number;
  readonly createdAt: string;
}

/** The folder where one server keeps everything, held by this process alone. */
export interface DataFolder {
  /** Absolute. */
  readonly dir: string;
  /** Names the server over restarts. */
  readonly instanceId: string;
  /** 1 at the first start, one more at each further one: a lease of an older epoch is of a process that is gone. */
  readonly epoch: number;
  release(): Promise<void>;
}

/** The folder cannot be used; the message says why and what to do. */
export class DataFolderError extends UserError {
  constructor(message: string) {
    super('bad-data-folder', message);
  }
}

/**
 * Takes the data folder, making it if needed, and counts this start.
 * @throws DataFolderError when it is of a newer Weir, is something else, or cannot be written.
 * @throws FolderBusyError when another server has it.
 */
export async function openDataFolder(dir: string, clock: Clock): Promise<DataFolder> {
  try {
    fs.mkdirSync(dir, { recursive: true, mode: 0o711 }); // not 0700: as root, PostgreSQL runs as another user inside it
    refuseStrange(dir);
    const lock = await lockFolder(dir);
    try {
      const identity = countStart(dir, clock);
      return { dir, instanceId: identity.instanceId, epoch: identity.epoch, release: () => lock.release() };
    } catch (error) {
      await lock.release();
      throw error;
    }
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new DataFolderError(
      `cannot use the data folder ${dir}: ${messageOf(error)}; make it writable or choose another --data-dir`,
    );
  }
}

function refuseStrange(dir: string): void {
  const names = fs
    .readdirSync(dir)
    .filter((name) => !['lock', 'lost+found'].includes(name) && !name.startsWith('weir.json'));
  if (names.length === 0 || fs.existsSync(path.join(dir, 'weir.json'))) return;
  throw new DataFolderError(
    `${dir} holds other files (${names.slice(0, 3).join(', ')}) and is no data folder of Weir; choose an empty folder`,
  );
}

function countStart(dir: string, clock: Clock): Identity {
  const file = path.join(dir, 'weir.json');
  const present = readIdentity(file);
  const identity: Identity = present
    ? { ...present, epoch: present.epoch + 1 }
    : { format: FORMAT, instanceId: randomUUID(), epoch: 1, createdAt: clock.now().toISOString() };
  replaceFile(file, `${JSON.stringify(identity, null, 2)}\n`);
  return identity;
}

function readIdentity(file: string): Identity | undefined {
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const identity = parseIdentity(text);
  if (identity === undefined)
    throw new DataFolderError(`${file} is damaged; restore it from a backup of the data folder`);
  if (identity.format > FORMAT)
    throw new DataFolderError(
      `the data folder ${path.dirname(file)} was written by a newer Weir (format ${identity.format}, this one knows ${FORMAT}); ` +
        `start that newer Weir, restore a backup made before the upgrade, or choose another --data-dir`,
    );
  return identity;
}

function parseIdentity(text: string): Identity | undefined {
  try {
    const { format, instanceId, epoch, createdAt } = JSON.parse(text) as Partial<Identity>;
    if (!Number.isInteger(format) || !Number.isInteger(epoch) || typeof instanceId !== 'string') return undefined;
    return { format: format ?? 0, instanceId, epoch: epoch ?? 0, createdAt: createdAt ?? '' };
  } catch {
    return undefined; // not JSON
  }
}

/** Replaces the file so that a crash, of the machine too, leaves either the old or the new text. */
function replaceFile(file: string, text: string): void {
  const fresh = `${file}.new`;
  const fd = fs.openSync(fresh, 'w', 0o644);
  try {
    fs.writeSync(fd, text);
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
  fs.renameSync(fresh, file);
}
