import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { parseInput } from '../../src/resources/parse-input.js';
import { GitSandbox, silentServer } from '../../test/support/git-sandbox.js';
import { describeResourceTypeContract, stepContext } from '../../test/support/resource-type-contract.js';
import { hasMoto, startMoto, startS3Server, type S3Server } from '../../test/support/s3-server.js';
import { FOLDER_VARIABLE } from './file-store.js';
import { semver } from './index.js';

let sandbox: GitSandbox;
let folder: string;
let count = 0;
const before = process.env[FOLDER_VARIABLE];
beforeAll(() => {
  sandbox = new GitSandbox();
  folder = sandbox.folder('numbers-');
  process.env[FOLDER_VARIABLE] = folder;
});
afterAll(() => {
  if (before === undefined) delete process.env[FOLDER_VARIABLE];
  else process.env[FOLDER_VARIABLE] = before;
  sandbox.remove();
});

/** A way to keep the number, prepared in the outside world. */
interface Store {
  readonly source: Record<string, unknown>;
  write(number: string): Promise<void> | void;
  read(): Promise<string> | string;
}

function gitStore(): Store {
  const remote = sandbox.remote(`remote-${++count}.git`);
  return {
    source: { driver: 'git', uri: `file://${remote}`, branch: 'main', file: 'ci/version' },
    write: (number) => void sandbox.push(remote, { 'ci/version': `${number}\n` }, 'by hand'),
    read: () => sandbox.git(remote, 'show', 'main:ci/version'),
  };
}

function fileStore(): Store {
  const file = `app-${++count}/version`;
  return {
    source: { driver: 'file', file },
    write: (number) => {
      mkdirSync(join(folder, `app-${count}`), { recursive: true });
      writeFileSync(join(folder, file), number);
    },
    read: () => readFileSync(join(folder, file), 'utf8').trim(),
  };
}

async function s3Store(server: S3Server): Promise<Store> {
  const [bucket, key] = [`numbers-${++count}`, 'app/version'];
  await server.createBucket(bucket);
  const client = server.client();
  return {
    source: { driver: 's3', bucket, key, ...server.access },
    write: async (Body) => void (await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body }))),
    read: async () => (await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }))).Body!.transformToString(),
  };
}

function describeContract(open: () => Store | Promise<Store>): void {
  let store: Store;
  let minor = 0;
  describeResourceTypeContract({
    type: semver,
    source: async () => (store = await open()).source,
    advance: async () => store.write(`1.${++minor}.0`),
    preparePut: async (dir) => {
      writeFileSync(join(dir, 'number'), '77.0.0\n');
      return { file: 'number' };
    },
    ...(open === gitStore && {
      hang: async () => {
        const server = await silentServer();
        let isConnected = false;
        void server.connected.then(() => (isConnected = true));
        const marker = `127.0.0.1:${server.port}`;
        return {
          source: { driver: 'git', uri: `http://${marker}/x.git`, branch: 'main', file: 'version' },
          marker,
          isStarted: () => isConnected,
          close: () => server.close(),
        };
      },
    }),
  });
}

