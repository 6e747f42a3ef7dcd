import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A real git repository for tests, on branch `main`, with an author of its own. */
export class GitRepository {
  private constructor(readonly path: string) {}

  static async create(dir: string): Promise<GitRepository> {
    await mkdir(dir, { recursive: true });
    const repository = new GitRepository(dir);
    await repository.git('init', '-q', '-b', 'main');
    await repository.git('config', 'user.name', 'Ana Lyst');
    await repository.git('config', 'user.email', 'ana@example.org');
    await repository.git('config', 'receive.denyCurrentBranch', 'updateInstead');
    return repository;
  }

  async git(...args: string[]): Promise<string> {
    const { stdout } = await run('git', ['-C', this.path, ...args], {
      env: { PATH: process.env.PATH, LC_ALL: 'C', HOME: '/nonexistent' },
    });
    return stdout.trim();
  }

  /** Commits the given files (text by path; undefined removes one). @returns the commit's id. */
  async commit(message: string, files: Readonly<Record<string, string | undefined>> = {}): Promise<string> {
    for (const [name, text] of Object.entries(files)) {
      const file = path.join(this.path, name);
      if (text === undefined) {
        await rm(file);
        continue;
      }
      await mkdir(path.dirname(file), { recursive: true });
      await writeFile(file, text);
    }
    await this.git('add', '-A');
    await this.git('commit', '-q', '--allow-empty', '-m', message);
    return this.git('rev-parse', 'HEAD');
  }

  async head(): Promise<string> {
    return this.git('rev-parse', 'HEAD');
  }
}
