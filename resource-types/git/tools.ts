import { ResourceFailure } from '../../src/resources/contract.js';
import type { Git } from './git.js';
import { NOT_INSTALLED } from './workshop.js';

const PACKAGES = { gpg: 'gnupg', gpgconf: 'gnupg', 'git-crypt': 'git-crypt' } as const;

/**
 * Runs another program, in the process group and environment of git.
 * @param key of the source, which needs it.
 * @throws ResourceFailure with its words, or naming the Debian package to install.
 */
export async function runTool(
  git: Git,
  cwd: string,
  tool: keyof typeof PACKAGES,
  key: string,
  ...args: readonly string[]
): Promise<void> {
  const { exitCode, stderr, stdout } = await git.attempt(cwd, `weir-${tool}`, ...args);
  if (exitCode === 0) return;
  if (exitCode === NOT_INSTALLED) {
    throw new ResourceFailure(
      `${key} needs ${tool}, which is not installed on this server (Debian package ${PACKAGES[tool]})`,
    );
  }
  const words = (stderr.trim() || stdout.trim() || `exit status ${exitCode}`).slice(-2000);
  throw new ResourceFailure(git.redact(`${key}: ${tool} failed: ${words}`), exitCode);
}
