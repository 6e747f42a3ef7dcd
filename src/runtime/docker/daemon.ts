import Docker from 'dockerode';
import { setTimeout as pause } from 'node:timers/promises';
import { hasCode } from '../files.js';

/** How long a daemon may take to answer at the start of the server, in milliseconds. */
const ANSWER_MS = 5_000;
/**
 * How long a daemon that went away may take to come back before steps that wait for it give up, in milliseconds. With the
 * time to notice it stays below 30 s.
 */
const PATIENCE_MS = 25_000;

/** A client of the daemon that `DOCKER_HOST` (`unix://…`, `tcp://…` with `DOCKER_CERT_PATH`) or the usual socket leads to. */
export function connectDocker(socketPath?: string): Docker {
  return socketPath === undefined ? new Docker() : new Docker({ socketPath });
}

/** @throws the reason when the daemon does not answer in time. */
export async function demandAnswer(docker: Docker): Promise<void> {
  const answer = docker.ping();
  const late = pause(ANSWER_MS, 'late' as const, { ref: false });
  if ((await Promise.race([answer, late])) === 'late') throw new Error(`no answer within ${ANSWER_MS / 1000} s`);
}

/** True when the daemon has answered with one of these HTTP statuses. */
export function hasStatus(error: unknown, ...statuses: readonly number[]): boolean {
  return statuses.includes((error as { statusCode?: number }).statusCode ?? 0);
}

/** True when the daemon did not answer at all, or the connection broke. */
export function isUnreachable(error: unknown): boolean {
  return hasCode(error, 'ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EPIPE', 'ETIMEDOUT', 'ERR_STREAM_PREMATURE_CLOSE');
}

/** Repeats `ask` while the daemon is away. @throws when it does not come back in time, and what else `ask` throws. */
export async function askPatiently<Answer>(ask: () => Promise<Answer>, signal?: AbortSignal): Promise<Answer> {
  const since = performance.now();
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      if (performance.now() - since > PATIENCE_MS)
        throw new Error(`Docker does not answer since ${PATIENCE_MS / 1000} s`, { cause: error });
      await pause(250, undefined, { signal });
    }
  }
}
