import { createHash, type Hash } from 'node:crypto';
import { ResourceFailure } from '../../src/resources/contract.js';

const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/** True for `sha256:…` and `sha512:…`, the algorithms that registries must know. */
export function isDigest(text: string): boolean {
  return DIGEST.test(text);
}

/** The SHA-256 digest of the bytes. */
export function digestOf(bytes: Uint8Array | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** @throws ResourceFailure when the bytes are not those of the digest. */
export function verifyBytes(bytes: Uint8Array, digest: string, what: string): void {
  verify(hasherOf(digest).update(bytes), digest, what);
}

/** Passes the bytes on. @throws ResourceFailure after the last when they are not those of the digest. */
export async function* verified(
  bytes: AsyncIterable<Uint8Array>,
  digest: string,
  what: string,
): AsyncGenerator<Uint8Array> {
  const hasher = hasherOf(digest);
  for await (const chunk of bytes) {
    hasher.update(chunk);
    yield chunk;
  }
  verify(hasher, digest, what);
}

function hasherOf(digest: string): Hash {
  if (!isDigest(digest)) throw new ResourceFailure(`'${digest}' is not a digest of a known kind`);
  return createHash(digest.slice(0, digest.indexOf(':')));
}

function verify(hasher: Hash, digest: string, what: string): void {
  const found = hasher.digest('hex');
  if (digest.endsWith(`:${found}`)) return;
  throw new ResourceFailure(`${what} is not what its digest ${digest} promises (found ${found})`);
}
