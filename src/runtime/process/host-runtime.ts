import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { NotFoundError, UserError } from '../../platform/index.js';
import type { DirectoryArtifactStore } from '../artifacts/directory-artifact-store.js';
import { copyTree, discard, hasCode, isThere, namesIn, sweep } from '../files.js';
import type {
  ArtifactRef,
  Capabilities,
  ExecSession,
  ExecSpec,
  Handle,
  ListedStep,
  LogChunk,
  Runtime,
  StepSpec,
  StepState,
} from '../port.js';
import { enterArgv, reenterArgv } from './enter.js';
import { endExecs, execInPlace, readPlace, type StepPlace } from './exec.js';
import { describeIsolation } from './describe-isolation.js';
import { PLAIN, type Isolation } from './isolation.js';
import { removeGroups } from './limits.js';
import { checkSpec, otherUser, ownUser } from './check-spec.js';
import { FolderChanges, followFile } from './log-reader.js';
import { BEGUN } from './namespaces.js';
import { ownFolder, returnCaches, standInForCaches, sweepCaches, type MountStores } from './mounts.js';
import { bootId, commandsOf, isAlive, signalTree } from './processes.js';
import { prepareStep, StepFolder, type StepRecord } from './step-folder.js';
import { endFlood, exitState, lossOf, MAX_RESULT_BYTES, RESULT_TOO_LARGE, supervise, treeOf } from './supervision.js';

/** File that says that the step's caches were given to later steps. */
const RETURNED = 'caches-returned';
/** File that says that people have run something in the step's place. */
const ENTERED = 'entered';

/**
 * Steps as processes of this machine. Everything known about a step stands in its folder `<dataDir>/steps/<handle>`, and a
 * small shell process outside of the server watches over it, so that any later server finds the step as it is.
 *
 * The command is the leader of a session and process group of its own. What it leaves behind when it ends is killed.
 * @see StepFolder for the files
 */
export class HostRuntime implements Runtime {
  readonly kind = 'process';
  readonly isShared = false;
  private readonly steps: string;
  private readonly stores: MountStores;

  /** @param isolation as {@link probeIsolation} found it */
  constructor(
    dataDir: string,
    artifacts: DirectoryArtifactStore,
    private readonly isolation: Isolation = PLAIN,
  ) {
    const root = path.resolve(dataDir);
    this.steps = path.join(root, 'steps');
    this.stores = { artifacts, caches: path.join(root, 'caches') };
  }

  async capabilities(): Promise<Capabilities> {
    return describeIsolation(this.isolation);
  }

  /**
   * @throws UserError `absolute-path`, `user-not-supported`, `no-such-user`, `bad-mount`, `bad-command`, `bad-image`: what
   * this runtime cannot do
   */
  async start(spec: StepSpec): Promise<void> {
    checkSpec(spec, this.isolation);
    const folder = this.folderOf(spec.handle);
    if (!(await isThere(folder.dir))) {
      await mkdir(this.steps, { recursive: true, mode: 0o700 });
      await prepareStep(this.steps, spec, this.stores, this.isolation);
    }
    const record = await this.demand(spec.handle, folder);
    if (!(await isThere(folder.file('pid')))) await supervise(folder, record);
  }

  async inspect(handle: Handle): Promise<StepState> {
    const folder = this.folderOf(handle);
    const record = await folder.record();
    if (record === undefined) return { handle, phase: 'absent' };
    const exited = await exitState(handle, folder, record);
    if (exited !== undefined) return exited;
    const supervisor = await folder.supervisor();
    if (supervisor === undefined) return { handle, phase: 'pending' };
    const isThisBoot = supervisor.boot === (await bootId());
    if (isThisBoot && (await isAlive(supervisor))) {
      if (record.stdoutTo === 'result') await endFlood(folder, record);
      return { handle, phase: 'running' };
    }
    // It may have written the exit and gone between our two looks. Else what is left of the step can never tell its exit.
    if (isThisBoot && (await folder.exit()) === undefined) await signalTree(await treeOf(folder, record), 'KILL');
    return (
      (await exitState(handle, folder, record)) ?? { handle, phase: 'lost', reason: await lossOf(folder, isThisBoot) }
    );
  }

  async list(labels: Readonly<Record<string, string>>): Promise<readonly ListedStep[]> {
    await sweep(this.steps);
    const listed: ListedStep[] = [];
    for (const handle of (await namesIn(this.steps)).filter((name) => HANDLE.test(name))) {
      const folder = this.folderOf(handle);
      const record = await folder.record();
      if (record === undefined || !Object.entries(labels).every(([name, value]) => record.labels[name] === value))
        continue;
      const info = await stat(folder.file('spec.json')).catch(() => undefined);
      const state = await this.inspect(handle);
      if (info === undefined || state.phase === 'absent') continue; // removed meanwhile
      listed.push({ ...state, labels: record.labels, createdAt: new Date(info.mtimeMs) });
    }
    return listed;
  }

