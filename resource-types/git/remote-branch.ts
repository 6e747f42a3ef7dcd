import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ResourceFailure, type CheckContext } from '../../src/resources/contract.js';
import { cleanUri } from './cache.js';
import { Git } from './git.js';
import { withLock } from './lock.js';
import type { GitSource } from './schema.js';
import { withWorkshop } from './workshop.js';

/** How long a push may still take after the step was interrupted: killed in the middle nobody knows whether it counts. */
const PUSH_LINGER_MS = 5_000;
const TIP = 'refs/weir/tip';

/** New text of files by path; undefined removes the file. */
export type FileChanges = ReadonlyMap<string, string | undefined>;

/** What git-backed types need to know about their repository; the keys are those of the git type. */
export type GitAccess = GitSource & { readonly branch: string };

/**
 * A branch of a remote as a tree of small files, read and changed by compare-and-swap. Nothing is checked out, so no
 * link and no filter in the repository means anything to the server.
 */
export class RemoteBranch {
  private constructor(
    private readonly git: Git,
    private readonly workDir: string,
    private readonly repository: string,
    private readonly source: GitAccess,
    private readonly depth: number | undefined,
  ) {}

  /**
   * Runs `work` with the branch; its objects are kept in the cache folder, which one `work` at a time has for itself.
   * @param options.depth how many commits of history are fetched; default all.
   */
  static async use<T>(
    context: CheckContext,
    source: GitAccess,
    options: { readonly depth?: number },
    work: (branch: RemoteBranch) => Promise<T>,
  ): Promise<T> {
    return withLock(context.cacheDir, context.signal, () =>
      withWorkshop(source, context, async (workshop) => {
        const git = new Git(workshop, context, source);
        const repository = join(context.cacheDir, 'branch.git');
        const branch = new RemoteBranch(git, workshop.dir, repository, source, options.depth);
        await branch.open(context.cacheDir);
        return work(branch);
      }),
    );
  }

  /** Fetches the newest state when it has moved. @returns its commit. @throws ResourceFailure when there is no such branch. */
  async fetch(signal?: AbortSignal): Promise<string> {
    const git = signal === undefined ? this.git : this.git.with(signal);
    const ref = `refs/heads/${this.source.branch}`;
    const listing = await git.run(this.workDir, 'ls-remote', '--quiet', '--', this.uri, ref);
    const tip = listing.split('\n').flatMap((line) => (line.endsWith(`\t${ref}`) ? [line.split('\t')[0]] : []))[0];
    if (tip === undefined) {
      throw new ResourceFailure(
        `there is no branch '${this.source.branch}' in ${this.git.redact(this.uri)}; create it with a first commit`,
      );
    }
    const known = await git.attempt(this.repository, 'rev-parse', '--verify', '--quiet', TIP);
    if (known.stdout.trim() === tip && known.exitCode === 0) return tip;
    const depth = this.depth === undefined ? [] : [`--depth=${this.depth}`];
    const fetch = ['fetch', '--quiet', '--no-tags', '--no-write-fetch-head', ...depth];
    await git.run(this.repository, ...fetch, '--', this.uri, `+${ref}:${TIP}`);
    return git.run(this.repository, 'rev-parse', TIP);
  }

  /** Names of the files directly in a folder, sorted; none when there is no such folder. */
  async list(commit: string, folder: string): Promise<readonly string[]> {
    const listing = await this.git.run(this.repository, 'ls-tree', '-z', commit, '--', `${folder}/`);
    return listing.split('\0').flatMap((entry) => {
      const [, type, path] = /^\d+ (\w+) [0-9a-f]+\t(.+)$/s.exec(entry) ?? [];
      return type === 'blob' && path !== undefined ? [path.slice(folder.length + 1)] : [];
    });
  }

  /** Text of a file; undefined when there is none. */
  async read(commit: string, path: string): Promise<string | undefined> {
    const entry = await this.git.run(this.repository, 'ls-tree', '-z', commit, '--', path);
    const [, mode, type, sha] = /^(\d+) (\w+) ([0-9a-f]+)\t/.exec(entry) ?? [];
    // 120000 is a symbolic link: its text is a path, not what the file says.
    if (type !== 'blob' || sha === undefined || mode === '120000') return undefined;
    return (await this.git.attempt(this.repository, 'cat-file', 'blob', sha)).stdout;
  }

