import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { parseInput } from '../../src/resources/parse-input.js';
import { silentServer } from '../../test/support/git-sandbox.js';
import { describeResourceTypeContract, stepContext } from '../../test/support/resource-type-contract.js';
import { http } from './index.js';

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** A server whose answers a test chooses, and that remembers what it was asked. */
class Site {
  readonly seen: Seen[] = [];
  answer: (request: Seen, response: ServerResponse) => void = (_request, response) => void response.end();
  private server!: Server;

  async start(): Promise<this> {
    this.server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { method = '', url = '', headers } = request;
        const seen = { method, url, headers, body: Buffer.concat(chunks).toString() };
        this.seen.push(seen);
        this.answer(seen, response);
      });
    });
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

let site: Site;
let other: Site;
let dir: string;
beforeAll(async () => {
  site = await new Site().start();
  other = await new Site().start();
});
afterAll(async () => {
  await site.stop();
  await other.stop();
});
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'weir-test-http-'));
  site.seen.length = 0;
  other.seen.length = 0;
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Serves one document that changes and can be replaced. */
function serveDocument(headersOf: (count: number) => Record<string, string>): { change(): void } {
  let text = 'one';
  let count = 1;
  const change = (to = `text ${count + 1}`) => {
    count++;
    text = to;
  };
  site.answer = ({ method, body }, response) => {
    if (method === 'PUT') change(body);
    response.writeHead(200, { ...headersOf(count), 'x-request-id': String(Math.random()) });
    response.end(
      headersOf(0)['content-type'] === 'application/json' ? JSON.stringify({ a: [{ 'x/y': count }] }) : text,
    );
  };
  return { change };
}

const kinds: Record<string, { more: object; headers: (count: number) => Record<string, string> }> = {
  'an ETag': { more: {}, headers: (count) => ({ etag: `"${count}"` }) },
  'Last-Modified': { more: {}, headers: (count) => ({ 'last-modified': `Sat, 21 Nov 2026 18:00:0${count} GMT` }) },
  'the SHA-256': { more: {}, headers: () => ({}) },
  'a JSON field': { more: { json_pointer: '/a/0/x~1y' }, headers: () => ({ 'content-type': 'application/json' }) },
};

describe.each(Object.entries(kinds))('http by %s', (_name, { more, headers }) => {
  let document: { change(): void };
  describeResourceTypeContract({
    type: http,
    source: async () => {
      document = serveDocument(headers);
      return { url: `${site.origin}/document?key=1`, ...more };
    },
    advance: async () => document.change(),
    preparePut: async (folder) => {
      writeFileSync(join(folder, 'new'), 'put');
      return more === kinds['the SHA-256']!.more ? { method: 'PUT', file: 'new' } : { method: 'GET' };
    },
    hang: async () => {
      const server = await silentServer();
      let isConnected = false;
      void server.connected.then(() => (isConnected = true));
      return {
        source: { url: `http://127.0.0.1:${server.port}/` },
        marker: `127.0.0.1:${server.port}`,
        isStarted: () => isConnected,
        close: () => server.close(),
      };
    },
  });
});

const sourceOf = (more: Record<string, unknown> = {}) =>
  parseInput(http.schema.source, { url: `${site.origin}/x`, ...more }, 'source');
const check = (more = {}, version?: Record<string, string>) =>
  http.check(stepContext(join(dir, 'cache')), { source: sourceOf(more), ...(version && { version }) });
const put = (
  params: Record<string, unknown>,
  more: Record<string, unknown> = {},
  context = stepContext(join(dir, 'cache')),
) =>
  http.put(context, {
    source: sourceOf({ put_only: true, ...more }),
    params: parseInput(http.schema.putParams, params, 'params'),
    dir,
  });

