import { ResourceFailure } from '../../src/resources/contract.js';
import { runTool } from './tools.js';
import type { Git } from './git.js';
import type { GitSource } from './schema.js';
import type { Workshop } from './workshop.js';

/**
 * Makes sure that the commit, or the tag that names it, is signed with one of the source's GPG keys; nothing when the source
 * has none. The key ring is the workshop's own, so no key of the server counts.
 * @throws ResourceFailure when it is not, gpg is missing, or a key cannot be had.
 */
export async function verifySignature(
  git: Git,
  workshop: Workshop,
  source: GitSource,
  { dir, ref, sha }: { readonly dir: string; readonly ref: string; readonly sha: string },
): Promise<void> {
  const keys = source.commit_verification_keys ?? [];
  const ids = source.commit_verification_key_ids ?? [];
  if (keys.length + ids.length === 0) return;
  const gpg = (...args: readonly string[]) =>
    runTool(git, dir, 'gpg', 'commit_verification_keys', '--batch', '--quiet', ...args);
  for (const [index, key] of keys.entries()) {
    const file = await workshop.secretFile(`public-key-${index}`, `${key.trim()}\n`);
    await gpg('--import', file);
  }
  if (ids.length > 0) {
    const server = source.gpg_keyserver === undefined ? [] : ['--keyserver', source.gpg_keyserver];
    try {
      await gpg(...server, '--recv-keys', ...ids);
    } finally {
      // gpg leaves a program behind that speaks to key servers.
      await runTool(git, dir, 'gpgconf', 'commit_verification_key_ids', '--kill', 'all');
    }
  }
  const isSignedTag = (await git.attempt(dir, 'cat-file', '-t', `refs/tags/${ref}`)).stdout.trim() === 'tag';
  if (isSignedTag && (await git.succeeds(dir, 'verify-tag', ref))) return;
  const outcome = await git.attempt(dir, 'verify-commit', sha);
  if (outcome.exitCode === 0) return;
  const words = outcome.stderr.trim() === '' ? 'it has no signature' : outcome.stderr.trim().slice(-2000);
  throw new ResourceFailure(
    `${sha.slice(0, 7)} is not signed with one of the commit_verification_keys: ${git.redact(words)}`,
  );
}