function describeDriver(open: () => Store | Promise<Store>, options: { readonly swaps: boolean }): void {
  let store: Store;
  let dir: string;
  beforeEach(async () => {
    store = await open();
    dir = mkdtempSync(join(tmpdir(), 'weir-test-semver-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const context = (stepId?: string) => ({
    ...stepContext(join(dir, 'cache')),
    ...(stepId !== undefined && { stepId }),
  });
  const source = (more: Record<string, unknown> = {}) =>
    parseInput(semver.schema.source, { ...store.source, ...more }, 'source');
  const put = async (params: Record<string, unknown>, stepId?: string) => {
    const parsed = parseInput(semver.schema.putParams, params, 'params');
    const { version } = await semver.put(context(stepId), { source: source(), params: parsed, dir });
    return version['number'];
  };
  const check = (number?: string, more = {}) =>
    semver.check(context(), { source: source(more), ...(number !== undefined && { version: { number } }) });

  it('gives the initial version while there is none, and bumps from it', async () => {
    expect(await check()).toEqual([{ number: '0.0.0' }]);
    expect(await check(undefined, { initial_version: '3.0.0-rc.1' })).toEqual([{ number: '3.0.0-rc.1' }]);
    expect(await put({ bump: 'minor', pre: 'rc' })).toBe('0.1.0-rc.1');
    expect(await store.read()).toBe('0.1.0-rc.1');
  });

  it('finds a higher number and no lower one', async () => {
    await store.write('1.10.0');
    expect(await check('1.9.0')).toEqual([{ number: '1.9.0' }, { number: '1.10.0' }]);
    expect(await check('1.10.0')).toEqual([{ number: '1.10.0' }]);
    expect(await check('2.0.0')).toEqual([]);
    expect(await put({ get_latest: true })).toBe('1.10.0');
  });

  it('says no to what is no number', async () => {
    await store.write('latest');
    await expect(check()).rejects.toThrow('what is stored is not a version number: "latest"');
    await expect(put({ bump: 'patch' })).rejects.toThrow('not a version number');
    expect(await store.read()).toBe('latest');
  });

  it('bumps once when a step is repeated, and again for another step', async () => {
    await store.write('1.0.0');
    expect(await put({ bump: 'patch' }, 'b1-s1')).toBe('1.0.1');
    expect(await put({ bump: 'patch' }, 'b1-s1')).toBe('1.0.1');
    expect(await put({ bump: 'patch' }, 'b1-s2')).toBe('1.0.2');
    expect(await store.read()).toBe('1.0.2');
  });

  if (!options.swaps) return;
  it('gives every one of many bumps at once a number of its own', async () => {
    await store.write('1.0.0');
    const numbers = await Promise.all(
      [1, 2, 3, 4].map(async (n) => {
        const params = parseInput(semver.schema.putParams, { bump: 'patch' }, 'params');
        const own = { ...stepContext(join(dir, `cache-${n}`)), stepId: `b${n}` };
        return (await semver.put(own, { source: source(), params, dir })).version['number'];
      }),
    );
    expect(numbers.toSorted()).toEqual(['1.0.1', '1.0.2', '1.0.3', '1.0.4']);
    expect(await store.read()).toBe('1.0.4');
  });
}

describe('semver over git', () => {
  describeContract(gitStore);
  describeDriver(gitStore, { swaps: true });

  it('commits as the given user with the given message, and touches no other file', async () => {
    const { source } = gitStore();
    const context = stepContext(sandbox.folder());
    const more = { git_user: 'Ada <ada@example.test>', commit_message: 'release %version% in %file%' };
    await semver.put(context, {
      source: parseInput(semver.schema.source, { ...source, ...more }, 'source'),
      params: parseInput(semver.schema.putParams, { bump: 'major' }, 'params'),
      dir: sandbox.dir,
    });
    const remote = String(source['uri']).slice('file://'.length);
    expect(sandbox.git(remote, 'log', '-1', '--format=%an %ae %s', 'main')).toBe(
      'Ada ada@example.test release 1.0.0 in ci/version',
    );
    expect(sandbox.git(remote, 'ls-tree', '-r', '--name-only', 'main').split('\n')).toEqual([
      'README.md',
      'ci/version',
    ]);
  });

  it('says so when the branch does not exist', async () => {
    const source = parseInput(semver.schema.source, { ...gitStore().source, branch: 'other' }, 'source');
    await expect(semver.check(stepContext(sandbox.folder()), { source })).rejects.toThrow("there is no branch 'other'");
  });
});

describe('semver in files', () => {
  describeContract(fileStore);
  describeDriver(fileStore, { swaps: true });

  it('is off without a folder of the operator', async () => {
    delete process.env[FOLDER_VARIABLE];
    const source = parseInput(semver.schema.source, fileStore().source, 'source');
    const refused = expect(semver.check(stepContext(sandbox.folder()), { source })).rejects.toThrow(
      /driver file is off/,
    );
    await refused.finally(() => (process.env[FOLDER_VARIABLE] = folder));
  });

  it('does not follow links out of the folder', async () => {
    symlinkSync(sandbox.folder(), join(folder, 'out'));
    symlinkSync('/etc/hostname', join(folder, 'link'));
    for (const file of ['out/version', 'link']) {
      const source = parseInput(semver.schema.source, { driver: 'file', file }, 'source');
      await expect(semver.check(stepContext(sandbox.folder()), { source })).rejects.toThrow(/leads out|is a link/);
    }
  });

  it('takes over the lock of a server that died', async () => {
    const store = fileStore();
    await store.write('1.0.0');
    const lock = join(folder, `${String(store.source['file'])}.lock`);
    writeFileSync(lock, '');
    utimesSync(lock, 1000, 1000);
    const params = parseInput(semver.schema.putParams, { bump: 'patch' }, 'params');
    const source = parseInput(semver.schema.source, store.source, 'source');
    await semver.put(stepContext(sandbox.folder()), { source, params, dir: folder });
    expect(await store.read()).toBe('1.0.1');
  });
});

describe('semver in S3', () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startS3Server();
  });
  afterAll(() => server.close());
  describeContract(() => s3Store(server));
  describeDriver(() => s3Store(server), { swaps: false });

  it('says no with keys the server does not know, and does not tell them', async () => {
    const store = await s3Store(server);
    await store.write('1.0.0');
    const wrong = parseInput(
      semver.schema.source,
      { ...store.source, access_key_id: 'unknown', secret_access_key: 'wrong-secret' },
      'source',
    );
    const failure = await semver.check(stepContext(sandbox.folder()), { source: wrong }).catch((error: Error) => error);
    expect(failure).toMatchObject({
      name: 'ResourceFailure',
      message: expect.stringMatching(/^S3 answers 403 InvalidAccessKeyId/),
    });
    expect((failure as Error).message).not.toContain('wrong-secret');
  });
});

