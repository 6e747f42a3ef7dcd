import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  jwtVerify,
  type JSONWebKeySet,
} from 'jose';
import { SigningKeys } from '../../src/credentials/signing-keys.js';
import { IdTokenSource, type IdTokenConfig } from '../../src/credentials/sources/id-token.js';
import { Settings } from '../../src/platform/index.js';
import { ApiServer } from '../support/api-server.js';
import { createTestDb, type TestDb } from '../support/test-db.js';

const ISSUER = 'https://ci.example/weir';
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
let nowMs = Date.parse('2026-01-01T00:00:00Z');
const clock = { now: () => new Date(nowMs), random: () => 0 };

let t: TestDb;
beforeAll(async () => {
  t = await createTestDb();
});
afterAll(() => t.drop());

/** The keys of one of several servers. */
const serverKeys = (): SigningKeys => new SigningKeys(t.db, new Settings({ signingKeyRotationMs: 7 * DAY_MS }), clock);
const keys = { first: serverKeys, second: serverKeys };
const owner = {
  teamName: 'main',
  pipelineName: 'web/app',
  jobName: 'deploy',
  instanceVars: { branch: 'feature/x', env: { name: 'prod', number: 3 } },
};
const tokenOf = async (config: IdTokenConfig = {}, of = owner): Promise<string> =>
  (await new IdTokenSource(config, ISSUER, keys.first(), clock).read('token', of)).value as string;
const published = async (): Promise<JSONWebKeySet> => (await keys.second().published()) as JSONWebKeySet;
const verified = (token: string, set: JSONWebKeySet) =>
  jwtVerify(token, createLocalJWKSet(set), { issuer: ISSUER, currentDate: clock.now() });

describe('an ID token', () => {
  it.each(['RS256', 'ES256'] as const)(
    'signed by %s is believed by whoever has the published keys',
    async (algorithm) => {
      const token = await tokenOf({ algorithm, audience: ['sts.example', 'other'], expires_in: '10m' });
      const { payload, protectedHeader } = await jwtVerify(token, createLocalJWKSet(await published()), {
        issuer: ISSUER,
        audience: 'sts.example',
        currentDate: clock.now(),
      });
      expect(protectedHeader.alg).toBe(algorithm);
      expect(payload).toMatchObject({
        aud: ['sts.example', 'other'],
        exp: nowMs / 1_000 + 600,
        iat: nowMs / 1_000,
        team: 'main',
        pipeline: 'web/app',
        job: 'deploy',
        instance_vars: owner.instanceVars,
      });
    },
  );

  it.each<[NonNullable<IdTokenConfig['subject_scope']> | undefined, string]>([
    ['team', 'main'],
    ['pipeline', 'main/web%2Fapp'],
    [undefined, 'main/web%2Fapp'],
    ['instance', 'main/web%2Fapp/branch:"feature%2Fx",env.name:prod,env.number:3'],
    ['job', 'main/web%2Fapp/branch:"feature%2Fx",env.name:prod,env.number:3/deploy'],
  ])('of scope %s is about %s', async (scope, subject) => {
    expect(decodeJwt(await tokenOf(scope ? { subject_scope: scope } : {})).sub).toBe(subject);
  });

  it('is another each time', async () => {
    expect(await tokenOf()).not.toBe(await tokenOf());
  });
});

describe('the keys of ID tokens', () => {
  const kidNow = async () => decodeProtectedHeader(await tokenOf()).kid;

  it('are made once, however many servers need them at once', async () => {
    await t.db.query(`delete from signing_keys`);
    const sets = await Promise.all(Array.from({ length: 6 }, () => serverKeys().published()));
    const [row] = await t.db.query<{ count: number }>(`select count(*) from signing_keys`);
    expect(row!.count).toBe(2);
    for (const set of sets) expect(set).toEqual(sets[0]);
  });

  it('that are published are public', async () => {
    for (const key of (await published()).keys) {
      for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi']) expect(key).not.toHaveProperty(secret);
    }
  });

  it('are told of an hour before they sign, and as long as a token of theirs is good', async () => {
    const first = await kidNow();
    const old = await tokenOf({ expires_in: '24h' });
    nowMs += 7 * DAY_MS - HOUR_MS;
    const announced = await published(); // what a verifier may have kept
    expect(announced.keys).toHaveLength(4);
    expect(await kidNow()).toBe(first);
    const last = await tokenOf({ expires_in: '24h' });
    nowMs += HOUR_MS;
    const next = await tokenOf();
    expect(decodeProtectedHeader(next).kid).not.toBe(first);
    await verified(next, announced);
    nowMs += 22 * HOUR_MS;
    await verified(last, await published());
    await expect(verified(old, await published())).rejects.toThrow('"exp" claim');
    nowMs += 7 * DAY_MS;
    expect((await published()).keys.map(({ kid }) => kid)).not.toContain(first);
  });
});

describe('the open routes', () => {
  let server: ApiServer;
  beforeAll(async () => {
    server = await ApiServer.start();
  });
  afterAll(() => server.stop());

  it('let a stranger verify a token that the server gave to a pipeline', async () => {
    const config = (await (await fetch(`${server.url}/.well-known/openid-configuration`)).json()) as Record<
      string,
      string
    >;
    expect(config).toMatchObject({ issuer: ISSUER, jwks_uri: `${ISSUER}/.well-known/jwks.json` });
    const team = { teamName: 'main', pipelineName: 'p' };
    const token = (
      await new IdTokenSource({ audience: ['cloud'] }, ISSUER, server.app.get(SigningKeys), {
        now: () => new Date(),
        random: () => 0,
      }).read('token', team)
    ).value as string;
    const remote = createRemoteJWKSet(new URL(`${server.url}/.well-known/jwks.json`));
    expect((await jwtVerify(token, remote, { issuer: ISSUER, audience: 'cloud' })).payload.sub).toBe('main/p');
    expect([...server.untrue]).toEqual([]);
  });
});
