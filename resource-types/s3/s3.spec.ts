import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { parseInput } from '../../src/resources/parse-input.js';
import { silentServer } from '../../test/support/git-sandbox.js';
import { describeResourceTypeContract, stepContext } from '../../test/support/resource-type-contract.js';
import { enableVersions, hasMoto, startMoto, startS3Server, type S3Server } from '../../test/support/s3-server.js';
import { s3 } from './index.js';

let server: S3Server;
let client: S3Client;
let bucket: string;
let dir: string;
let count = 0;

const write = async (Key: string, Body: string | Buffer) =>
  (await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body }))).VersionId;
const text = (name: string) => readFileSync(join(dir, name), 'utf8');
const sourceOf = (more: Record<string, unknown>) =>
  parseInput(s3.schema.source, { bucket, ...server.access, ...more }, 'source');
const check = (more: Record<string, unknown>, version?: Record<string, string>) =>
  s3.check(stepContext(dir), { source: sourceOf(more), ...(version && { version }) });
const get = (more: Record<string, unknown>, version: Record<string, string>, params: Record<string, unknown> = {}) =>
  s3.get(stepContext(join(dir, '..', `cache-${count}`)), {
    source: sourceOf(more),
    params: parseInput(s3.schema.getParams, params, 'params'),
    version,
    dir,
  });
const put = (more: Record<string, unknown>, params: Record<string, unknown>, context = {}) =>
  s3.put(
    { ...stepContext(dir), ...context },
    {
      source: sourceOf(more),
      params: parseInput(s3.schema.putParams, params, 'params'),
      dir,
    },
  );

async function openBucket(): Promise<void> {
  bucket = `bucket-${++count}`;
  await server.createBucket(bucket);
}

function useServer(start: () => Promise<S3Server>): void {
  beforeAll(async () => {
    server = await start();
    client = server.client();
  });
  afterAll(async () => {
    client.destroy();
    await server.close();
  });
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'weir-test-s3-'));
    await openBucket();
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
}

const regexp = 'app/app-(.*)\\.tgz';

