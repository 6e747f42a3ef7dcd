import { afterEach, describe, expect, it } from '@jest/globals';
import { blobOf } from '../../test/support/image-maker.js';
import { HttpDouble, selfSigned, type Answer, type SeenRequest } from '../../test/support/http-double.js';
import { stepContext } from '../../test/support/resource-type-contract.js';
import { parseChallenges } from './auth.js';
import type { RegistryOptions } from './connection.js';
import { OCI_MANIFEST, type Descriptor } from './manifest.js';
import { Registry } from './registry.js';

const login = { username: 'ada', password: 'pass:word' };
const basic = `Basic ${Buffer.from('ada:pass:word').toString('base64')}`;
const manifest = blobOf('{"schemaVersion":2}');
const content = blobOf('some bytes of a layer'.repeat(1000));
const layer: Descriptor = { mediaType: 'x', digest: content.digest, size: content.bytes.length };

const tls = selfSigned();
const itWithTls = tls === undefined ? it.skip : it;
const servers: HttpDouble[] = [];
const opened: Registry[] = [];
afterEach(async () => {
  for (const registry of opened.splice(0)) registry.close();
  for (const server of servers.splice(0)) await server.stop();
});

async function serve(
  answer: (request: SeenRequest) => Answer,
  tls?: { key: string; cert: string },
): Promise<HttpDouble> {
  const server = await HttpDouble.start(answer, tls);
  servers.push(server);
  return server;
}

function open(
  server: HttpDouble,
  more: Partial<RegistryOptions> = {},
  context = stepContext('/nonexistent'),
): Registry {
  const registry = new Registry(context, { host: server.host, name: 'team/app', ...more });
  opened.push(registry);
  return registry;
}

