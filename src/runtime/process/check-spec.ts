import os from 'node:os';
import { UserError } from '../../platform/index.js';
import type { StepSpec } from '../port.js';
import type { Isolation } from './isolation.js';
import { relativePath } from './mounts.js';

/** @throws UserError `bad-command`, `user-not-supported`, `absolute-path`: what no step of this machine can be */
export function checkSpec(spec: StepSpec, isolation: Isolation): void {
  const [command] = spec.argv;
  const texts = [...spec.argv, ...Object.entries(spec.env).flat()];
  if (!command || command.includes('=') || texts.some((text) => text.includes('\0'))) {
    throw new UserError(
      'bad-command',
      'the command is empty, or its name holds "=", or one of its texts holds a NUL character',
    );
  }
  const badName = Object.keys(spec.env).find((name) => name === '' || name.includes('='));
  if (badName !== undefined) throw new UserError('bad-command', `"${badName}" is no name for an environment variable`);
  if (isolation.kind === 'none' && spec.user !== undefined && spec.user !== ownUser()) throw otherUser(spec.user);
  relativePath(spec.dir ?? '', 'the working folder');
}

/** Why a step without a sandbox cannot be somebody else. */
export function otherUser(user: string): UserError {
  return new UserError(
    'user-not-supported',
    `cannot run as user "${user}": steps on the host runtime run as the server's user "${ownUser()}"; leave "user" out, or use a runtime with containers`,
  );
}

/** Name or number of the user that this server is. */
export function ownUser(): string {
  try {
    return os.userInfo().username;
  } catch {
    return String(process.getuid?.()); // a user without an entry in the system's list, as in many containers
  }
}