  async *logs(handle: Handle, from: string | null, signal: AbortSignal): AsyncGenerator<LogChunk> {
    const folder = this.folderOf(handle);
    const record = await folder.record();
    if (record === undefined) return;
    const stream = record.stdoutTo === 'log' ? 'stdout' : 'stderr';
    const isOver = async (quiet: boolean): Promise<boolean> =>
      (await folder.exit()) !== undefined || (quiet && isSettled(await this.inspect(handle)));
    for await (const piece of followFile(folder.dir, 'log', parseCursor(from), isOver, signal)) {
      yield { stream, data: piece.data, cursor: String(piece.end) };
    }
  }

  async wait(handle: Handle, signal: AbortSignal): Promise<StepState> {
    const changes = new FolderChanges(this.folderOf(handle).dir, ['exit', 'result'], signal);
    try {
      for (;;) {
        const state = await this.inspect(handle);
        if (isSettled(state)) return state;
        await changes.next(500); // nothing tells of a supervisor's death but a look
      }
    } finally {
      changes.close();
    }
  }

  async result(handle: Handle): Promise<Uint8Array> {
    const folder = this.folderOf(handle);
    const record = await this.demand(handle, folder);
    if (record.stdoutTo !== 'result') throw new Error(`step ${handle} has no result: its standard output is its log`);
    if ((await folder.size('result')) > MAX_RESULT_BYTES) throw new UserError('result-too-large', RESULT_TOO_LARGE);
    return readFile(folder.file('result'));
  }

  async signal(handle: Handle, signal: 'INT' | 'TERM' | 'KILL'): Promise<void> {
    const folder = this.folderOf(handle);
    const record = await folder.record();
    if (record === undefined || (await folder.exit()) !== undefined) return;
    const supervisor = await folder.supervisor();
    if (supervisor?.boot !== (await bootId())) return;
    // Between the claim and the command's start there is nobody to receive the signal; it must not be lost.
    while ((await folder.main()) === undefined && (await isAlive(supervisor))) await sleep(2);
    const tree = await treeOf(folder, record);
    if (record.sandbox !== undefined && signal !== 'KILL') {
      const isMade = async (): Promise<boolean> => (await folder.text(BEGUN))?.startsWith('n') !== true;
      while (!((await isMade()) && (await commandsOf(tree)).length > 0) && (await isAlive(supervisor))) await sleep(2);
    }
    await signalTree(tree, signal);
  }

  /** @throws UserError `output-missing` when the step removed the folder or put something else in its place */
  async sealOutput(handle: Handle, output: string): Promise<ArtifactRef> {
    const id = outputId(handle, output);
    const { artifacts } = this.stores;
    if (await artifacts.exists({ id })) return { id };
    const folder = this.folderOf(handle);
    const record = await this.demand(handle, folder);
    if (!isSettled(await this.inspect(handle)))
      throw new Error(`step ${handle} still runs: its output "${output}" is not complete`);
    const { outputs } = record;
    const found = outputs.find(({ name }) => name === output);
    if (found === undefined) throw new NotFoundError(`step ${handle} has no output "${output}"`);
    const dir = await ownFolder(folder.work, found.path);
    if (dir === undefined) {
      throw new UserError(
        'output-missing',
        `output "${output}" is no folder any more: the step removed or replaced "${found.path}"`,
      );
    }
    // The step is over, so its folder can become the artifact itself; not when another output needs it, too.
    const isShared = outputs.some((other) => other !== found && overlaps(other.path, found.path));
    if (!isShared) {
      try {
        return await artifacts.adopt(id, dir);
      } catch (error) {
        if (!hasCode(error, 'EXDEV', 'EACCES', 'EPERM')) throw error;
      }
    }
    return artifacts.create(id, (tree) => copyTree(dir, tree));
  }

  /** What the step handed on as outputs stands in its folder again; a cache that the next step has is an empty folder. */
  async exec(handle: Handle, spec: ExecSpec): Promise<ExecSession> {
    const folder = this.folderOf(handle);
    const record = await this.demand(handle, folder);
    if (record.sandbox === undefined && spec.user !== undefined && spec.user !== ownUser()) throw otherUser(spec.user);
    const isOver = isSettled(await this.inspect(handle));
    if (isOver) await this.bringBackOutputs(handle, folder, record);
    if (await isThere(folder.file(RETURNED))) await standInForCaches(folder.work, record.caches);
    const place = await readPlace(folder.dir);
    const enter = await this.wayInto(folder, record, isOver);
    await writeFile(folder.file(ENTERED), '');
    return execInPlace(
      enter === undefined ? place : { ...place, env: harmless(place.env), enter },
      record.marker,
      spec,
    );
  }

