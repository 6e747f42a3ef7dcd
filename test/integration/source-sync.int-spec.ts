import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createHttpServer } from 'node:http';
import os from 'node:os';
import path from 'node:path';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { NotificationListener } from '../../src/persistence/index.js';
import { createLogger, Settings, systemClock } from '../../src/platform/index.js';
import {
  PipelinesService,
  SourcesService,
  SourceSyncLoop,
  type CreateSourceRequest,
} from '../../src/pipelines/index.js';
import { createTestDb, type TestDb } from '../support/test-db.js';

let t: TestDb;
let base: string;
let repo: string;
let settings: Settings;
let pipelines: PipelinesService;
let sources: SourcesService;
let loop: SourceSyncLoop;
let count = 0;
const log = createLogger('silent');

beforeAll(async () => {
  t = await createTestDb();
  base = mkdtempSync(path.join(os.tmpdir(), 'weir-sync-'));
  settings = new Settings({ dataDir: path.join(base, 'data'), gitLocalPaths: 'allow' });
  pipelines = new PipelinesService(t.db);
  sources = new SourcesService(t.db, settings);
  loop = newLoop();
});
afterAll(async () => {
  await t.drop();
  rmSync(base, { recursive: true, force: true });
});
beforeEach(() => {
  repo = path.join(base, `repo${++count}`);
  mkdirSync(repo);
  git('init', '-q', '-b', 'main');
});
afterEach(async () => {
  await t.db.query('delete from pipelines');
  await t.db.query('delete from pipeline_sources');
});

const newLoop = (): SourceSyncLoop =>
  new SourceSyncLoop(t.db, new NotificationListener(t.url, log), pipelines, settings, systemClock, log);
const git = (...args: string[]): string =>
  execFileSync('git', ['-c', 'user.name=Ann', '-c', 'user.email=ann@example.com', ...args], {
    cwd: repo,
    encoding: 'utf8',
  }).trim();
const commit = (files: Record<string, string | null>): string => {
  for (const [file, text] of Object.entries(files)) {
    if (text === null) git('rm', '-q', file);
    else {
      mkdirSync(path.dirname(path.join(repo, file)), { recursive: true });
      writeFileSync(path.join(repo, file), text);
    }
  }
  git('add', '-A');
  git('commit', '-q', '-m', 'change');
  return git('rev-parse', 'HEAD');
};
const ref = { teamName: 'main', name: 'src' };
const create = (more: Partial<CreateSourceRequest> = {}) =>
  sources.createSource({ ...ref, uri: repo, pathGlob: 'ci/*.yml', ...more });
const sync = async (): Promise<void> => {
  await sources.requestSync(ref);
  await syncDue();
};
const syncDue = async (): Promise<void> => {
  await loop.runOnce();
  await loop.idle();
};
const status = () => sources.getSource(ref);
const pipeline = (more = ''): string => `jobs: [{name: a${more}}]\n`;

