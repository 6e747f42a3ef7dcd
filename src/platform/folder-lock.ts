import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { UserError } from './errors.js';

/** Another process has the folder. */
export class FolderBusyError extends UserError {
  constructor(
    folder: string,
    readonly pid: number,
  ) {
    super(
      'folder-busy',
      `the folder ${folder} is in use by process ${pid}; stop that one, or choose another --data-dir`,
      409,
    );
  }
}

export interface FolderLock {
  release(): Promise<void>;
}

type Answer = 'candidate' | 'holder' | 'dead';

const ANSWER_TIMEOUT_MS = 2_000;
const ASK_AGAIN_MS = 20;

/**
 * Takes the folder for this process until {@link FolderLock.release} or its death, `kill -9` included.
 *
 * Every candidate listens on a socket file of its own in `<folder>/lock` and only then looks for others, so of two that
 * come at the same moment at least one sees the other. One that nobody answers for is dead and is removed; as names are
 * never used twice, nobody can remove a living one. Among candidates the smaller name goes first. Unlike a pid file this
 * cannot be fooled by a reused pid, and unlike an abstract socket it also holds between containers that share a volume.
 * @throws FolderBusyError when another process has it.
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const dir = path.join(folder, 'lock');
  fs.mkdirSync(dir, { recursive: true, mode: 0o700 });
  const reach = shortPath(dir);
  const own = `${process.pid}-${randomBytes(6).toString('hex')}.sock`;
  let state: Answer = 'candidate';
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined); // the asker went away
    socket.end(state);
  });
  const release = async (): Promise<void> => {
    await new Promise((resolve) => server.close(resolve));
    fs.rmSync(path.join(dir, own), { force: true });
    reach.close();
  };
  try {
    await listen(server, path.join(reach.dir, own));
    server.unref();
    for (const other of fs.readdirSync(dir).filter((name) => name !== own))
      await outlive(folder, dir, reach.dir, own, other);
  } catch (error) {
    await release();
    throw error;
  }
  state = 'holder';
  return { release };
}

/** Returns when `other` is dead; throws when it has the folder or goes first. */
async function outlive(folder: string, dir: string, reach: string, own: string, other: string): Promise<void> {
  for (;;) {
    const answer = await ask(path.join(reach, other));
    if (answer === 'dead') return fs.rmSync(path.join(dir, other), { force: true });
    if (answer === 'holder' || other < own) throw new FolderBusyError(folder, Number.parseInt(other, 10));
    await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
  }
}

function ask(socketPath: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = net.connect(socketPath);
    // A process that is stopped (SIGSTOP) accepts but does not answer: it still has the folder.
    socket.setTimeout(ANSWER_TIMEOUT_MS, () => socket.destroy());
    socket.on('data', (data) => (text += data.toString()));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve('dead');
      else if (error.code === 'ECONNRESET' || error.code === 'EPIPE')
        resolve('candidate'); // it is just leaving: ask again
      else reject(error);
    });
    socket.on('close', () => resolve(text === 'candidate' ? 'candidate' : 'holder'));
  });
}

function listen(server: net.Server, socketPath: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath, resolve);
  });
}

/** A name for the folder that fits into the 107 bytes of a socket address, however deep the folder is. */
function shortPath(dir: string): { dir: string; close(): void } {
  if (process.platform !== 'linux') return { dir, close: () => undefined };
  const fd = fs.openSync(dir, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  return { dir: `/proc/self/fd/${fd}`, close: () => fs.closeSync(fd) };
}