  /** What puts a command into the sandbox of the step, made once more when the step is over. */
  private async wayInto(
    folder: StepFolder,
    record: StepRecord,
    isOver: boolean,
  ): Promise<StepPlace['enter'] | undefined> {
    const { sandbox } = record;
    if (sandbox === undefined) return undefined;
    const [command] = isOver ? [] : await commandsOf(await treeOf(folder, record));
    return command === undefined
      ? (argv) => reenterArgv(folder.dir, argv)
      : (argv) => enterArgv(command, sandbox, argv);
  }

  private async bringBackOutputs(handle: Handle, { work, dir }: StepFolder, { outputs }: StepRecord): Promise<void> {
    for (const { name, path: at } of outputs) {
      const ref = { id: outputId(handle, name) };
      if ((await isThere(path.join(work, at))) || !(await this.stores.artifacts.exists(ref))) continue;
      const scratch = path.join(dir, `back-${randomUUID()}`);
      await this.stores.artifacts.copyTo(ref, scratch);
      await rename(scratch, path.join(work, at)).catch(() => discard(dir, path.basename(scratch))); // somebody was faster
    }
  }

  sweepCaches(live: () => Promise<readonly string[]>): Promise<void> {
    return sweepCaches(this.stores.caches, live);
  }

  async returnCaches(handle: Handle): Promise<void> {
    const folder = this.folderOf(handle);
    const { caches = [] } = (await folder.record()) ?? {};
    if (caches.length === 0) return;
    const { exit } = await this.inspect(handle);
    // A cache that was being written when its step was killed may be broken in ways that no later step repairs.
    if (exit === undefined || exit.signal !== undefined) return;
    await writeFile(folder.file(RETURNED), '');
    await returnCaches(this.stores.caches, folder.work, caches);
  }

  async remove(handle: Handle): Promise<void> {
    const folder = this.folderOf(handle);
    const record = await folder.record();
    if (record !== undefined) {
      if (await isThere(folder.file(ENTERED))) await endExecs(record.marker); // looks at every process of the machine
      await this.endForRemoval(handle, folder, record);
      // What somebody who looked around has left there is no cache.
      if (!(await isThere(folder.file(RETURNED)))) await this.returnCaches(handle);
    }
    await discard(this.steps, handle);
    await removeGroups(record?.groups ?? []);
  }

  private async endForRemoval(handle: Handle, folder: StepFolder, record: StepRecord): Promise<void> {
    await this.signal(handle, 'KILL');
    for (let round = 0; round < 1000; round++) {
      if ((await this.inspect(handle)).phase !== 'running') return;
      await sleep(5);
    }
    await signalTree({ main: await folder.supervisor(), marker: record.marker }, 'KILL');
  }

  private async demand(handle: Handle, folder: StepFolder): Promise<StepRecord> {
    const record = await folder.record();
    if (record === undefined) throw new NotFoundError(`there is no step ${handle} on this machine`);
    return record;
  }

  private folderOf(handle: Handle): StepFolder {
    if (!HANDLE.test(handle)) throw new UserError('invalid-handle', `"${handle}" is no step handle`);
    return new StepFolder(path.join(this.steps, handle));
  }
}

/** Programs of the host read the environment on the way into a sandbox; they must not load files that the step brought. */
function harmless(env: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^(LD_|GLIBC_|GCONV_|MALLOC_)/.test(name)));
}

/** The same for every server and every try. */
function outputId(handle: Handle, output: string): string {
  return `${handle}.${createHash('sha256').update(output).digest('hex').slice(0, 16)}`;
}

function parseCursor(cursor: string | null): number {
  if (cursor !== null && !/^\d+$/.test(cursor)) throw new Error(`"${cursor}" is no cursor of this runtime`);
  return Number(cursor ?? 0);
}

const HANDLE = /^[a-z0-9-]{1,63}$/;

/** True when one of the two folders is or holds the other. */
function overlaps(a: string, b: string): boolean {
  return a === b || a === '' || b === '' || a.startsWith(`${b}/`) || b.startsWith(`${a}/`);
}

const isSettled = (state: StepState): boolean => state.phase !== 'pending' && state.phase !== 'running';

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
