import type { RemoteBranch } from '../git/shared.js';
import type { PoolSource } from './schema.js';

/** Lines at the end of our commits' messages: who did it, and in which step. */
export const HOLDER = 'Weir-Build';
export const STEP = 'Weir-Step';

/** A pool as it was at one commit. */
export class PoolState {
  private constructor(
    private readonly branch: RemoteBranch,
    private readonly source: PoolSource,
    readonly tip: string,
    /** Names of locks, sorted. */
    readonly claimed: readonly string[],
    readonly unclaimed: readonly string[],
  ) {}

  /** The newest state of the remote. */
  static async fetch(branch: RemoteBranch, source: PoolSource): Promise<PoolState> {
    const tip = await branch.fetch();
    // Files such as .gitkeep only keep an empty folder in git.
    const locks = async (folder: string) =>
      (await branch.list(tip, `${source.pool}/${folder}`)).filter((name) => !name.startsWith('.'));
    return new PoolState(branch, source, tip, await locks('claimed'), await locks('unclaimed'));
  }

  path(folder: 'claimed' | 'unclaimed', lock: string): string {
    return `${this.source.pool}/${folder}/${lock}`;
  }

  /** Text of a lock. */
  async metadata(folder: 'claimed' | 'unclaimed', lock: string): Promise<string> {
    return (await this.branch.read(this.tip, this.path(folder, lock))) ?? '';
  }

  /** The commit that put the claimed lock where it is. */
  async claimOf(lock: string): Promise<string> {
    return this.lastChange(this.path('claimed', lock));
  }

  /** The newest commit that changed the file, also by removing it; empty when there is none. */
  async lastChange(path: string): Promise<string> {
    return this.branch.run('log', '-1', '--format=%H', this.tip, '--', `:(literal)${path}`);
  }

  /** The newest commit that the step has pushed before, and the lock it names; undefined when there is none. */
  async commitOfStep(stepId: string): Promise<{ readonly ref: string; readonly lock: string } | undefined> {
    const format = `%H%x00%s%x00%(trailers:key=${STEP},valueonly,separator=%x2C)`;
    const found = await this.branch.run(
      ...['log', `--format=${format}`, '--fixed-strings', `--grep=${STEP}: ${stepId}`, this.tip],
    );
    for (const line of found.split('\n')) {
      const [ref = '', subject = '', id] = line.split('\0');
      if (id === stepId) return { ref, lock: /^[a-z ]+: (.+)$/.exec(subject)?.[1] ?? '' };
    }
    return undefined;
  }

  /** For people: who holds the lock, and since when. */
  async holder(lock: string): Promise<string> {
    const format = `%cI%x00%an%x00%(trailers:key=${HOLDER},valueonly)`;
    const [since = '', author = '', build = ''] = (
      await this.branch.run('log', '-1', `--format=${format}`, await this.claimOf(lock))
    ).split('\0');
    return `${lock} is held by ${build.trim() || author} since ${since}`;
  }
}