describe('syncing pipelines from git', () => {
  it('sets every matching file as a running pipeline, with its commit, author and file', async () => {
    const sha = commit({
      'ci/web.yml': pipeline(),
      'ci/pipeline.yml': pipeline(),
      'ci/deep/no.yml': 'x',
      'README.md': 'x',
    });
    await create();
    await syncDue();
    expect(await status()).toMatchObject({ pipelines: ['src', 'web'], lastCommit: sha, isSyncing: false });
    expect((await status()).lastError).toBeUndefined();
    const web = { teamName: 'main', name: 'web' };
    expect(await pipelines.getPipeline(web)).toMatchObject({
      paused: false,
      source: { name: 'src', path: 'ci/web.yml' },
    });
    expect(await pipelines.getConfig(web)).toMatchObject({
      commit: sha,
      author: 'Ann <ann@example.com>',
      file: 'ci/web.yml',
      setBy: 'source src',
    });
  });

  it('changes nothing of a commit with a bad file, says where it is wrong, and takes the fixed commit', async () => {
    const good = commit({ 'ci/web.yml': pipeline(), 'ci/app.yml': pipeline() });
    await create();
    await syncDue();
    const bad = commit({
      'ci/web.yml': pipeline(', serial: true'),
      'ci/app.yml': 'jobs:\n- name: a\n  plan: [{get: repo}]\n',
    });
    await sync();
    expect(await status()).toMatchObject({
      lastCommit: good,
      lastError: {
        kind: 'config',
        commit: bad,
        problems: [
          {
            file: 'ci/app.yml',
            line: 3,
            column: 16,
            path: 'jobs.a.plan.do[0].get(repo)',
            message: "unknown resource 'repo'",
          },
        ],
      },
    });
    expect((await pipelines.getConfig({ teamName: 'main', name: 'web' })).version).toBe(1);
    const fixed = commit({ 'ci/app.yml': pipeline() });
    await sync();
    expect(await status()).toMatchObject({ lastCommit: fixed });
    expect((await status()).lastError).toBeUndefined();
    expect((await pipelines.getConfig({ teamName: 'main', name: 'web' })).version).toBe(2);
    expect((await pipelines.getConfig({ teamName: 'main', name: 'app' })).version).toBe(1);
  });

  it('archives the pipeline of a removed file and brings it back with the file', async () => {
    commit({ 'ci/web.yml': pipeline(), 'ci/app.yml': pipeline() });
    await create();
    await syncDue();
    commit({ 'ci/web.yml': null });
    await sync();
    expect(await pipelines.getPipeline({ teamName: 'main', name: 'web' })).toMatchObject({ archived: true });
    commit({ 'ci/web.yml': pipeline() });
    await sync();
    expect(await pipelines.getPipeline({ teamName: 'main', name: 'web' })).toMatchObject({
      archived: false,
      paused: false,
    });
    commit({ 'ci/web.yml': null, 'ci/app.yml': null, other: 'x' });
    await sync();
    expect(await status()).toMatchObject({
      pipelines: [],
      lastError: { message: expect.stringContaining("matches 'ci/*.yml'") },
    });
  });

  it('keeps a pause of a person over commits', async () => {
    commit({ 'ci/web.yml': pipeline() });
    await create();
    await syncDue();
    await pipelines.pausePipeline({ teamName: 'main', name: 'web' }, { by: 'bob', reason: 'freeze' });
    commit({ 'ci/web.yml': pipeline(', serial: true') });
    await sync();
    expect(await pipelines.getPipeline({ teamName: 'main', name: 'web' })).toMatchObject({
      paused: true,
      pauseReason: 'freeze',
      configVersion: 2,
    });
  });

  it('fills in template vars, and takes new vars without a new commit', async () => {
    commit({ 'ci/web.yml': 'jobs: [{name: ((n))}]\ndisplay: {background_image: "/((later))"}\n' });
    await create({ vars: { n: 'one' } });
    await syncDue();
    const web = { teamName: 'main', name: 'web' };
    expect((await pipelines.getConfig(web)).config).toEqual({
      jobs: [{ name: 'one' }],
      display: { background_image: '/((later))' },
    });
    await sources.updateSource({ ...ref, vars: { n: 'two' } });
    await syncDue();
    expect((await pipelines.getConfig(web)).config.jobs[0]!.name).toBe('two');
  });

  it('follows the named branch and says when it is missing', async () => {
    commit({ 'ci/web.yml': pipeline() });
    await create({ branch: 'release' });
    await syncDue();
    expect(await status()).toMatchObject({
      pipelines: [],
      lastError: { kind: 'repository', message: expect.stringContaining("no branch 'release'") },
    });
    git('checkout', '-q', '-b', 'release');
    const sha = commit({ 'ci/web.yml': pipeline(', serial: true') });
    await sync();
    expect(await status()).toMatchObject({ lastCommit: sha, pipelines: ['web'] });
  });

  it('keeps the pipelines when the repository is gone, says so, tries again later each time, and recovers', async () => {
    const sha = commit({ 'ci/web.yml': pipeline() });
    await create({ intervalSeconds: 10 });
    await syncDue();
    const away = `${repo}-away`;
    execFileSync('mv', [repo, away]);
    const pauses: number[] = [];
    for (let i = 0; i < 3; i++) {
      await sync();
      const { lastError, lastCommit, nextSyncAt, pipelines: names } = await status();
      expect(lastError).toMatchObject({
        kind: 'repository',
        message: expect.stringContaining(`cannot read ${repo}: `),
      });
      expect([lastCommit, names]).toEqual([sha, ['web']]);
      pauses.push(nextSyncAt.getTime() - Date.now());
    }
    expect(pauses[2]).toBeGreaterThan(pauses[0]! * 2);
    execFileSync('mv', [away, repo]);
    await sync();
    expect((await status()).lastError).toBeUndefined();
  });

  it('heals a broken clone', async () => {
    commit({ 'ci/web.yml': pipeline() });
    const { id } = await create();
    await syncDue();
    const clone = path.join(settings.dataDir, 'sources', String(id));
    rmSync(path.join(clone, 'objects'), { recursive: true });
    writeFileSync(path.join(clone, 'shallow.lock'), '');
    const sha = commit({ 'ci/web.yml': pipeline(', serial: true') });
    await sync();
    expect(await status()).toMatchObject({ lastCommit: sha });
    expect(readdirSync(clone)).not.toContain('index');
  });

  it('reads nothing when the commit is known', async () => {
    commit({ 'ci/web.yml': pipeline() });
    const { id } = await create();
    await syncDue();
    rmSync(path.join(settings.dataDir, 'sources', String(id)), { recursive: true });
    await t.db.query(`update pipeline_sources set next_sync_at = now()`);
    await syncDue();
    expect(readdirSync(path.join(settings.dataDir, 'sources'))).not.toContain(String(id));
    expect((await status()).lastError).toBeUndefined();
  });

  it('refuses a pipeline of another source, and adopts one that a person set', async () => {
    commit({ 'ci/web.yml': pipeline() });
    await pipelines.setPipeline({ teamName: 'main', name: 'web', by: 'ann', config: { jobs: [{ name: 'old' }] } });
    await sources.createSource({ ...ref, name: 'first', uri: repo, pathGlob: 'ci/*.yml' });
    await syncDue();
    expect(await pipelines.getPipeline({ teamName: 'main', name: 'web' })).toMatchObject({
      source: { name: 'first' },
      paused: true,
    });
    await create();
    await syncDue();
    expect(await status()).toMatchObject({
      lastError: { problems: [{ file: 'ci/web.yml', message: "pipeline 'web' belongs to source 'first'" }] },
    });
  });

  it('refuses two files of one name', async () => {
    commit({ 'ci/web.yml': pipeline(), 'ci/web.yaml': pipeline() });
    await create({ pathGlob: 'ci/*.{yml,yaml}' });
    await syncDue();
    expect((await status()).lastError?.problems[0]?.message).toContain("describes pipeline 'web' too");
  });

  it('syncs one source once, however many servers look', async () => {
    commit({ 'ci/web.yml': pipeline() });
    await create();
    const loops = [newLoop(), newLoop(), newLoop()];
    await Promise.all(loops.map((other) => other.runOnce()));
    await Promise.all(loops.map((other) => other.idle()));
    const [row] = await t.db.query<{ claims: number }>(`select sync_claim as claims from pipeline_sources`);
    expect(row!.claims).toBe(1);
  });

  it('writes nothing when the claim was lost meanwhile', async () => {
    commit({ 'ci/web.yml': pipeline() });
    await create();
    await loop.runOnce();
    await t.db.query(
      `update pipeline_sources set sync_claim = sync_claim + 1, sync_claimed_until = now() + interval '1 hour'`,
    );
    await loop.idle();
    expect(await status()).toMatchObject({ pipelines: [], isSyncing: true });
  });
});