async function readAll(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

const giveManifest: Answer = {
  body: manifest.bytes,
  headers: { 'docker-content-digest': manifest.digest, 'content-type': OCI_MANIFEST },
};

describe('parseChallenges', () => {
  it.each([
    ['Basic realm="a b"', [{ scheme: 'basic', params: { realm: 'a b' } }]],
    [
      'Bearer realm="https://auth.test/token",service="reg",scope="repository:a/b:pull,push"',
      [
        {
          scheme: 'bearer',
          params: { realm: 'https://auth.test/token', service: 'reg', scope: 'repository:a/b:pull,push' },
        },
      ],
    ],
    [
      'Negotiate, Bearer realm="x", error=invalid_token, Basic realm="say \\"hi\\""',
      [
        { scheme: 'negotiate', params: {} },
        { scheme: 'bearer', params: { realm: 'x', error: 'invalid_token' } },
        { scheme: 'basic', params: { realm: 'say "hi"' } },
      ],
    ],
    ['', []],
  ])('reads %s', (header, expected) => {
    expect(parseChallenges(header)).toEqual(expected);
  });
});

describe('Registry with Bearer tokens', () => {
  /** A registry and its token server, which knows one user and, if `isPublic`, nobody too. */
  async function withTokens(isPublic: boolean, lifetime = Infinity) {
    let issued = 0;
    let uses = 0;
    const tokens = await serve(({ headers }) => {
      if (headers.authorization !== basic && !(isPublic && headers.authorization === undefined)) return { status: 401 };
      return { body: JSON.stringify({ token: `token-${++issued}` }) };
    });
    const registry = await serve(({ headers }) => {
      if (issued > 0 && headers.authorization === `Bearer token-${issued}` && uses++ < lifetime) return giveManifest;
      uses = 0;
      const challenge = `Bearer realm="${tokens.url}/token?extra=1",service="the registry",scope="repository:other:*"`;
      return { status: 401, headers: { 'www-authenticate': challenge } };
    });
    return { tokens, registry };
  }

  it('asks the token server for what it needs and uses the token from then on', async () => {
    const { tokens, registry } = await withTokens(false);
    const client = open(registry, { credentials: login });
    await client.manifest('latest');
    await client.manifest('latest');
    expect(
      tokens.seen.map(({ path, query, headers }) => [path, Object.fromEntries(query), headers.authorization]),
    ).toEqual([['/token', { extra: '1', service: 'the registry', scope: 'repository:team/app:pull' }, basic]]);
    expect(registry.seen.map(({ headers }) => headers.authorization)).toEqual([
      undefined,
      'Bearer token-1',
      'Bearer token-1',
    ]);
  });

  it('asks for push when it may push', async () => {
    const { tokens, registry } = await withTokens(false);
    await open(registry, { credentials: login, allowsPush: true }).manifest('latest');
    expect(tokens.seen[0]?.query.get('scope')).toBe('repository:team/app:pull,push');
  });

  it('gets a token without credentials for what is public', async () => {
    const { tokens, registry } = await withTokens(true);
    expect((await open(registry).manifest('latest')).digest).toBe(manifest.digest);
    expect(tokens.seen[0]?.headers.authorization).toBeUndefined();
  });

  it('gets a new token when the old one has run out', async () => {
    const { tokens, registry } = await withTokens(false, 2);
    const client = open(registry, { credentials: login });
    for (let time = 0; time < 5; time++) await client.manifest('latest');
    expect(tokens.seen).toHaveLength(3);
  });

  it('says who was refused, and not the password', async () => {
    const { registry } = await withTokens(false);
    const wrong = open(registry, { credentials: { username: 'eve', password: 'secret-of-eve' } });
    const error: unknown = await wrong.manifest('latest').catch((cause: unknown) => cause);
    expect(error).toMatchObject({
      name: 'ResourceFailure',
      message: expect.stringMatching(/refuses user eve \(401\)/),
    });
    expect((error as Error).stack).not.toContain('secret-of-eve');
    await expect(open(registry).manifest('latest')).rejects.toThrow(/refuses anonymous access/);
  });

  it('gives up when a fresh token is refused', async () => {
    const tokens = await serve(() => ({ body: '{"access_token":"t"}' }));
    const registry = await serve(() => ({
      status: 401,
      headers: { 'www-authenticate': `Bearer realm="${tokens.url}/"` },
    }));
    await expect(open(registry).manifest('latest')).rejects.toThrow(/refuses the credentials/);
    expect(tokens.seen).toHaveLength(1);
  });

  it('takes credentials to no other host that the token server redirects to', async () => {
    const elsewhere = await serve(() => ({ body: '{"token":"t"}' }));
    const tokens = await serve(() => ({ status: 307, headers: { location: `${elsewhere.url}/t` } }));
    const registry = await serve(({ headers }) =>
      headers.authorization === 'Bearer t'
        ? giveManifest
        : { status: 401, headers: { 'www-authenticate': `Bearer realm="${tokens.url}/"` } },
    );
    await open(registry, { credentials: login }).manifest('latest');
    expect(tokens.seen[0]?.headers.authorization).toBe(basic);
    expect(elsewhere.seen[0]?.headers.authorization).toBeUndefined();
  });
});

describe('Registry with Basic authentication', () => {
  const locked = ({ headers }: SeenRequest): Answer =>
    headers.authorization === basic
      ? giveManifest
      : { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } };

  it('sends credentials only after the challenge', async () => {
    const registry = await serve(locked);
    await open(registry, { credentials: login }).manifest('latest');
    expect(registry.seen.map(({ headers }) => headers.authorization)).toEqual([undefined, basic]);
  });

  it('says what to set when there are none', async () => {
    const registry = await serve(locked);
    await expect(open(registry).manifest('latest')).rejects.toThrow(/wants credentials: set username and password/);
  });

  it('refuses a challenge that it does not know', async () => {
    const registry = await serve(() => ({ status: 401, headers: { 'www-authenticate': 'Negotiate' } }));
    await expect(open(registry, { credentials: login }).manifest('latest')).rejects.toThrow(/not supported/);
  });
});

