import { spawn, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { lockFolder, messageOf, type Logger } from '../../platform/index.js';
import { EmbeddedPostgresError } from './binaries.js';
import {
  DATABASE_USER,
  ENVIRONMENT,
  PORT,
  prepareCluster,
  reachableBase,
  socketFolder,
  type Cluster,
} from './cluster.js';
import { answers, findPostmaster, isInUse } from './postmaster.js';

export interface EmbeddedOptions {
  /** Gives up safety for speed: a crash of the machine may lose everything. */
  readonly isForTests?: boolean;
  /** Hears when PostgreSQL died and was started again. */
  readonly log?: Logger;
}

/** A PostgreSQL of our own, reachable only through a socket file and with a random password. */
export interface EmbeddedPostgres {
  readonly url: string;
  /** It was already running: the server before us was killed. */
  readonly isAdopted: boolean;
  /** Of the server that runs now; 0 while it is being started again. */
  readonly pid: number;
  /** Ends every session, stops the server and waits for it. */
  stop(): Promise<void>;
}

const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '',
  max_connections: '200',
  shared_buffers: '128MB',
  // Short statements only: compiling them costs more than it gains.
  jit: 'off',
  // A process that hangs with rows locked must not hold up every other for ever.
  idle_in_transaction_session_timeout: '60s',
};
const UNSAFE_SETTINGS = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };

const POLL_MS = 25;
const LOOK_MS = 1_000;
const START_TIMEOUT_MS = 120_000; // recovery after a crash reads back up to 1 GB of log
const STOP_TIMEOUT_MS = 30_000;
const MAX_LOG_BYTES = 10_000_000;

/**
 * Starts PostgreSQL in `base`, or adopts the one that a killed server left running there, and starts it again whenever it
 * dies until {@link EmbeddedPostgres.stop}.
 * @throws EmbeddedPostgresError with the way out, or FolderBusyError when another process has `base`.
 */