describe('http check', () => {
  it('follows redirects and tells no header of the source to another host', async () => {
    site.answer = (_request, response) => void response.writeHead(302, { location: `${other.origin}/y` }).end();
    other.answer = (_request, response) => void response.writeHead(200, { etag: '"1"' }).end();
    const more = { headers: { 'X-Api-Key': 'secret-1' }, username: 'ada', password: 'secret-2' };
    expect(await check(more)).toEqual([{ etag: '"1"' }]);
    expect(site.seen[0]?.headers).toMatchObject({
      'x-api-key': 'secret-1',
      authorization: `Basic ${Buffer.from('ada:secret-2').toString('base64')}`,
    });
    expect(JSON.stringify(other.seen[0]?.headers)).not.toMatch(/api-key|authorization|secret/i);
  });

  it.each(['file:///etc/passwd', 'ftp://example.test/x'])('does not follow a redirect to %s', async (location) => {
    site.answer = (_request, response) => void response.writeHead(302, { location }).end();
    await expect(check()).rejects.toThrow('redirects to');
  });

  it('says no to an endless redirect, and to an answer that is an error', async () => {
    site.answer = (_request, response) => void response.writeHead(302, { location: '/x' }).end();
    await expect(check()).rejects.toThrow('redirects again and again');
    site.answer = (_request, response) => void response.writeHead(404).end('no');
    await expect(check({ url: `${site.origin}/x?token=secret` })).rejects.toThrow(/^127\.0\.0\.1:\d+\/x answers 404$/);
  });

  it('says no to a body that is too long, and reads no more of it', async () => {
    site.answer = (_request, response) => {
      const flood = () => {
        while (response.writable && response.write(Buffer.alloc(65536)));
      };
      response.on('drain', flood);
      flood();
    };
    await expect(check({ max_bytes: 100_000 })).rejects.toThrow('is longer than 100000 bytes');
  });

  it('gives up when the time of the source is over', async () => {
    site.answer = () => undefined;
    await expect(check({ timeout: '100ms' })).rejects.toThrow(/\/x took longer than 100ms$/);
  });

  it('says what is missing when the asked kind of version is not there', async () => {
    site.answer = (_request, response) => void response.end('{"a":{}}');
    await expect(check({ version_from: 'etag' })).rejects.toThrow('gives no ETag');
    await expect(check({ version_from: 'last_modified' })).rejects.toThrow('gives no Last-Modified');
    await expect(check({ json_pointer: '/a' })).rejects.toThrow('json_pointer: there is no single value at "/a"');
    await expect(check({ json_pointer: '/__proto__/x' })).rejects.toThrow('there is no single value');
    site.answer = (_request, response) => void response.end('<html>');
    await expect(check({ json_pointer: '/a' })).rejects.toThrow('is not JSON');
  });

  it('finds nothing at a URL that is only for puts', async () => {
    expect(await check({ put_only: true })).toEqual([]);
    expect(site.seen).toHaveLength(0);
  });
});

describe('http get', () => {
  const get = (version: Record<string, string>, params = {}, more = {}) =>
    http.get(stepContext(join(dir, 'cache')), { source: sourceOf(more), params, version, dir });

  it('writes the body and the headers that are not secret', async () => {
    const headers = { etag: '"1"', 'set-cookie': 'secret', 'content-type': 'text/plain' };
    site.answer = (_request, response) => void response.writeHead(200, headers).end('hello');
    const { metadata } = await get({ etag: '"1"' }, { filename: 'page.txt' }, { url: `${site.origin}/x?key=secret` });
    expect(metadata).toContainEqual({ name: 'url', value: `${site.origin}/x` });
    expect(readFileSync(join(dir, 'page.txt'), 'utf8')).toBe('hello');
    const written = JSON.parse(readFileSync(join(dir, 'headers.json'), 'utf8')) as Record<string, string>;
    expect(Object.keys(written)).not.toContain('set-cookie');
    expect(written).toMatchObject({ etag: '"1"', 'content-type': 'text/plain' });
  });

  it('says no when the URL has another version now, and leaves nothing of it', async () => {
    site.answer = (_request, response) => void response.writeHead(200, { etag: '"2"' }).end('hello');
    await expect(get({ etag: '"1"' })).rejects.toThrow('has no version {"etag":"\\"1\\""} any more');
    expect(readdirSync(dir)).not.toContain('body');
  });

  it('keeps the last five versions', async () => {
    for (let count = 1; count <= 7; count++) {
      site.answer = (_request, response) => void response.writeHead(200, { etag: String(count) }).end();
      await get({ etag: String(count) });
    }
    expect(readdirSync(join(dir, 'cache', 'kept'))).toHaveLength(5);
    await get({ etag: '3' });
    await expect(get({ etag: '2' })).rejects.toThrow('any more');
  });
});

