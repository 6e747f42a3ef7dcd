import type { JsonObject } from '../../model/index.js';
import type { Queryable, Tx } from '../db.js';

/** A key that signs ID tokens from a moment on, until the next one of its algorithm does. */
export interface SigningKeyRow {
  readonly kid: string;
  readonly algorithm: 'RS256' | 'ES256';
  readonly privateJwk: JsonObject;
  readonly signsFrom: Date;
}

/** Any number that no other advisory lock of ours uses. */
const SIGNING_KEYS_LOCK = 7_031_947_003;

/** All keys, those that sign from a later moment first. */
export function findSigningKeys(db: Queryable): Promise<SigningKeyRow[]> {
  return db.query(
    `select kid, algorithm, private_jwk as "privateJwk", signs_from as "signsFrom" from signing_keys
     order by signs_from desc, kid`,
  );
}

/** Keeps others from making or removing keys until the transaction ends. */
export async function lockSigningKeys(tx: Tx): Promise<void> {
  await tx.query(`select pg_advisory_xact_lock($1)`, [SIGNING_KEYS_LOCK]);
}

export async function insertSigningKey(
  tx: Tx,
  { kid, algorithm, privateJwk, signsFrom }: SigningKeyRow,
): Promise<void> {
  await tx.query(`insert into signing_keys (kid, algorithm, private_jwk, signs_from) values ($1, $2, $3, $4)`, [
    kid,
    algorithm,
    JSON.stringify(privateJwk),
    signsFrom,
  ]);
}

/** Removes keys whose successor has signed since before the moment: no token of theirs is still good. */
export async function removeSigningKeys(tx: Tx, succeededBefore: Date): Promise<void> {
  await tx.query(
    `delete from signing_keys k where exists (
       select from signing_keys n where n.algorithm = k.algorithm and n.signs_from > k.signs_from and n.signs_from < $1)`,
    [succeededBefore],
  );
}