if (!hasMoto)
  console.warn('skipped: semver in S3 with conditional writes, for want of moto (see test/support/s3-server.ts)');
(hasMoto ? describe : describe.skip)('semver in S3 with conditional writes (needs moto)', () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startMoto();
  });
  afterAll(() => server.close());
  describeDriver(() => s3Store(server), { swaps: true });
});

describe('semver refuses', () => {
  const git = { driver: 'git', uri: 'https://example.test/x.git', branch: 'main', file: 'version' };
  it.each([
    [{ driver: 'gcs' }, 'source: driver: must be git, s3 or file (gcs and swift are not supported)'],
    [{ driver: 'git', uri: 'https://example.test/x.git' }, 'source: branch: is missing: driver git needs it'],
    [{ ...git, bucket: 'x' }, 'source: bucket: belongs to driver s3, not git'],
    [{ ...git, file: '../version' }, 'source: file: must be a path such as'],
    [{ ...git, file: '/etc/passwd' }, 'source: file: must be a path such as'],
    [{ ...git, initial_version: 'v1' }, 'source: initial_version: is not a version number such as "1.0.0"'],
    [{ ...git, https_tunnel: {} }, 'source: https_tunnel.proxy_host: is missing'],
    [{ bucket: 'x' }, 'source: key: is missing: driver s3 needs it'],
    [{ bucket: 'x', key: 'y', access_key_id: 'z' }, 'source: secret_access_key: is missing'],
  ])('%j', (value, message) => {
    expect(() => parseInput(semver.schema.source, value, 'source')).toThrow(message);
  });

  it.each([
    [{}, 'params: needs file, bump, pre or build'],
    [{ file: 'x', bump: 'major' }, 'params: has more than one of'],
    [{ bump: 'huge' }, 'params: bump: '],
    [{ bump: 'major', pre_without_version: true }, 'params: pre_without_version: needs pre'],
  ])('params %j', (value, message) => {
    expect(() => parseInput(semver.schema.putParams, value, 'params')).toThrow(message);
  });
});