describe('http put', () => {
  it('sends the method, headers and file, and a key that tells a repetition', async () => {
    writeFileSync(join(dir, 'payload.json'), '{"a":1}');
    const context = { ...stepContext(join(dir, 'cache')), stepId: 'b1-s1-x' };
    const params = { method: 'PATCH', file: 'payload.json', headers: { 'Content-Type': 'application/json' } };
    const { version } = await put(params, { headers: { 'x-key': 'k' } }, context);
    expect(version).toEqual({ request: 'b1-s1-x' });
    expect(site.seen).toEqual([
      {
        method: 'PATCH',
        url: '/x',
        body: '{"a":1}',
        headers: expect.objectContaining({
          'x-key': 'k',
          'content-type': 'application/json',
          'content-length': '7',
          'idempotency-key': 'b1-s1-x',
        }),
      },
    ]);
  });

  it('tells nothing of the source to another host', async () => {
    other.answer = (_request, response) => void response.end();
    await put({ url: `${other.origin}/hook`, body: 'x' }, { headers: { 'x-key': 'k' }, username: 'a', password: 'b' });
    expect(JSON.stringify(other.seen[0]?.headers)).not.toMatch(/x-key|authorization/);
  });

  it('fails on an unexpected status with the beginning of the answer, and does not send a POST twice', async () => {
    site.answer = (_request, response) => void response.writeHead(503).end('down for work');
    await expect(put({ body: 'x' })).rejects.toThrow(/^POST 127\.0\.0\.1:\d+\/x answers 503: down for work$/);
    expect(site.seen).toHaveLength(1);
    await put({ body: 'x', expected_status: [503] });
    await expect(put({ body: 'x', expected_status: 201 })).rejects.toThrow('answers 503');
  });

  it('takes a redirect as the answer', async () => {
    site.answer = (_request, response) => void response.writeHead(302, { location: other.origin }).end();
    await expect(put({ body: 'x' })).rejects.toThrow('answers 302');
    expect(other.seen).toHaveLength(0);
  });

  it('does not send files from outside of its inputs', async () => {
    symlinkSync('/etc/hostname', join(dir, 'link'));
    await expect(put({ file: 'link' })).rejects.toThrow("'link' leads out of the step's inputs");
    await expect(put({ file: '../x' })).rejects.toThrow('the step');
    expect(site.seen).toHaveLength(0);
  });
});

it.each([
  [{ url: 'file:///etc/passwd' }, 'source: url: is not an http(s) address'],
  [{ url: 'https://user:secret@example.test/' }, 'source: url: holds credentials: use username and password'],
  [{ headers: { 'bad name': 'x' } }, 'is not a usable header'],
  [{ headers: { Host: 'x' } }, 'source: headers.Host: is set by the server'],
  [{ headers: { x: 'a\r\nb: c' } }, 'is not a usable header'],
  [{ json_pointer: 'a' }, 'source: json_pointer: is not a JSON pointer'],
  [{ json_pointer: '/a', version_from: 'etag' }, 'cannot be combined'],
  [{ password: 'x' }, 'source: username: is missing'],
  [{ timeout: '5' }, 'source: timeout: is not a duration'],
])('http refuses a source with %j', (more, message) => {
  expect(() => sourceOf(more)).toThrow(message);
});