export async function startEmbeddedPostgres(base: string, options: EmbeddedOptions = {}): Promise<EmbeddedPostgres> {
  const home = reachableBase(path.resolve(base));
  const lock = await lockFolder(home);
  try {
    const cluster = await prepareCluster(home, options.isForTests ?? false);
    const keeper = new Keeper(cluster, options);
    await keeper.start();
    return {
      url: keeper.url,
      isAdopted: keeper.isAdopted,
      get pid() {
        return keeper.pid;
      },
      stop: async () => {
        await keeper.stop();
        await lock.release();
      },
    };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** Keeps one postmaster alive. */
class Keeper {
  isAdopted = false;
  private child: ChildProcess | undefined;
  private socketDir = '';
  private isStopping = false;
  private timer: NodeJS.Timeout | undefined;
  private restarting: Promise<void> | undefined;

  constructor(
    private readonly cluster: Cluster,
    private readonly options: EmbeddedOptions,
  ) {}

  get url(): string {
    return `postgresql://${DATABASE_USER}:${this.cluster.password}@${encodeURIComponent(this.socketDir)}:${PORT}/postgres`;
  }

  get pid(): number {
    return findPostmaster(this.cluster.dataDir)?.pid ?? 0;
  }

  async start(): Promise<void> {
    const running = findPostmaster(this.cluster.dataDir);
    this.isAdopted = running !== undefined;
    this.socketDir = running?.socketDir ?? socketFolder(this.cluster);
    process.on('exit', this.endWithUs);
    await this.ensureReady();
    this.timer = setInterval(() => this.look(), LOOK_MS).unref();
  }

  /** A fast shutdown: sessions are ended, nothing is lost. One that hangs is stopped hard and recovers at the next start. */
  async stop(): Promise<void> {
    this.isStopping = true;
    process.off('exit', this.endWithUs);
    clearInterval(this.timer);
    await this.restarting;
    for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
      const running = findPostmaster(this.cluster.dataDir);
      if (running === undefined) break;
      process.kill(running.pid, signal);
      await until(() => findPostmaster(this.cluster.dataDir) === undefined, STOP_TIMEOUT_MS);
    }
    if (this.socketDir !== path.join(path.dirname(this.cluster.dataDir), 's'))
      fs.rmSync(this.socketDir, { recursive: true, force: true });
  }

  /** We leave without having stopped it (a second Ctrl-C): it shuts down by itself. After `kill -9` it lives on and is adopted. */
  private readonly endWithUs = (): void => {
    const running = findPostmaster(this.cluster.dataDir);
    if (running) process.kill(running.pid, 'SIGINT');
  };

  private look(): void {
    if (this.isStopping || this.restarting || findPostmaster(this.cluster.dataDir)) return;
    this.options.log?.warn({ logFile: this.cluster.logFile }, 'PostgreSQL died; starting it again');
    this.restarting = this.ensureReady()
      .catch((error: unknown) =>
        this.options.log?.error({ error: messageOf(error) }, 'PostgreSQL does not start again'),
      )
      .finally(() => (this.restarting = undefined)); // the next look tries again
  }

  /** Waits for the server that is there, or launches one. Two that meet settle it by PostgreSQL's own lock file. */
  private async ensureReady(): Promise<void> {
    const { dataDir } = this.cluster;
    for (let attempt = 1; ; attempt++) {
      if (findPostmaster(dataDir) === undefined) await this.launch();
      await until(() => this.hasFailed() || this.isReady(), START_TIMEOUT_MS);
      if (this.isReady()) return;
      if (attempt === 3 || this.isStopping)
        throw new EmbeddedPostgresError(`PostgreSQL does not start: ${this.lastWords()}`);
    }
  }

  private isReady(): boolean {
    return findPostmaster(this.cluster.dataDir)?.isReady ?? false;
  }

  private hasFailed(): boolean {
    return (
      (this.child === undefined || this.child.exitCode !== null || this.child.signalCode !== null) &&
      !findPostmaster(this.cluster.dataDir)
    );
  }

  private async launch(): Promise<void> {
    const { dataDir, binaries, user, logFile } = this.cluster;
    await until(() => !isInUse(dataDir), 5_000); // what a killed postmaster left behind ends by itself
    if (await answers(dataDir))
      throw new EmbeddedPostgresError(
        `a PostgreSQL of another container has ${dataDir} open; stop that container first`,
      );
    // Nobody works here, so both files are of a crash. Left there, PostgreSQL would refuse to start for the sake of a
    // reused pid or a zombie.
    if (!isInUse(dataDir)) {
      fs.rmSync(path.join(dataDir, 'postmaster.pid'), { force: true });
      fs.rmSync(path.join(this.socketDir, `.s.PGSQL.${PORT}.lock`), { force: true });
    }
    const settings = { ...SETTINGS, ...(this.options.isForTests ? UNSAFE_SETTINGS : {}) };
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const log = openLog(logFile);
    // Detached: a Ctrl-C in the terminal is for us, and we stop PostgreSQL when everything else has stopped.
    this.child = spawn(binaries.postgres, ['-D', dataDir, '-k', this.socketDir, '-p', String(PORT), ...flags], {
      ...user,
      env: ENVIRONMENT,
      cwd: '/',
      detached: true,
      stdio: ['ignore', log, log],
    });
    this.child.once('error', () => (this.child = undefined));
    this.child.once('exit', () => this.timer && this.look());
    this.child.unref();
    fs.closeSync(log);
  }

  private lastWords(): string {
    const lines = fs.readFileSync(this.cluster.logFile, 'utf8').trim().split('\n').slice(-20);
    const complaints = lines.map((line) => /(?:FATAL|PANIC|LOG):\s+(.*)/.exec(line)?.[1] ?? line).slice(-3);
    return `${complaints.join('; ') || 'it said nothing'} (see ${this.cluster.logFile})`;
  }
}

function openLog(file: string): number {
  if ((fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0) > MAX_LOG_BYTES) fs.renameSync(file, `${file}.1`);
  return fs.openSync(file, 'a', 0o600);
}

/** Resolves when the claim holds, or when the time is over. */
async function until(claim: () => boolean, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!claim() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
}
