import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { VaultSource, type VaultConfig } from '../../src/credentials/sources/vault.js';
import { HttpDouble, selfSigned } from '../support/http-double.js';
import { VaultDouble } from '../support/secret-doubles.js';
import { readerOf } from '../support/secret-source-contract.js';

const OWNER = { teamName: 'main', pipelineName: 'web' };
const LOGIN = '/v1/auth/approle/login';
const APPROLE = { auth_backend: 'approle', auth_params: { role_id: 'ci', secret_id: 'approle-secret' } };
let nowMs: number;
let vault: VaultDouble;
const clock = { now: () => new Date(nowMs), random: () => 0 };
beforeEach(async () => {
  nowMs = 0;
  vault = await new VaultDouble(() => nowMs).start();
  vault.logins.set(LOGIN, APPROLE.auth_params);
  vault.secrets.set('concourse/main/key', { value: 'found' });
});
afterEach(() => vault.stop());

const open = (config: Partial<VaultConfig>, owner: 'pipeline' | 'server' = 'pipeline') =>
  new VaultSource({ url: vault.url, ...config }, owner, 500, clock);
const find = async (source: VaultSource, name = 'key') => (await readerOf(source).find(name, OWNER))?.value;

describe('a session of Vault', () => {
  it.each<[string, string, Record<string, string>]>([
    ['approle', LOGIN, { role_id: 'ci', secret_id: 'approle-secret' }],
    ['userpass', '/v1/auth/userpass/login/ann%20b', { username: 'ann b', password: 'word' }],
    ['ldap', '/v1/auth/ldap/login/ann', { username: 'ann', password: 'word' }],
    ['cert', '/v1/auth/cert/login', { name: 'web' }],
    ['kubernetes', '/v1/auth/kubernetes/login', { role: 'ci', jwt: 'pod-token' }],
    ['team/approle', '/v1/auth/team/approle/login', { role_id: 'ci' }],
  ])('begins with one login by %s for many reads', async (backend, path, params) => {
    vault.logins.set(path, params);
    const source = open({ auth_backend: backend, auth_params: params });
    expect(await Promise.all([find(source), find(source), find(source)])).toEqual(['found', 'found', 'found']);
    expect(vault.asked(path)).toBe(1);
  });

  it('is renewed after half of its time, and begun anew when it can be no more', async () => {
    const source = open(APPROLE);
    await find(source);
    for (nowMs = 60_000; nowMs < 1_800_000; nowMs += 60_000) {
      await source.keepAlive();
      expect(await find(source)).toBe('found');
    }
    expect(vault.asked('/v1/auth/token/renew-self')).toBeGreaterThan(1);
    expect(vault.asked('/v1/auth/token/renew-self')).toBeLessThan(10);
    expect(vault.asked(LOGIN)).toBeGreaterThan(1);
    expect(vault.asked(LOGIN)).toBeLessThan(4);
  });

  it('is begun anew after auth_max_ttl, and when its token ended unseen', async () => {
    const source = open({ ...APPROLE, auth_max_ttl: '1m' });
    await find(source);
    nowMs = 60_000;
    await find(source);
    expect(vault.asked(LOGIN)).toBe(2);
    vault.tokens.clear(); // revoked
    expect(await find(source)).toBe('found');
    expect(vault.asked(LOGIN)).toBe(3);
  });

  it('goes on with its token while Vault does not renew', async () => {
    const source = open(APPROLE);
    await find(source);
    nowMs = 300_000;
    vault.troubles.push({ status: 503 });
    expect(await find(source)).toBe('found');
    expect(vault.asked(LOGIN)).toBe(1);
  });

  it('that is refused is not tried again at once, but later and less and less often', async () => {
    const source = open({ ...APPROLE, auth_params: { role_id: 'ci', secret_id: 'wrong-secret' } });
    const why = `refuses the login by approle (400: invalid credentials) (looked at concourse/main/web/key)`;
    for (nowMs = 0; nowMs < 60_000; nowMs += 500) await expect(find(source)).rejects.toThrow(why);
    expect(vault.asked(LOGIN)).toBe(6); // at 0, 1, 3, 7, 15 and 31 s
    vault.logins.set(LOGIN, { secret_id: 'wrong-secret' });
    nowMs = 64_000;
    expect(await find(source)).toBe('found');
  });

  it('with a given token renews it and says when it is good no more', async () => {
    vault.grant('s.given');
    const source = open({ client_token: 's.given' });
    await find(source);
    nowMs = 300_000;
    await source.keepAlive();
    expect(vault.asked('/v1/auth/token/renew-self')).toBe(1);
    vault.tokens.clear();
    await expect(find(source)).rejects.toThrow('403: permission denied; invalid token');
  });
});

describe('places in Vault', () => {
  it('are those of the templates, the shared path, and for a pipeline the prefix itself', () => {
    const config = {
      ...APPROLE,
      path_prefix: '/kv',
      lookup_templates: ['/{{.Pipeline}}/x/{{ .Secret }}'],
      shared_path: 'all',
    };
    expect(open(config).places('key', OWNER)).toEqual(['kv/web/x/key', 'kv/all/key', 'kv/key']);
    expect(open(config, 'server').places('a/key', { teamName: 'main' })).toEqual(['kv/all/a/key']);
  });

  it('are read in the namespace', async () => {
    await find(open({ ...APPROLE, namespace: 'ns1' }));
    expect(new Set(vault.seen.map(({ headers }) => headers['x-vault-namespace']))).toEqual(new Set(['ns1']));
  });

  it('keep a leased value no longer than half of its lease', async () => {
    vault.leaseOfSecrets = 20;
    const reader = readerOf(open(APPROLE), { secretCacheMs: 3_600_000 }, clock);
    await reader.find('key', OWNER);
    vault.secrets.set('concourse/main/key', { value: 'next' });
    nowMs = 9_999;
    expect((await reader.find('key', OWNER))?.value).toBe('found');
    nowMs = 10_000;
    expect((await reader.find('key', OWNER))?.value).toBe('next');
  });
});

const tls = selfSigned();
(tls ? describe : describe.skip)('Vault with TLS', () => {
  it('is believed by its certificate, or when nobody looks', async () => {
    const secure = await new VaultDouble(() => nowMs).start(tls);
    secure.grant('s.t');
    secure.secrets.set('concourse/main/key', { value: 'safe' });
    const at = (more: Partial<VaultConfig>) => open({ url: secure.url, client_token: 's.t', ...more });
    try {
      await expect(find(at({}))).rejects.toThrow(/cannot be reached: DEPTH_ZERO_SELF_SIGNED_CERT/);
      expect(await find(at({ ca_cert: tls!.cert }))).toBe('safe');
      expect(await find(at({ insecure_skip_verify: true }))).toBe('safe');
      await expect(find(at({ ca_cert: tls!.cert, server_name: 'other' }))).rejects.toThrow(
        'ERR_TLS_CERT_ALTNAME_INVALID',
      );
    } finally {
      await secure.stop();
    }
  });

  it('does not send its token on to a place without TLS', async () => {
    const plain = await HttpDouble.start(() => ({ body: '{}' }));
    const secure = await HttpDouble.start(() => ({ status: 307, headers: { location: `${plain.url}/v1/x` } }), tls);
    try {
      const source = open({ url: secure.url, client_token: 's.t', ca_cert: tls!.cert });
      await expect(find(source)).rejects.toThrow('redirects to where it may not');
      expect(plain.seen).toEqual([]);
    } finally {
      await plain.stop();
      await secure.stop();
    }
  });
});
