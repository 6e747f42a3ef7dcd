import { createHash } from 'node:crypto';
import type { Version } from '../../src/resources/contract.js';
import type { Advertised } from './cache.js';
import type { GitSource } from './schema.js';

const MAX_ANSWERS = 10_000;
const MAX_VERSIONS = 100;

/** By question; the one that was used last stands last. Lost with the process: the history gives them again. */
const kept = new Map<string, readonly Version[]>();

/** Names all that an answer follows from: a sha stands for a whole history, and the source says how to read it. */
export function questionOf(source: GitSource, version: Version | undefined, advertised: Advertised): string {
  const refs = [...advertised].sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify([source, version ?? null, refs]))
    .digest('hex');
}

/** What the history gave to the same question before, if that is still known. */
export function keptAnswer(question: string): readonly Version[] | undefined {
  const answer = kept.get(question);
  if (answer !== undefined) keepAnswer(question, answer);
  return answer;
}

/** @param answer of a history that stood exactly where the question says */
export function keepAnswer(question: string, answer: readonly Version[]): void {
  if (answer.length > MAX_VERSIONS) return;
  kept.delete(question);
  kept.set(question, answer);
  const [oldest] = kept.keys();
  if (kept.size > MAX_ANSWERS && oldest !== undefined) kept.delete(oldest);
}