describe('a remote that does not behave', () => {
  let server: Server;
  const sockets = new Set<Socket>();
  afterEach(() => {
    for (const socket of sockets) socket.destroy();
    server?.close();
  });
  const listen = async (made: Server): Promise<number> => {
    server = made;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  };

  it('is given up on shutdown, and its source is free at once', async () => {
    let heard: (() => void) | undefined;
    const called = new Promise<void>((resolve) => (heard = resolve));
    const port = await listen(
      createServer((socket) => void (sockets.add(socket.on('error', () => undefined)), heard?.())),
    );
    await create({ uri: `git://127.0.0.1:${port}/repo` });
    const own = newLoop();
    await own.runOnce();
    await called;
    expect(await status()).toMatchObject({ isSyncing: true });
    await own.onModuleDestroy();
    expect(await status()).toMatchObject({ isSyncing: false });
    const [socket] = sockets;
    socket!.resume(); // an unread socket does not notice that its peer has gone
    if (!socket!.destroyed) await once(socket!, 'close');
  });

  it('gets the password in a header, and no message or file keeps it', async () => {
    const seen: (string | undefined)[] = [];
    const http = createHttpServer((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end('no');
    });
    const port = await listen(http);
    await create({
      uri: `http://127.0.0.1:${port}/repo.git`,
      credentials: { username: 'ann', password: 'p@ss/word 1' },
    });
    await syncDue();
    const { lastError, credentialKind } = await status();
    expect(seen).toContain(`Basic ${Buffer.from('ann:p@ss/word 1').toString('base64')}`);
    expect(lastError).toMatchObject({ kind: 'repository', message: expect.stringMatching(/Authentication failed/) });
    expect(JSON.stringify(await status())).not.toContain('p@ss');
    expect(credentialKind).toBe('password');
    expect(readdirSync(path.join(settings.dataDir, 'sources')).filter((entry) => entry.startsWith('session'))).toEqual(
      [],
    );
  });
});