describe('Registry', () => {
  it('takes no credentials along to where a blob is stored, nor answers its challenge', async () => {
    const store = await serve(({ query }) =>
      query.get('signature') === 's3cret'
        ? { body: content.bytes }
        : { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } },
    );
    let target = `${store.url}/blob?signature=s3cret`;
    const registry = await serve(({ headers }) =>
      headers.authorization === basic
        ? { status: 307, headers: { location: target } }
        : { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } },
    );
    const client = open(registry, { credentials: login });
    expect(await readAll(client.blob(layer))).toBe(content.bytes.toString());
    target = `${store.url}/blob?signature=other-s3cret`;
    const error = await readAll(client.blob(layer)).catch((cause: Error) => cause);
    expect(String(error)).toMatch(/answers 401/);
    expect(String(error)).not.toContain('s3cret');
    expect(store.seen.map(({ headers }) => headers.authorization)).toEqual([undefined, undefined]);
  });

  it('goes on with a blob where the connection broke', async () => {
    const registry = await serve(({ headers }) => {
      const from = Number(/bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0);
      const body = content.bytes.subarray(from);
      return { status: from === 0 ? 200 : 206, body, ...(from < 15_000 && { breakAfter: 8000 }) };
    });
    expect(await readAll(open(registry).blob(layer))).toBe(content.bytes.toString());
    expect(registry.seen.filter(({ headers }) => headers.range !== undefined).length).toBeGreaterThan(0);
  });

  it('begins again where the store knows no ranges', async () => {
    let times = 0;
    const registry = await serve(() => ({ body: content.bytes, ...(times++ < 2 && { breakAfter: 9000 }) }));
    expect(await readAll(open(registry).blob(layer))).toBe(content.bytes.toString());
  });

  it.each([
    ['other bytes', Buffer.from(content.bytes).fill('x', 100, 101), /not what its digest/],
    ['more bytes', Buffer.concat([content.bytes, Buffer.from('x')]), /longer than/],
  ])('refuses a blob of %s', async (_title, body, message) => {
    const registry = await serve(() => ({ body }));
    await expect(readAll(open(registry).blob(layer))).rejects.toThrow(message);
    expect(registry.seen).toHaveLength(1);
  });

  it('refuses a manifest that is not what was asked for', async () => {
    const registry = await serve(() => ({ ...giveManifest, body: '{"schemaVersion":2 }' }));
    await expect(open(registry).manifest(manifest.digest)).rejects.toThrow(/not what its digest/);
    await expect(open(registry).manifest('latest')).rejects.toThrow(/not what its digest/);
  });

  it('finds a digest without HEAD where the registry tells none', async () => {
    const registry = await serve(({ method }) => (method === 'HEAD' ? { status: 405 } : { body: manifest.bytes }));
    expect(await open(registry).digestOf('latest')).toBe(manifest.digest);
  });

  it('finds no digest of what is not there', async () => {
    const registry = await serve(() => ({ status: 404 }));
    expect(await open(registry).digestOf('latest')).toBeUndefined();
    await expect(open(registry).manifest('latest')).rejects.toThrow(/there is no latest in 127/);
  });

  it('reads all pages of tags, and asks nobody else for them', async () => {
    const pages: Record<string, Answer> = {
      '': { body: '{"tags":["a","b"]}', headers: { link: '</v2/team/app/tags/list?last=b&n=2>; rel="next"' } },
      b: { body: '{"tags":["c"]}', headers: { link: '<http://elsewhere.test/v2/x?last=c>; rel="next"' } },
      c: { body: '{"tags":null}' },
    };
    const registry = await serve(({ query }) => pages[query.get('last') ?? ''] ?? { status: 500 });
    expect(await open(registry).tags()).toEqual(['a', 'b', 'c']);
    expect(registry.seen.map(({ path }) => path)).toEqual(Array(3).fill('/v2/team/app/tags/list'));
  });

  it.each([429, 500, 502, 503, 504])('tries again after %i, when the registry says so', async (status) => {
    let times = 0;
    const registry = await serve(() => (times++ < 2 ? { status, headers: { 'retry-after': '0' } } : giveManifest));
    expect((await open(registry).manifest('latest')).digest).toBe(manifest.digest);
    expect(registry.seen).toHaveLength(3);
  });

  it('waits until the date that the registry names', async () => {
    const now = new Date('2026-01-01T00:00:00Z');
    let times = 0;
    const registry = await serve(() => {
      return times++ === 0 ? { status: 429, headers: { 'retry-after': now.toUTCString() } } : giveManifest;
    });
    const context = stepContext('/nonexistent', { now: () => now });
    await open(registry, {}, context).manifest('latest');
    expect(registry.seen).toHaveLength(2);
  });

  it('does not wait for hours', async () => {
    const registry = await serve(() => ({
      status: 429,
      headers: { 'retry-after': '7200' },
      body: '{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}',
    }));
    await expect(open(registry).manifest('latest')).rejects.toThrow(/answers 429/);
    expect(registry.seen).toHaveLength(1);
  });

  it('tries again when the connection breaks', async () => {
    let times = 0;
    const registry = await serve(() => (times++ < 2 ? { ...giveManifest, breakAfter: 3 } : giveManifest));
    expect((await open(registry).manifest('latest')).digest).toBe(manifest.digest);
  });

  it('stops waiting when it is aborted', async () => {
    const stop = new AbortController();
    const registry = await serve(() => {
      setImmediate(() => stop.abort(new Error('stopped')));
      return { status: 503, headers: { 'retry-after': '50' } };
    });
    const context = stepContext('/nonexistent', { signal: stop.signal });
    await expect(open(registry, {}, context).manifest('latest')).rejects.toThrow('stopped');
  });

  it('gives the words of the registry', async () => {
    const registry = await serve(() => ({ status: 403, body: '{"errors":[{"code":"DENIED","message":"not yours"}]}' }));
    await expect(open(registry).manifest('latest')).rejects.toThrow(/cannot fetch latest in .* answers 403, not yours/);
  });

  it('names a host that is not there', async () => {
    const registry = await serve(() => giveManifest);
    const client = open(registry);
    await registry.stop();
    servers.splice(servers.indexOf(registry), 1);
    await expect(client.manifest('latest')).rejects.toThrow(/cannot reach 127\.0\.0\.1:\d+/);
  });

  itWithTls.each([
    ['to an open connection', 'http'],
    ['to a file', 'file'],
  ])('follows no redirect %s from a secured one', async (_title, scheme) => {
    const registry = await serve(
      () => ({ status: 302, headers: { location: `${scheme}://127.0.0.1/etc/passwd` } }),
      tls,
    );
    await expect(open(registry, { caCerts: [tls!.cert] }).manifest('latest')).rejects.toThrow(/not secured/);
  });

  itWithTls('trusts its own certificates only where told to', async () => {
    const registry = await serve(() => giveManifest, tls);
    expect((await open(registry, { caCerts: [tls!.cert] }).manifest('latest')).digest).toBe(manifest.digest);
    expect((await open(registry, { insecure: true }).manifest('latest')).digest).toBe(manifest.digest);
    await expect(open(registry).manifest('latest')).rejects.toThrow(/cannot reach/);
  });

  itWithTls('sends credentials to no unsecured token server of a secured registry', async () => {
    const tokens = await serve(() => ({ body: '{"token":"t"}' }));
    const challenge = { 'www-authenticate': `Bearer realm="${tokens.url}/"` };
    const registry = await serve(() => ({ status: 401, headers: challenge }), tls);
    const client = open(registry, { caCerts: [tls!.cert], credentials: login });
    await expect(client.manifest('latest')).rejects.toThrow(/token server that is not secured/);
    expect(tokens.seen).toHaveLength(0);
  });
});

