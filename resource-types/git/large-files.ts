import { ResourceFailure, type StepContext } from '../../src/resources/contract.js';
import type { Git } from './git.js';

/**
 * Fetches the files of Git LFS, if the commit has any and git-lfs is installed.
 * @throws ResourceFailure when they cannot be had, or the repository leads to files of the server.
 */
export async function fetchLargeFiles(git: Git, context: StepContext, dir: string): Promise<void> {
  const usesLfs = ['grep', '--quiet', 'filter=lfs', 'HEAD', '--', ':(glob)**/.gitattributes'];
  if (!(await git.succeeds(dir, ...usesLfs))) return;
  if (!(await git.succeeds(dir, 'lfs', 'version'))) {
    context.log(
      'warning: this repository uses Git LFS; its large files are left as pointers, as git-lfs is not installed\n',
    );
    return;
  }
  // The repository may name another server in .lfsconfig, but no folder of this one.
  const named = await git.attempt(dir, 'config', '--blob', 'HEAD:.lfsconfig', '--get-regexp', '(^|\\.)(push)?url$');
  for (const line of named.stdout.split('\n').filter((each) => each !== '')) {
    const url = line.slice(line.indexOf(' ') + 1);
    if (!/^(?:https?|ssh):\/\//i.test(url))
      throw new ResourceFailure(`.lfsconfig names '${url}', which is not fetched from`);
  }
  // Without hooks: the folder is for tasks.
  await git.run(dir, 'lfs', 'install', '--local', '--skip-repo');
  await git.run(dir, 'lfs', 'pull', 'origin');
}
