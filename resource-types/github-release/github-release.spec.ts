import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { parseInput } from '../../src/resources/parse-input.js';
import { silentServer } from '../../test/support/git-sandbox.js';
import { GithubDouble } from '../../test/support/github-double.js';
import { describeResourceTypeContract, stepContext } from '../../test/support/resource-type-contract.js';
import { githubRelease } from './index.js';

let github: GithubDouble;
let dir: string;
let count = 0;
beforeEach(async () => {
  github = await GithubDouble.start();
  dir = mkdtempSync(join(tmpdir(), 'weir-test-github-'));
});
afterEach(async () => {
  await github.stop();
  rmSync(dir, { recursive: true, force: true });
});

function place(folder: string, files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

describeResourceTypeContract({
  type: githubRelease,
  source: async () => {
    github.addAsset(github.add('v1.0.0'), 'app.tgz', 'bytes');
    return github.source;
  },
  advance: async () => void github.add(`v1.${++count}.0`),
  preparePut: async (folder) => {
    place(folder, { name: 'Nine', tag: '9.0.0\n', 'out/a.txt': 'a' });
    return { name: 'name', tag: 'tag', tag_prefix: 'v', globs: ['out/*'] };
  },
  hang: async () => {
    const server = await silentServer();
    let isConnected = false;
    void server.connected.then(() => (isConnected = true));
    const marker = `127.0.0.1:${server.port}`;
    return {
      source: { ...github.source, github_api_url: `http://${marker}` },
      marker,
      isStarted: () => isConnected,
      close: () => server.close(),
    };
  },
});

const sourceOf = (more: Record<string, unknown> = {}) =>
  parseInput(githubRelease.schema.source, { ...github.source, ...more }, 'source');
const check = async (more: Record<string, unknown> = {}, version?: Record<string, string>) => {
  const request = { source: sourceOf(more), ...(version && { version }) };
  return (await githubRelease.check(stepContext(dir), request)).map((found) => found['tag']);
};
const get = (version: Record<string, string>, params: Record<string, unknown> = {}, more = {}) =>
  githubRelease.get(stepContext(dir), {
    source: sourceOf(more),
    params: parseInput(githubRelease.schema.getParams, params, 'params'),
    version,
    dir,
  });
const put = (params: Record<string, unknown> = {}, more = {}, context = stepContext(dir)) =>
  githubRelease.put(context, {
    source: sourceOf(more),
    params: parseInput(githubRelease.schema.putParams, { name: 'name', tag: 'tag', ...params }, 'params'),
    dir,
  });

describe('github-release check', () => {
  it('orders by version or by time, and gives what comes after', async () => {
    const [first] = ['v2.0.0', 'v1.10.0', 'v1.9.0', 'odd', '3'].map((tag) => github.add(tag));
    expect(await check()).toEqual(['3']);
    expect(await check({}, { id: '0', tag: 'v1.9.0' })).toEqual(['v1.10.0', 'v2.0.0', '3']);
    const version = { id: String(first!.id), tag: 'v2.0.0', timestamp: first!.published_at! };
    expect(await check({}, version)).toEqual(['v2.0.0', '3']);
    expect(await check({ order_by: 'time' }, version)).toEqual(['v2.0.0', 'v1.10.0', 'v1.9.0', 'odd', '3']);
  });

  it('reads all pages, and sends the token to the API alone', async () => {
    for (let minor = 0; minor < 230; minor++) github.add(`v1.${minor}.0`);
    expect(await check()).toEqual(['v1.229.0']);
    expect(github.seen.map(({ path }) => /page=(\d+)$/.exec(path)?.[1])).toEqual(['1', '2', '3']);
  });

  it('tells final releases, pre-releases and drafts apart', async () => {
    github.add('v1.0.0');
    github.add('v1.1.0-rc.1', { prerelease: true });
    github.add('v1.2.0', { draft: true });
    const since = { id: '0', tag: '0.0.0' };
    expect(await check({}, since)).toEqual(['v1.0.0']);
    expect(await check({ pre_release: true }, since)).toEqual(['v1.0.0', 'v1.1.0-rc.1']);
    expect(await check({ pre_release: true, release: false }, since)).toEqual(['v1.1.0-rc.1']);
    expect(await check({ drafts: true }, since)).toEqual(['v1.2.0']);
  });

  it('filters by tag and by range', async () => {
    for (const tag of ['app-1.0.0', 'lib-1.5.0', 'app-2.1.0', 'app-2.2.0']) github.add(tag);
    const since = { id: '0', tag: 'app-0.0.0' };
    expect(await check({ tag_filter: '^app-(.*)$' }, since)).toEqual(['app-1.0.0', 'app-2.1.0', 'app-2.2.0']);
    expect(await check({ tag_filter: '^app-(.*)$', semver_constraint: '>=2 <2.2' }, since)).toEqual(['app-2.1.0']);
  });

  it('stops a tag filter that takes for ever', async () => {
    github.add(`${'a'.repeat(40)}!`);
    await expect(check({ tag_filter: '^(a+)+$' })).rejects.toThrow('tag_filter takes too long');
  });

  it.each([403, 429])('says when the rate limit ends (%i)', async (status) => {
    github.intercept = (_request, response) => {
      const headers = { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '1795284000', 'retry-after': '3600' };
      response.writeHead(status, headers).end('{"message":"API rate limit exceeded"}');
      return true;
    };
    const limit = "GitHub's rate limit is used up until 2026-11-21T18:00:00.000Z";
    await expect(check()).rejects.toThrow(limit);
    await expect(check({ access_token: undefined })).rejects.toThrow(`${limit}; an access_token gives more requests`);
  });

  it('says what is wrong with the token or the repository, and not the token', async () => {
    await expect(check({ access_token: 'wrong' })).rejects.toThrow('GitHub does not accept the access_token (401)');
    const failure: Error = await check({ owner: 'nobody' }).then(
      () => new Error('none'),
      (error: Error) => error,
    );
    expect(failure.message).toBe('GitHub answers 404 Not Found: is there nobody/app, and may the access_token use it?');
  });
});

describe('github-release get', () => {
  it('writes the assets that match, the sources and the facts, without telling the storage the token', async () => {
    const release = github.add('v1.2.0/x');
    github.addAsset(release, 'app.tgz', 'bytes');
    github.addAsset(release, 'app.sig', 'signature');
    const { metadata } = await get(
      { id: String(release.id), tag: release.tag_name },
      { globs: ['*.tgz'], include_source_tarball: true, include_source_zip: true },
      { asset_dir: true },
    );
    expect(readdirSync(dir).toSorted()).toEqual([
      'assets',
      'body',
      'commit_sha',
      'source.tar.gz',
      'source.zip',
      'tag',
      'timestamp',
      'url',
      'version',
    ]);
    const text = (name: string) => readFileSync(join(dir, name), 'utf8');
    expect(readdirSync(join(dir, 'assets'))).toEqual(['app.tgz']);
    expect(text('assets/app.tgz')).toBe('bytes');
    expect([text('tag'), text('version'), text('body')]).toEqual(['v1.2.0/x', '1.2.0/x', 'notes of v1.2.0/x']);
    expect(text('commit_sha')).toMatch(/^[0-9a-f]{64}$/);
    expect(text('source.zip')).toBe('zipball of v1.2.0/x');
    expect(metadata).toContainEqual({ name: 'commit_sha', value: text('commit_sha') });
    const storage = github.seen.filter(({ path }) => path.startsWith('/storage/'));
    expect(storage).toHaveLength(1);
    expect(storage[0]?.headers.authorization).toBeUndefined();
  });

  it('gets a release that was pinned by its tag', async () => {
    github.add('v1.0.0');
    expect((await get({ tag: 'v1.0.0' })).version).toEqual({ tag: 'v1.0.0' });
    await expect(get({ tag: 'v2.0.0' })).rejects.toThrow('there is no release of the tag "v2.0.0"');
  });

  it('refuses an asset that is not what GitHub says it is, or would be written elsewhere', async () => {
    const release = github.add('v1.0.0');
    github.addAsset(release, '../app.tgz', 'bytes');
    await expect(get({ id: String(release.id) })).rejects.toThrow('an asset has the unusable name "../app.tgz"');
    release.assets.length = 0;
    github.addAsset(release, 'app.tgz', 'bytes');
    github.intercept = ({ path }, response) => {
      if (!path.includes('/releases/assets/')) return false;
      response.end('bites');
      return true;
    };
    await expect(get({ id: String(release.id) })).rejects.toThrow(/^app.tgz came with the digest sha256:/);
  });
});

describe('github-release put', () => {
  beforeEach(() =>
    place(dir, { name: 'One\n', tag: '1.0.0\n', body: 'text', commitish: 'abc\n', 'out/a.txt': 'a', 'out/b.txt': 'b' }),
  );
  const all = { tag_prefix: 'v', body: 'body', commitish: 'commitish', globs: ['out/*.txt'] };

  it('publishes a release only when its assets are there', async () => {
    const states: boolean[] = [];
    github.intercept = ({ method, path }) => {
      if (method === 'POST' && path.includes('/assets?')) states.push(github.releases[0]!.draft);
      return false;
    };
    const { version } = await put(all);
    const [release] = github.releases;
    expect(release).toMatchObject({
      tag_name: 'v1.0.0',
      name: 'One',
      body: 'text',
      target_commitish: 'abc',
      draft: false,
      prerelease: false,
    });
    expect(release!.assets.map(({ name, bytes }) => [name, bytes.toString()])).toEqual([
      ['a.txt', 'a'],
      ['b.txt', 'b'],
    ]);
    expect(states).toEqual([true, true]);
    expect(version).toEqual({ id: String(release!.id), tag: 'v1.0.0', timestamp: release!.published_at });
  });

  it('goes on where a put was interrupted, without a second release and without uploading twice', async () => {
    let uploads = 0;
    github.intercept = ({ method, path }, response) => {
      if (method !== 'POST' || !path.includes('/assets?') || ++uploads !== 2) return false;
      stop.abort(new Error('the server stops'));
      response.destroy();
      return true;
    };
    const stop = new AbortController();
    await expect(put(all, {}, { ...stepContext(dir), signal: stop.signal })).rejects.toThrow('the server stops');
    expect(github.releases).toMatchObject([{ draft: true }]);
    await put(all);
    expect(github.releases).toMatchObject([{ draft: false, assets: [{ name: 'a.txt' }, { name: 'b.txt' }] }]);
    expect(uploads).toBe(3);
  });

  it('uploads again when an upload broke off', async () => {
    let uploads = 0;
    github.intercept = ({ method, path }, response) => {
      if (method !== 'POST' || !path.includes('/assets?') || ++uploads !== 1) return false;
      github.addAsset(github.releases[0]!, 'a.txt', 'half');
      response.destroy();
      return true;
    };
    await put({ ...all, globs: ['out/a.txt'] });
    expect(github.releases[0]!.assets.map(({ bytes }) => bytes.toString())).toEqual(['a']);
  });

  it('updates the release of the tag and replaces its assets', async () => {
    await put(all);
    rmSync(join(dir, 'out', 'b.txt'));
    place(dir, { name: 'Two', 'out/a.txt': 'A' });
    await put({ ...all, body: undefined });
    expect(github.releases).toHaveLength(1);
    expect(github.releases[0]).toMatchObject({ name: 'Two', body: 'text', draft: false });
    expect(github.releases[0]!.assets.map(({ bytes }) => bytes.toString())).toEqual(['A']);
  });

  it('makes drafts and pre-releases, with generated notes', async () => {
    await put({ ...all, generate_release_notes: true }, { drafts: true, pre_release: true, release: false });
    expect(github.releases).toMatchObject([{ draft: true, prerelease: true, body: 'text\nwhat changed' }]);
    expect((await put({}, { drafts: true })).version['timestamp']).toBe(github.releases[0]!.created_at);
  });

  it('says no without a token, without matching files, and for two files of one name', async () => {
    await expect(put(all, { access_token: undefined })).rejects.toThrow('put needs source.access_token');
    await expect(put({ globs: ['none/*'] })).rejects.toThrow("no file among the step's inputs matches 'none/*'");
    place(dir, { 'more/a.txt': 'a' });
    await expect(put({ globs: ['*/a.txt'] })).rejects.toThrow("would be the same asset 'a.txt'");
    await expect(put({ tag: '../tag' })).rejects.toThrow("step's inputs");
    expect(github.releases).toHaveLength(0);
  });
});

it.each([
  [{ owner: 'a/b' }, 'source: owner: is not a name at GitHub'],
  [{ owner: undefined }, 'source: owner: is missing'],
  [{ github_api_url: 'file:///etc' }, 'source: github_api_url: is not an address'],
  [{ semver_constraint: 'new' }, 'source: semver_constraint: is not a range'],
  [{ tag_filter: '(' }, 'source: tag_filter: is not a valid regular expression'],
  [{ access_token: 'a\nb' }, 'source: access_token: is not a token'],
])('github-release refuses a source with %j', (more, message) => {
  expect(() => sourceOf(more)).toThrow(message);
});