describe('s3 by regexp', () => {
  useServer(startS3Server);

  describeResourceTypeContract({
    type: s3,
    source: async () => {
      await write('app/app-1.0.0.tgz', 'one');
      return { bucket, ...server.access, regexp };
    },
    advance: async () => void (await write(`app/app-1.${++count}.0.tgz`, `text ${count}`)),
    preparePut: async (folder) => {
      mkdirSync(join(folder, 'out'));
      writeFileSync(join(folder, 'out', 'app-99.0.0.tgz'), 'new');
      return { file: 'out/app-*.tgz' };
    },
    hang: async () => {
      const silent = await silentServer();
      let isConnected = false;
      void silent.connected.then(() => (isConnected = true));
      const marker = `127.0.0.1:${silent.port}`;
      return {
        source: { bucket, ...server.access, endpoint: `http://${marker}`, regexp },
        marker,
        isStarted: () => isConnected,
        close: () => silent.close(),
      };
    },
  });

  it('orders by number over all pages', async () => {
    for (const patch of [9, 10, 2]) await write(`app/app-1.0.${patch}.tgz`, '');
    await write('app/app-latest.tgz', '');
    await write('other/app-9.0.0.tgz', '');
    expect(await check({ regexp })).toEqual([{ path: 'app/app-1.0.10.tgz' }]);
    expect(await check({ regexp }, { path: 'app/app-1.0.9.tgz' })).toEqual([
      { path: 'app/app-1.0.9.tgz' },
      { path: 'app/app-1.0.10.tgz' },
    ]);
    // Deleted meanwhile.
    expect(await check({ regexp }, { path: 'app/app-1.0.3.tgz' })).toHaveLength(2);
  });

  it('gives an initial version until there is an object', async () => {
    const more = { regexp, initial_path: 'app/app-0.0.0.tgz', initial_content_text: 'nothing yet' };
    expect(await check(more)).toEqual([{ path: 'app/app-0.0.0.tgz' }]);
    await get(more, { path: 'app/app-0.0.0.tgz' }, { unpack: true });
    expect([text('app-0.0.0.tgz'), text('version')]).toEqual(['nothing yet', '0.0.0']);
    await write('app/app-1.0.0.tgz', '');
    expect(await check(more, { path: 'app/app-0.0.0.tgz' })).toEqual([
      { path: 'app/app-0.0.0.tgz' },
      { path: 'app/app-1.0.0.tgz' },
    ]);
  });

  it('writes the object, its version and where it is', async () => {
    await write('app/app-1.0.0.tgz', 'bytes');
    const { metadata } = await get({ regexp }, { path: 'app/app-1.0.0.tgz' });
    expect(readdirSync(dir).toSorted()).toEqual(['app-1.0.0.tgz', 's3_uri', 'url', 'version']);
    expect([text('app-1.0.0.tgz'), text('version')]).toEqual(['bytes', '1.0.0']);
    expect(text('s3_uri')).toBe(`s3://${bucket}/app/app-1.0.0.tgz`);
    expect(text('url')).toBe(`${server.endpoint}/${bucket}/app/app-1.0.0.tgz`);
    expect(metadata).toContainEqual({ name: 'url', value: text('url') });
  });

  it('signs the address of a private object, which opens it, and shows it to nobody else', async () => {
    await write('app/app-1.0.0.tgz', 'bytes');
    const result = await get({ regexp, private: true }, { path: 'app/app-1.0.0.tgz' }, { skip_download: 'true' });
    expect(readdirSync(dir)).not.toContain('app-1.0.0.tgz');
    expect(text('url')).toContain('X-Amz-Signature=');
    expect(await (await fetch(text('url'))).text()).toBe('bytes');
    expect(JSON.stringify(result)).not.toContain('Signature');
  });

  it('unpacks tar, gzip and zip files', async () => {
    mkdirSync(join(dir, 'in', 'folder'), { recursive: true });
    writeFileSync(join(dir, 'in', 'folder', 'file'), 'packed');
    const archive = join(dir, 'in.tgz');
    execFileSync('tar', ['-czf', archive, '-C', join(dir, 'in'), 'folder']);
    await write('app/app-1.tgz', readFileSync(archive));
    await write('app/app-2.tgz', gzipSync('plain'));
    // A stored (uncompressed) zip of `folder/file`, as every zip program writes it.
    await write('app/app-3.tgz', zipOf('folder/file', 'packed'));
    await write('app/app-4.tgz', zipOf('../out', 'packed'));
    await write('app/app-5.tgz', 'neither');
    rmSync(join(dir, 'in'), { recursive: true });
    for (const path of ['app/app-1.tgz', 'app/app-3.tgz']) {
      await get({ regexp }, { path }, { unpack: true });
      expect(text('folder/file')).toBe('packed');
      rmSync(join(dir, 'folder'), { recursive: true });
    }
    await get({ regexp: 'app/app-(.*).tgz' }, { path: 'app/app-2.tgz' }, { unpack: true });
    expect(text('app-2.tgz')).toBe('plain');
    await expect(get({ regexp }, { path: 'app/app-4.tgz' }, { unpack: true })).rejects.toThrow(
      'cannot be read: invalid relative path',
    );
    await expect(get({ regexp }, { path: 'app/app-5.tgz' }, { unpack: true })).rejects.toThrow(
      'is no tar, gzip or zip file',
    );
  });

  it('puts a big file in parts, with its content type', async () => {
    writeFileSync(join(dir, 'app-1.0.0.tgz'), Buffer.alloc(9 * 1024 * 1024, 'x'));
    await put({ regexp }, { file: 'app-*.tgz', content_type: 'application/x-test' });
    const Key = 'app/app-1.0.0.tgz';
    const head = await client.send(new HeadObjectCommand({ Bucket: bucket, Key }));
    expect(head).toMatchObject({ ContentLength: 9 * 1024 * 1024, ContentType: 'application/x-test' });
    writeFileSync(join(dir, 'app-1.0.0.tgz'), 'small');
    await put({ regexp, disable_multipart: true }, { file: 'app-1.0.0.tgz' });
    const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key }));
    expect(await Body!.transformToString()).toBe('small');
  });

  it('says no to several files, to none, and to one that check would not find', async () => {
    for (const name of ['app-1.tgz', 'app-2.tgz', 'other']) writeFileSync(join(dir, name), '');
    await expect(put({ regexp }, { file: 'app-*' })).rejects.toThrow('must match one file, not app-1.tgz, app-2.tgz');
    await expect(put({ regexp }, { file: 'x*' })).rejects.toThrow("matches 'x*'");
    await expect(put({ regexp }, { file: 'other' })).rejects.toThrow("'app/other' does not match regexp");
    await expect(put({ regexp: 'a/(.*)/b' }, { file: 'other' })).rejects.toThrow('regexp leaves the folder open');
  });

  it('says what the server says, and no secret', async () => {
    await expect(check({ regexp, bucket: 'none' })).rejects.toThrow(/^S3 answers 404 NoSuchBucket/);
    const wrong = { regexp, access_key_id: 'unknown', secret_access_key: 'very-secret' };
    const failure: Error = await check(wrong).then(
      () => new Error('none'),
      (error: Error) => error,
    );
    expect(failure).toMatchObject({ name: 'ResourceFailure', message: expect.stringMatching(/^S3 answers 403 /) });
    expect(failure.message).not.toContain('very-secret');
    const gone = { regexp, endpoint: 'http://127.0.0.1:1' };
    await expect(check(gone)).rejects.toThrow(/^cannot reach http:\/\/127\.0\.0\.1:1/);
  });
});