describe('pipeline sources', () => {
  it.each([
    [{ uri: 'https://ann:secret@example.com/r' }, 'must not hold a user or password'],
    [{ uri: 'ext::sh -c id' }, 'the uri must be'],
    [{ uri: '-oProxyCommand=x' }, 'the uri must be'],
    [{ uri: '' }, 'needs the uri'],
    [{ branch: '--upload-pack=x' }, 'not the name of a branch'],
    [{ pathGlob: '../x' }, 'the path glob must lead'],
    [{ credentials: { private_key: 'k', password: 'p' } }, 'either a private key or'],
    [{ credentials: { username: 'u', password: 'p' } }, 'need an https:// uri'],
    [{ intervalSeconds: 0 }, 'the interval must be'],
    [{ name: 'a/b' }, "cannot contain '/'"],
  ] as [Partial<CreateSourceRequest>, string][])('refuse %j', async (more, message) => {
    await expect(create(more)).rejects.toThrow(message);
  });

  it('have unique names in a team and near names in errors', async () => {
    await create();
    await expect(create()).rejects.toMatchObject({ code: 'source-exists' });
    await expect(sources.getSource({ ...ref, name: 'scr' })).rejects.toThrow('did you mean "src"?');
  });

  it('take a webhook only with the token, which is stored as a digest', async () => {
    commit({ 'ci/web.yml': pipeline() });
    await create({ webhookToken: 'sesame-sesame-1' });
    await syncDue();
    for (const [name, token] of [
      ['src', 'wrong'],
      ['src', ''],
      ['none', 'sesame-sesame-1'],
    ] as const) {
      await expect(sources.acceptWebhook({ teamName: 'main', name }, token)).rejects.toMatchObject({ status: 401 });
    }
    const sha = commit({ 'ci/web.yml': pipeline(', serial: true') });
    await sources.acceptWebhook(ref, 'sesame-sesame-1');
    await syncDue();
    expect(await status()).toMatchObject({ lastCommit: sha, hasWebhook: true });
    expect(JSON.stringify(await t.db.query('select * from pipeline_sources'))).not.toContain('sesame');
    await sources.updateSource({ ...ref, webhookToken: null });
    await expect(sources.acceptWebhook(ref, '')).rejects.toMatchObject({ status: 401 });
  });

  it('leave their pipelines behind when they are removed', async () => {
    commit({ 'ci/web.yml': pipeline() });
    await create();
    await syncDue();
    await sources.removeSource(ref);
    expect(await sources.listSources('main')).toEqual([]);
    const web = await pipelines.getPipeline({ teamName: 'main', name: 'web' });
    expect(web).toMatchObject({ archived: false });
    expect(web.source).toBeUndefined();
  });

  it('never let a clone hold a secret', async () => {
    commit({ 'ci/web.yml': pipeline() });
    const { id } = await create({ credentials: { private_key: 'very-secret-key' } });
    await syncDue();
    expect((await status()).pipelines).toEqual(['web']);
    const config = readFileSync(path.join(settings.dataDir, 'sources', String(id), 'config'), 'utf8');
    expect(config).not.toContain('secret');
  });
});