describe('pushing a blob', () => {
  const body = { sizeBytes: content.bytes.length, open: async function* () { yield content.bytes; } }; // prettier-ignore

  it('uploads nothing that is there, or that the registry can take from elsewhere', async () => {
    const there = await serve(() => ({}));
    expect(await open(there).pushBlob(content.digest, body)).toBe('present');
    const mounted = await serve(({ method }) => (method === 'HEAD' ? { status: 404 } : { status: 201 }));
    expect(await open(mounted).pushBlob(content.digest, body)).toBe('present');
    expect(mounted.seen.at(-1)?.query.get('mount')).toBe(content.digest);
  });

  it('takes no credentials to another place of upload, and keeps the parameters of the place', async () => {
    const store = await serve(() => ({ status: 201 }));
    const registry = await serve(({ method, headers }) => {
      if (headers.authorization !== basic) return { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } };
      return method === 'HEAD' ? { status: 404 } : { status: 202, headers: { location: `${store.url}/up?state=1` } };
    });
    await expect(open(registry, { credentials: login }).pushBlob(content.digest, body)).rejects.toThrow(
      /unsecured place/,
    );
    expect(store.seen).toHaveLength(0);
  });

  it('begins a new upload when one breaks off', async () => {
    let uploads = 0;
    const registry = await serve(({ method }) => {
      if (method === 'HEAD') return { status: 404 };
      if (method === 'POST') return { status: 202, headers: { location: `/v2/up/${++uploads}?state=${uploads}` } };
      return { status: uploads < 3 ? 404 : 201 };
    });
    expect(await open(registry).pushBlob(content.digest, body)).toBe('pushed');
    const put = registry.seen.at(-1)!;
    expect([put.path, put.query.get('state'), put.query.get('digest')]).toEqual(['/v2/up/3', '3', content.digest]);
    expect(put.body.equals(content.bytes)).toBe(true);
    expect(put.headers['content-length']).toBe(String(content.bytes.length));
  });
});