if (!hasMoto) console.warn('skipped: versions of one S3 object, for want of moto (see test/support/s3-server.ts)');
(hasMoto ? describe : describe.skip)('s3 by versions of one file (needs moto)', () => {
  useServer(startMoto);
  beforeEach(() => enableVersions(server, bucket));
  const file = { versioned_file: 'app/app.tgz' };

  describeResourceTypeContract({
    // The suite repeats a put as a server does after a crash: as the same step.
    type: {
      ...s3,
      put: (context, request) => s3.put({ ...context, stepId: request.dir }, request as never),
    },
    source: async () => {
      await write('app/app.tgz', 'one');
      return { bucket, ...server.access, ...file };
    },
    advance: async () => void (await write('app/app.tgz', `text ${++count}`)),
    preparePut: async (folder) => {
      writeFileSync(join(folder, 'new'), 'new');
      return { file: 'new' };
    },
  });

  it('gives versions of this object alone, and gets the asked one', async () => {
    const [one, two] = [await write('app/app.tgz', 'one'), await write('app/app.tgz', 'two')];
    await write('app/app.tgz.sha', 'other');
    expect(await check(file)).toEqual([{ version_id: two }]);
    expect(await check(file, { version_id: one! })).toEqual([{ version_id: one }, { version_id: two }]);
    expect(await check(file, { version_id: 'gone' })).toEqual([{ version_id: two }]);
    await get(file, { version_id: one! }, { download_tags: true });
    expect([text('app.tgz'), text('version'), text('tags.json')]).toEqual(['one', one, '{}']);
  });

  it('gives an initial version', async () => {
    const more = { ...file, initial_version: 'first', initial_content_binary: 'aGk=' };
    expect(await check(more)).toEqual([{ version_id: 'first' }]);
    await get(more, { version_id: 'first' });
    expect(text('app.tgz')).toBe('hi');
    const one = await write('app/app.tgz', 'one');
    expect(await check(more, { version_id: 'first' })).toEqual([{ version_id: 'first' }, { version_id: one }]);
  });

  it('makes one version for one step, however often it is repeated', async () => {
    writeFileSync(join(dir, 'new'), 'new');
    const first = await put(file, { file: 'new' }, { stepId: 'b1-s1' });
    expect(await put(file, { file: 'new' }, { stepId: 'b1-s1' })).toEqual(first);
    expect(await put(file, { file: 'new' }, { stepId: 'b1-s2' })).not.toEqual(first);
  });

  it('sends a big file in parts, or in one piece if it must', async () => {
    writeFileSync(join(dir, 'big'), Buffer.alloc(9 * 1024 * 1024, 'x'));
    const etag = async () => (await client.send(new HeadObjectCommand({ Bucket: bucket, Key: 'app/app.tgz' }))).ETag;
    await put(file, { file: 'big' });
    expect(await etag()).toMatch(/-2"$/);
    await put({ ...file, disable_multipart: true }, { file: 'big' });
    expect(await etag()).not.toContain('-');
  });

  it('says no to a bucket without versions', async () => {
    await openBucket();
    await write('app/app.tgz', 'one');
    await expect(check(file)).rejects.toThrow('keeps no versions of objects');
  });

  it('assumes a role', async () => {
    await write('app/app.tgz', 'one');
    expect(await check({ ...file, aws_role_arn: 'arn:aws:iam::123456789012:role/reader' })).toHaveLength(1);
  });
});

describe('s3 refuses', () => {
  const good = { bucket: 'bucket', regexp };
  it.each([
    [{ regexp: undefined }, 'source: regexp: is missing, unless versioned_file is given'],
    [{ versioned_file: 'x' }, 'source: regexp: cannot be combined with versioned_file'],
    [{ regexp: 'app.tgz' }, 'source: regexp: is not a regular expression with a group'],
    [{ initial_path: 'other' }, 'source: initial_path: does not match regexp'],
    [{ initial_version: 'x' }, 'source: initial_version: needs versioned_file'],
    [{ initial_content_text: 'x' }, 'source: initial_content_text: needs initial_path or initial_version'],
    [{ access_key_id: 'x' }, 'source: secret_access_key: is missing'],
    [{ endpoint: 'https://a:b@example.test' }, 'source: endpoint: is not an address'],
    [{ enable_aws_creds_provider: true }, "the server's own cloud identity is not lent to pipelines"],
    [{ use_v2_signing: true }, 'source: use_v2_signing: is not supported'],
    [{ cloudfront_url: 'https://x' }, 'source: cloudfront_url: is not supported'],
    [{ bucket: '../x' }, 'source: bucket: is not the name of a bucket'],
  ])('%j', (more, message) => {
    expect(() => parseInput(s3.schema.source, { ...good, ...more }, 'source')).toThrow(message);
  });
});

/** A zip file with one stored entry. */
function zipOf(name: string, content: string): Buffer {
  const crc = crc32(Buffer.from(content));
  const sizes = [crc, content.length, content.length];
  const local = Buffer.alloc(30);
  local.writeUInt32LE(0x04034b50, 0);
  local.writeUInt16LE(20, 4);
  sizes.forEach((value, index) => local.writeUInt32LE(value, 14 + 4 * index));
  local.writeUInt16LE(name.length, 26);
  const central = Buffer.alloc(46);
  central.writeUInt32LE(0x02014b50, 0);
  central.writeUInt16LE(20, 4);
  central.writeUInt16LE(20, 6);
  sizes.forEach((value, index) => central.writeUInt32LE(value, 16 + 4 * index));
  central.writeUInt16LE(name.length, 28);
  const head = Buffer.concat([local, Buffer.from(name), Buffer.from(content)]);
  const directory = Buffer.concat([central, Buffer.from(name)]);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(head.length, 16);
  return Buffer.concat([head, directory, end]);
}

function crc32(bytes: Buffer): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
