import { runTool } from './tools.js';
import type { Git } from './git.js';
import type { GitSource } from './schema.js';
import type { Workshop } from './workshop.js';

/**
 * Decrypts the files of the work tree when the source has a key of git-crypt. As in Concourse the key stays in the
 * repository's `.git/git-crypt`, so later steps can work with it.
 * @throws ResourceFailure when git-crypt is missing or the key does not fit.
 */
export async function decrypt(git: Git, workshop: Workshop, source: GitSource, dir: string): Promise<void> {
  if (source.git_crypt_key !== undefined) {
    const key = await workshop.secretFile('git-crypt-key', Buffer.from(source.git_crypt_key, 'base64'));
    await runTool(git, dir, 'git-crypt', 'git_crypt_key', 'unlock', key);
  }
  if (source.git_crypt_gpg_key !== undefined) {
    const key = await workshop.secretFile('git-crypt-gpg-key', `${source.git_crypt_gpg_key.trim()}\n`);
    try {
      await runTool(git, dir, 'gpg', 'git_crypt_gpg_key', '--batch', '--quiet', '--import', key);
      await runTool(git, dir, 'git-crypt', 'git_crypt_gpg_key', 'unlock');
    } finally {
      // gpg leaves an agent behind that holds the key.
      await runTool(git, dir, 'gpgconf', 'git_crypt_gpg_key', '--kill', 'all');
    }
  }
}