  /** The output of a git command that reads. */
  run(...args: readonly string[]): Promise<string> {
    return this.git.run(this.repository, ...args);
  }

  /** Whether a git command that asks says yes. */
  succeeds(...args: readonly string[]): Promise<boolean> {
    return this.git.succeeds(this.repository, ...args);
  }

  /** A new commit on top of `parent`, not yet pushed. */
  async commit(parent: string, changes: FileChanges, message: string): Promise<string> {
    const scratch = await mkdtemp(join(this.workDir, 'files-'));
    await this.run('read-tree', parent);
    for (const [path, text] of changes) {
      if (text === undefined) {
        // git wants to be told of a work tree here, if only an empty one.
        const places = [`--git-dir=${this.repository}`, `--work-tree=${scratch}`];
        await this.run(...places, 'update-index', '--force-remove', '--', path);
        continue;
      }
      const file = join(scratch, 'file');
      await writeFile(file, text);
      const blob = await this.run('hash-object', '-w', '--no-filters', '--', file);
      await this.run('update-index', '--add', '--cacheinfo', `100644,${blob},${path}`);
    }
    const tree = await this.run('write-tree');
    return this.run('commit-tree', '-p', parent, '-m', message, tree);
  }

  /**
   * Pushes a commit made on `parent`. A push that has begun is not cut off by an abort but gets a few seconds to end, so
   * that its outcome is known.
   * @returns false when somebody else has moved the branch meanwhile. @throws ResourceFailure when the remote refuses it.
   */
  async push(commit: string, parent: string, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    const lingering = lingeringSignal(signal, PUSH_LINGER_MS);
    try {
      const git = this.git.with(lingering.signal);
      const target = `${commit}:refs/heads/${this.source.branch}`;
      const outcome = await git.attempt(
        this.repository,
        ...['push', '--porcelain', '--no-verify', '--', this.uri, target],
      );
      if (outcome.exitCode === 0) return true;
      const tip = await this.fetch(lingering.signal);
      // The connection may have been lost after the push had counted.
      if (tip === commit || (await this.with(git).succeeds('merge-base', '--is-ancestor', commit, tip))) return true;
      if (tip !== parent) return false;
      const refused = outcome.stdout.split('\n').filter((line) => line.startsWith('!'));
      const words = refused.length > 0 ? refused.join('\n') : outcome.stderr.trim().slice(-4000);
      throw new ResourceFailure(this.git.redact(`push failed: ${words}`));
    } finally {
      lingering.dispose();
    }
  }

  /** The same branch under another signal, for work that must be done although the step was interrupted. */
  under(signal: AbortSignal): RemoteBranch {
    return this.with(this.git.with(signal));
  }

  private with(git: Git): RemoteBranch {
    return new RemoteBranch(git, this.workDir, this.repository, this.source, this.depth);
  }

  private get uri(): string {
    return cleanUri(this.source);
  }

  private async open(cacheDir: string): Promise<void> {
    await mkdir(cacheDir, { recursive: true });
    const isThere = await stat(join(this.repository, 'HEAD')).then(
      () => true,
      () => false,
    );
    if (isThere && (await this.isSound())) return;
    await rm(this.repository, { recursive: true, force: true, maxRetries: 3 });
    await this.git.run(cacheDir, 'init', '--quiet', '--bare', this.repository);
  }

  /** A killed server leaves lock files and, when the disk was full, half-written objects. */
  private async isSound(): Promise<boolean> {
    const names = await readdir(this.repository, { recursive: true });
    const locks = names.filter((name) => name.endsWith('.lock') && !name.startsWith('objects'));
    await Promise.all(locks.map((name) => rm(join(this.repository, name), { force: true })));
    const tip = await this.git.attempt(this.repository, 'rev-parse', '--verify', '--quiet', TIP);
    return tip.exitCode !== 0 || this.succeeds('cat-file', '-e', `${TIP}^{tree}`);
  }
}

/** Aborts some time after the other signal. */
function lingeringSignal(signal: AbortSignal, ms: number): { signal: AbortSignal; dispose(): void } {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const abort = () => void (timer = setTimeout(() => controller.abort(signal.reason), ms));
  signal.addEventListener('abort', abort, { once: true });
  return {
    signal: controller.signal,
    dispose: () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    },
  };
}
