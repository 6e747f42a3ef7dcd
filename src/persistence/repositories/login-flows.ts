import type { JsonObject } from '../../model/index.js';
import type { Tx } from '../db.js';

/** A login on its way through a provider. */
export interface LoginFlowRow {
  readonly connector: string;
  readonly redirectPath: string;
  /** What the connector remembers until the return. */
  readonly secret: JsonObject;
}

/** Begins a flow and forgets those that never came back. */
export async function insertLoginFlow(
  tx: Tx,
  stateDigest: string,
  flow: LoginFlowRow,
  now: Date,
  expiresAt: Date,
): Promise<void> {
  await tx.query(`delete from login_flows where expires_at <= $1`, [now]);
  await tx.query(
    `insert into login_flows (state_digest, connector, redirect_path, secret, expires_at) values ($1, $2, $3, $4, $5)`,
    [stateDigest, flow.connector, flow.redirectPath, JSON.stringify(flow.secret), expiresAt],
  );
}

/** Ends the flow, which can be done once. @returns undefined when it is unknown, ended or too old. */
export async function takeLoginFlow(tx: Tx, stateDigest: string, now: Date): Promise<LoginFlowRow | undefined> {
  const [flow] = await tx.query<LoginFlowRow & { expiresAt: Date }>(
    `delete from login_flows where state_digest = $1
     returning connector, redirect_path as "redirectPath", secret, expires_at as "expiresAt"`,
    [stateDigest],
  );
  return flow && flow.expiresAt > now ? flow : undefined;
}
