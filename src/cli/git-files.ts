import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * The files of a folder that git knows or would add: tracked ones, and new ones that no `.gitignore` excludes. Relative to
 * the folder, with slashes.
 * @returns undefined when the folder is in no working tree, or there is no git.
 */
export async function gitFiles(dir: string): Promise<string[] | undefined> {
  const list = async (...flags: string[]): Promise<string[]> => {
    const { stdout } = await run('git', ['ls-files', '-z', ...flags], { cwd: dir, maxBuffer: 1024 * 1024 * 1024 });
    return stdout.split('\0').filter((name) => name !== '');
  };
  try {
    const [tracked, added] = [await list('--recurse-submodules'), await list('--others', '--exclude-standard')];
    return [...new Set([...tracked, ...added])].sort();
  } catch {
    return undefined;
  }
}
