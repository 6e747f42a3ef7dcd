import { createHash, randomBytes } from 'node:crypto';

const RANDOM_BYTES = 20;

/**
 * An opaque bearer token in the one form whose expiry `fly targets` can show: unpadded standard base64 of 20 random bytes
 * and the expiry as 8-byte little-endian unix seconds.
 */
export function newToken(expiresAt: Date): string {
  const bytes = Buffer.alloc(RANDOM_BYTES + 8);
  randomBytes(RANDOM_BYTES).copy(bytes);
  bytes.writeBigUInt64LE(BigInt(Math.floor(expiresAt.getTime() / 1000)), RANDOM_BYTES);
  return bytes.toString('base64').replace(/=+$/, '');
}

/** SHA-256 in hex: what is stored instead of a token. A token is random, so no salt or slow hash is needed. */
export function tokenDigest(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** The value of `Bearer <value>`, scheme in any case; undefined for another scheme or form. */
export function bearerToken(header: string | undefined): string | undefined {
  const [scheme, value, ...rest] = (header ?? '').split(' ');
  return scheme?.toLowerCase() === 'bearer' && value && rest.length === 0 ? value : undefined;
}
