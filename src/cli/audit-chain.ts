import { createHash } from 'node:crypto';
import { canonicalJson, type JsonObject } from '../model/index.js';
import { CliError } from './io.js';

/** What the chain of an exported audit log shows. */
export interface ChainVerdict {
  readonly intact: boolean;
  readonly entries: number;
  /** Of the last entry that holds. */
  readonly last_hash: string;
  readonly broken?: { readonly seq: number; readonly why: string };
}

/** The hash before the first entry. */
const ROOT = '0'.repeat(64);

/**
 * Computes the chain of exported lines again, each entry of which holds the hash of the one before it. Finds changed, removed,
 * added and moved entries. That the newest were removed shows only a hash that was kept: `knownHash` must be in the chain.
 * @throws CliError for a line that is no entry
 */
export async function verifyChain(lines: AsyncIterable<string>, knownHash?: string): Promise<ChainVerdict> {
  let [entries, lastHash, isKnown] = [0, ROOT, knownHash === undefined];
  for await (const line of lines) {
    if (line.trim() === '') continue;
    const { hash, ...entry } = readEntry(line, entries + 1);
    const why =
      entry.seq !== entries + 1
        ? `entry ${entries + 1} is missing`
        : entry.prev_hash !== lastHash
          ? 'does not follow from the entry before it'
          : hash !== createHash('sha256').update(canonicalJson(entry)).digest('hex')
            ? 'was changed'
            : undefined;
    if (why !== undefined)
      return { intact: false, entries, last_hash: lastHash, broken: { seq: entry.seq as number, why } };
    entries += 1;
    lastHash = hash as string;
    isKnown ||= lastHash === knownHash;
  }
  const gone = { seq: entries + 1, why: 'the entry with the known hash is missing' };
  return { intact: isKnown, entries, last_hash: lastHash, ...(isKnown ? {} : { broken: gone }) };
}

function readEntry(line: string, number: number): JsonObject {
  try {
    const entry = JSON.parse(line) as JsonObject;
    if (typeof entry.seq === 'number' && typeof entry.hash === 'string') return entry;
  } catch {
    // Told below.
  }
  throw new CliError(`line ${number} is no entry of an exported audit log (\`weir audit export\`)`);
}
