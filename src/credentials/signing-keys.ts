import { Inject, Injectable } from '@nestjs/common';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose';
import {
  Db,
  findSigningKeys,
  insertSigningKey,
  lockSigningKeys,
  removeSigningKeys,
  type SigningKeyRow,
  type Tx,
} from '../persistence/index.js';
import { CLOCK, Settings, type Clock } from '../platform/index.js';

export type SigningAlgorithm = SigningKeyRow['algorithm'];

export const SIGNING_ALGORITHMS: readonly SigningAlgorithm[] = ['RS256', 'ES256'];
const RSA_BITS = 2048;
const HOUR_MS = 3_600_000;
/** The longest life of a token, and some more for clocks that disagree. */
const KEPT_AFTER_MS = 25 * HOUR_MS;

/**
 * The keys of ID tokens, one at a time for each algorithm, the same on every server. A new one is told to the world an hour
 * before it signs, so that nobody meets a token whose key they have not heard of; an old one is told of as long as a token of
 * it may be good. Keys are made when they are first needed, under a lock of the database.
 */
@Injectable()
export class SigningKeys {
  constructor(
    @Inject(Db) private readonly db: Db,
    @Inject(Settings) private readonly settings: Pick<Settings, 'signingKeyRotationMs'>,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** The key that signs now, as a private JWK with `kid` and `alg`. */
  async current(algorithm: SigningAlgorithm): Promise<JWK> {
    const { now, keys } = await this.prepared();
    const key = keys.find((each) => each.algorithm === algorithm && each.signsFrom <= now);
    if (key === undefined) throw new Error(`no key signs by ${algorithm} yet: the clocks of the servers disagree`);
    return { ...key.privateJwk, kid: key.kid, alg: algorithm };
  }

  /** The public keys of all tokens that may be good, and of those to come, as a JWK set. */
  async published(): Promise<{ readonly keys: readonly JWK[] }> {
    const { keys } = await this.prepared();
    return { keys: keys.map(publicKey) };
  }

  private async prepared(): Promise<{ readonly now: Date; readonly keys: readonly SigningKeyRow[] }> {
    const now = this.clock.now();
    const keys = await findSigningKeys(this.db);
    if (this.due(keys, now).length === 0) return { now, keys };
    return { now, keys: await this.db.tx((tx) => this.rotate(tx, now)) };
  }

  private async rotate(tx: Tx, now: Date): Promise<readonly SigningKeyRow[]> {
    await lockSigningKeys(tx);
    // Another server may have been faster.
    for (const key of this.due(await findSigningKeys(tx), now)) await insertSigningKey(tx, await makeKey(key));
    await removeSigningKeys(tx, new Date(now.getTime() - KEPT_AFTER_MS));
    return findSigningKeys(tx);
  }

  /** The keys that have to be made. */
  private due(keys: readonly SigningKeyRow[], now: Date): Pick<SigningKeyRow, 'algorithm' | 'signsFrom'>[] {
    const periodMs = this.settings.signingKeyRotationMs;
    const leadMs = Math.min(HOUR_MS, periodMs / 2);
    return SIGNING_ALGORITHMS.flatMap((algorithm) => {
      const newest = keys.find((key) => key.algorithm === algorithm);
      if (newest === undefined) return [{ algorithm, signsFrom: now }];
      const isDue = newest.signsFrom.getTime() + periodMs - leadMs <= now.getTime();
      return isDue ? [{ algorithm, signsFrom: new Date(now.getTime() + leadMs) }] : [];
    });
  }
}

async function makeKey(key: Pick<SigningKeyRow, 'algorithm' | 'signsFrom'>): Promise<SigningKeyRow> {
  const { privateKey } = await generateKeyPair(key.algorithm, { extractable: true, modulusLength: RSA_BITS });
  const jwk = await exportJWK(privateKey);
  return { ...key, kid: await calculateJwkThumbprint(jwk), privateJwk: jwk };
}

/** Names what is public, so that nothing else gets out. */
function publicKey({ kid, algorithm, privateJwk }: SigningKeyRow): JWK {
  const { kty, n, e, crv, x, y } = privateJwk as JWK;
  const parts = kty === 'RSA' ? { n, e } : { crv, x, y };
  return { kty, kid, use: 'sig', alg: algorithm, ...parts };
}
