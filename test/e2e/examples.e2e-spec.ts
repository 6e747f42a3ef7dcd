import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { GetObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { ExampleServer, PATIENCE_MS } from '../support/example-server.js';
import type { GitRepository } from '../support/git-repository.js';
import { HttpDouble } from '../support/http-double.js';
import { blobOf } from '../support/image-maker.js';
import { hasRegistry, TestRegistry } from '../support/registry.js';
import { startS3Server, type S3Server } from '../support/s3-server.js';
import { until } from '../support/team-server.js';

/** Acceptance C4: what docs/examples shows is true. */
let ci: ExampleServer;
let http: HttpDouble;
let s3: S3Server;
beforeAll(async () => {
  [ci, http, s3] = await Promise.all([
    ExampleServer.start(),
    HttpDouble.start(() => ({ status: 201 })),
    startS3Server(),
  ]);
}, PATIENCE_MS);
afterAll(() => Promise.all([ci?.stop(), http?.stop(), s3?.close()]));

const OK = 'succeeded';
const BAD = 'failed';
const contentOf = (repository: GitRepository, file: string, at = 'HEAD'): Promise<string> =>
  repository.git('show', `${at}:${file}`);
const MINUTES = 5 * 60_000;

describe('the examples of the documentation', () => {
  it(
    'monorepo: a commit tests and deploys only the services that it touches',
    async () => {
      const app = await ci.repositoryOf('monorepo/repository');
      const production = await ci.emptyRepository('monorepo/production');
      await ci.setPipeline('monorepo', 'monorepo/pipeline.yml', {
        repository: app.path,
        production: production.path,
      });
      for (const service of ['api', 'web']) await ci.untilBuilds(`monorepo/deploy-${service}`, OK);

      const api = await app.commit('api', { 'services/api/notes.txt': 'faster' });
      await ci.untilBuilds('monorepo/deploy-api', OK, OK);
      expect(await contentOf(production, 'api/notes.txt')).toBe('faster');
      await app.commit('docs', { 'docs/index.md': '# Our shop' });
      const libs = await app.commit('libs', { 'libs/greeting.txt': 'good day\n' });
      await ci.untilBuilds('monorepo/deploy-api', OK, OK, OK);
      const [deployed] = await ci.untilBuilds('monorepo/deploy-web', OK, OK);
      expect(await ci.server.inputsOf(deployed!)).toMatchObject({ web: { ref: libs } });
      const [second] = (await ci.builds('monorepo/test-api')).slice(1);
      expect(await ci.server.inputsOf(second!)).toMatchObject({ api: { ref: api } });
      for (const service of ['api', 'web']) {
        expect(await contentOf(production, `${service}/COMMIT`)).toBe(libs);
        expect(await contentOf(production, `${service}/libs/greeting.txt`)).toBe('good day');
      }

      await app.commit('breaks web', { 'services/web/serve.sh': 'echo web is silent\n' });
      await ci.untilBuilds('monorepo/test-web', BAD, OK, OK);
      await ci.untilBuilds('monorepo/deploy-web', OK, OK);
      expect(await contentOf(production, 'web/COMMIT')).toBe(libs);
      await ci.pause('monorepo');
    },
    MINUTES,
  );

  it(
    'pull-requests: each branch has its pipeline, which is archived when the branch is gone',
    async () => {
      const app = await ci.repositoryOf('pull-requests/repository');
      await app.git('checkout', '-q', '-b', 'pr/bad');
      const bad = await app.commit('multiply', { 'sum.sh': 'echo $(($1 * $2))\n' });
      await app.git('checkout', '-q', '-b', 'pr/good', 'main');
      const good = await app.commit('explain', { 'notes.txt': 'it adds' });
      await app.git('checkout', '-q', 'main');
      await ci.setPipeline('pull-requests', 'pull-requests/pipeline.yml', { repository: app.path, forge: http.url });
      const test = (branch: string): string => `pull-request/test?vars.branch=${encodeURIComponent(`"${branch}"`)}`;
      const instances = async (): Promise<Record<string, boolean>> => {
        const all =
          await ci.server.get<{ name: string; instance_vars?: { branch: string }; archived: boolean }[]>(
            '/api/v1/teams/main/pipelines',
          );
        const ours = all.filter(({ name }) => name === 'pull-request');
        return Object.fromEntries(ours.map(({ instance_vars, archived }) => [instance_vars!.branch, !archived]));
      };
      await ci.untilBuilds('pull-requests/set-pipelines', OK);
      await ci.untilBuilds(test('pr/good'), OK);
      await ci.untilBuilds(test('pr/bad'), BAD);
      expect(await instances()).toEqual({ 'pr/good': true, 'pr/bad': true });
      const said = http.seen.map(({ path: to, body }) => [
        to,
        (JSON.parse(body.toString()) as { state: string }).state,
      ]);
      expect(Object.fromEntries(said)).toEqual({ [`/statuses/${good}`]: 'success', [`/statuses/${bad}`]: 'failure' });

      await app.git('merge', '-q', '--no-ff', '--no-edit', 'pr/good');
      await app.git('branch', '-q', '-D', 'pr/good');
      await until(instances, (now) => now['pr/good'] === false, 'the instances', PATIENCE_MS);
      expect(await instances()).toEqual({ 'pr/good': false, 'pr/bad': true });
      await ci.pause('pull-requests');
      await ci.server.put(`/api/v1/teams/main/pipelines/pull-request/pause?vars.branch=%22pr/bad%22`);
    },
    MINUTES,
  );

  const ifRegistry = hasRegistry() ? it : it.skip;
  ifRegistry(
    'image-promote: the image that passed is promoted unchanged, one that failed never',
    async () => {
      const registry = await TestRegistry.start();
      try {
        const app = await ci.repositoryOf('image-promote/repository');
        await ci.setPipeline('image', 'image-promote/pipeline.yml', {
          repository: app.path,
          image: `${registry.host}/team/app`,
          registry_user: '',
          registry_password: '',
        });
        await ci.untilBuilds('image/smoke', OK);
        const digest = async (tag: string): Promise<string | undefined> => {
          const manifest = await registry.manifest('team/app', tag);
          return manifest && blobOf(manifest).digest;
        };
        const first = await digest('candidate');
        expect(await digest('production')).toBeUndefined();

        await app.commit('half a page', { 'site/index.html': '<html>' });
        await ci.untilBuilds('image/smoke', BAD, OK);
        expect(await digest('candidate')).not.toBe(first);
        await ci.trigger('image/promote');
        await ci.untilBuilds('image/promote', OK);
        expect(await digest('production')).toBe(first);

        const ref = await app.commit('a whole page', { 'site/index.html': '<html>again</html>' });
        await ci.untilBuilds('image/smoke', OK, BAD, OK);
        await ci.trigger('image/promote');
        await ci.untilBuilds('image/promote', OK, OK);
        expect(await digest('production')).toBe(await digest('candidate'));
        const short = await app.git('rev-parse', '--short', ref);
        expect(await digest(short)).toBe(await digest('production'));
        await ci.pause('image');
      } finally {
        await registry.stop();
      }
    },
    MINUTES,
  );

  it(
    'semver-release: candidates count up, a release is the newest of them, and the next minor begins',
    async () => {
      const app = await ci.repositoryOf('semver-release/repository');
      const emptyTree = await app.git('hash-object', '-t', 'tree', '/dev/null');
      await app.git('branch', 'version', await app.git('commit-tree', emptyTree, '-m', 'the version'));
      await s3.createBucket('packages');
      await ci.setPipeline('semver', 'semver-release/pipeline.yml', {
        repository: app.path,
        s3: { ...s3.access, bucket: 'packages' },
      });
      const number = (): Promise<string> => contentOf(app, 'version', 'version');
      await ci.untilBuilds('semver/candidate', OK);
      expect(await number()).toBe('1.0.0-rc.1');
      const second = await app.commit('second', { 'program.txt': 'print "bye"\n' });
      await ci.untilBuilds('semver/candidate', OK, OK);
      expect(await number()).toBe('1.0.0-rc.2');

      await ci.trigger('semver/release');
      await ci.untilBuilds('semver/release', OK);
      await ci.untilBuilds('semver/begin-next', OK);
      expect(await number()).toBe('1.1.0');
      expect(await app.git('rev-parse', 'v1.0.0')).toBe(second);
      await app.commit('third', { 'program.txt': 'print "hello again"\n' });
      await ci.untilBuilds('semver/candidate', OK, OK, OK);
      expect(await number()).toBe('1.1.0-rc.1');
      await ci.trigger('semver/major');
      await ci.untilBuilds('semver/major', OK);
      expect(await number()).toBe('2.0.0');

      const client = s3.client();
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: 'packages' }));
      expect(Contents.map(({ Key }) => Key)).toEqual([
        'candidates/app-1.0.0-rc.1.tar',
        'candidates/app-1.0.0-rc.2.tar',
        'candidates/app-1.1.0-rc.1.tar',
        'releases/app-1.0.0.tar',
      ]);
      const bytes = async (Key: string): Promise<string> => {
        const { Body } = await client.send(new GetObjectCommand({ Bucket: 'packages', Key }));
        return Body!.transformToString('latin1');
      };
      expect(await bytes('releases/app-1.0.0.tar')).toBe(await bytes('candidates/app-1.0.0-rc.2.tar'));
      client.destroy();
      await ci.pause('semver');
    },
    MINUTES,
  );

  it(
    'nightly: one build a night on the newest commit, tried twice, and the chat hears of it',
    async () => {
      const app = await ci.repositoryOf('nightly/repository');
      const first = await app.head();
      await ci.setPipeline('nightly', 'nightly/pipeline.yml', {
        repository: app.path,
        chat: `${http.url}/chat`,
        start: '0:00',
        stop: '0:00',
        location: new Date().getUTCHours() < 20 ? 'UTC' : 'Asia/Tokyo', // far from midnight
        days: ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'],
      });
      await ci.untilBuilds('nightly/nightly', OK);
      expect(await app.git('rev-parse', 'nightly')).toBe(first);

      await app.commit('one of many', { 'questions/life': '41\n' });
      const newest = await app.commit('the last of the day', { 'questions/universe': '43\n' });
      await ci.trigger('nightly/nightly');
      const [failed] = await ci.untilBuilds('nightly/nightly', BAD, OK);
      expect(await ci.server.inputsOf(failed!)).toMatchObject({ app: { ref: newest } });
      expect((await ci.log(failed)).match(/asking/g)!.length % 2).toBe(0);
      expect(await app.git('rev-parse', 'nightly')).toBe(first);
      const chat = http.seen.filter(({ path: to }) => to === '/chat');
      expect(chat.map(({ body }) => body.toString())).toEqual([`{"text": "the night has found something: ${newest}"}`]);
      await ci.pause('nightly');
    },
    MINUTES,
  );

  it(
    'matrix: all cells run, and one bad cell keeps the commit back',
    async () => {
      const app = await ci.repositoryOf('matrix/repository');
      const first = await app.head();
      await ci.setPipeline('matrix', 'matrix/pipeline.yml', { repository: app.path });
      await ci.untilBuilds('matrix/publish', OK);
      await app.commit('breaks a cell', { 'broken.txt': 'node-22 sqlite\n' });
      const [failed] = await ci.untilBuilds('matrix/matrix', BAD, OK);
      const cells = (await ci.log(failed)).match(/cell .*/g)!;
      expect(cells.toSorted()).toEqual([
        'cell node-20 postgres is good',
        'cell node-20 sqlite is good',
        'cell node-22 postgres is good',
        'cell node-22 sqlite is broken',
        'cell node-24 postgres is good',
        'cell node-24 sqlite is good',
      ]);
      expect(await app.git('rev-parse', 'supported')).toBe(first);
      const third = await app.commit('another runtime', {
        'broken.txt': '',
        'ci/runtimes.json': '[{"name": "deno", "image": {"repository": "deno"}}]',
      });
      const [whole] = await ci.untilBuilds('matrix/matrix', OK, BAD, OK);
      expect((await ci.log(whole)).match(/cell .*/g)).toHaveLength(2);
      await ci.untilBuilds('matrix/publish', OK, OK);
      expect(await app.git('rev-parse', 'supported')).toBe(third);
      await ci.pause('matrix');
    },
    MINUTES,
  );

  it(
    'fan-in: only what all ten checks were happy with is assembled',
    async () => {
      const app = await ci.repositoryOf('fan-in/app');
      const toolbox = await ci.repositoryOf('fan-in/toolbox');
      const releases = await ci.emptyRepository('fan-in/releases');
      const vars = { repository: app.path, toolbox: toolbox.path, releases: releases.path };
      await ci.setPipeline('fan-in', 'fan-in/pipeline.yml', vars);
      const assembled = async (): Promise<string[]> =>
        Promise.all(['app', 'toolbox'].map((name) => contentOf(releases, name)));
      const checks = await ci.server.get<{ name: string }[]>('/api/v1/teams/main/pipelines/fan-in/jobs');
      const ten = checks.map(({ name }) => `fan-in/${name}`).filter((name) => name.includes('/check-'));
      expect(ten).toHaveLength(10);
      await ci.untilBuilds('fan-in/assemble', OK);
      expect(await assembled()).toEqual([await app.head(), await toolbox.head()]);

      const before = await assembled();
      await app.commit('with a secret', { 'known-bad.txt': 'secrets\n' });
      await Promise.all(ten.map((job) => ci.untilBuilds(job, job.endsWith('secrets') ? BAD : OK, OK)));
      await ci.untilBuilds('fan-in/assemble', OK);
      expect(await assembled()).toEqual(before);

      const whole = await app.commit('without', { 'known-bad.txt': '' });
      await ci.untilBuilds('fan-in/assemble', OK, OK);
      expect(await assembled()).toEqual([whole, await toolbox.head()]);
      await ci.pause('fan-in');
    },
    MINUTES,
  );

  it(
    'pool-lock: pipelines wait for the environment, one has it at a time, and a failed build gives it back',
    async () => {
      const locks = await ci.repositoryOf('pool-lock/locks');
      const environment = path.join(ci.server.folder, 'environment');
      await mkdir(environment);
      await locks.commit('somebody has it', { 'staging/claimed/blue': environment });
      const names = ['shop', 'billing'];
      const apps: GitRepository[] = [];
      for (const name of names) {
        const app = await ci.repositoryOf('pool-lock/repository', `pool-lock/${name}`);
        apps.push(app);
        await ci.setPipeline(name, 'pool-lock/pipeline.yml', { name, repository: app.path, locks: locks.path });
      }
      for (const name of names) {
        const waits = async (): Promise<boolean> =>
          (await ci.log((await ci.builds(`${name}/integration`))[0])).includes('waiting');
        await eventually(`${name} waits`, waits, PATIENCE_MS);
      }
      await locks.git('mv', 'staging/claimed/blue', 'staging/unclaimed/blue');
      await locks.commit('somebody gives it back');
      for (const name of names) await ci.untilBuilds(`${name}/integration`, OK);
      await apps[0]!.commit('bad', { 'program.txt': 'a bad program\n' });
      await ci.untilBuilds('shop/integration', BAD, OK);
      const last = await apps[0]!.commit('good', { 'program.txt': 'a good program again\n' });
      await ci.untilBuilds('shop/integration', OK, BAD, OK);
      expect(await readFile(path.join(environment, 'deployed'), 'utf8')).toBe(`shop ${last}\n`);

      expect(await locks.git('ls-tree', '--name-only', 'HEAD', 'staging/unclaimed/blue')).not.toBe('');
      const subjects = (await locks.git('log', '--reverse', '--format=%s')).split('\n').slice(3);
      expect(subjects.map((subject) => subject.split(':')[0])).toEqual(
        Array.from({ length: 4 }, () => ['claiming', 'unclaiming']).flat(),
      );
      for (const name of names) await ci.pause(name);
    },
    MINUTES,
  );

  it(
    'hotfix-pin: while the pin stands nothing else is deployed, then the newest',
    async () => {
      const app = await ci.repositoryOf('hotfix-pin/repository');
      const production = await ci.emptyRepository('hotfix-pin/production');
      const tag = (name: string): Promise<string> => app.git('tag', '-a', '-m', name, name);
      const inProduction = (): Promise<string> => contentOf(production, 'release');
      const deployed = (count: number): Promise<unknown> =>
        ci.untilBuilds('hotfix/deploy', ...Array<string>(count).fill(OK));
      const pin = (name: string): Promise<unknown> =>
        ci.weir('pin-resource', '-r', 'hotfix/release', '-v', `ref:${name}`, '-c', 'v1.1.0 loses orders');
      await tag('v1.0.0');
      await ci.setPipeline('hotfix', 'hotfix-pin/pipeline.yml', { repository: app.path, production: production.path });
      await deployed(1);
      await app.commit('a feature', { 'program.txt': 'loses orders\n' });
      await tag('v1.1.0');
      await deployed(2);
      expect(await inProduction()).toBe('v1.1.0');

      await pin('v1.0.0');
      await ci.trigger('hotfix/deploy');
      await deployed(3);
      expect(await inProduction()).toBe('v1.0.0');

      const since = Math.floor(Date.now() / 1000); // tags are in the order of their seconds
      await eventually('the next second', async () => Math.floor(Date.now() / 1000) > since);
      await app.git('checkout', '-q', '-b', 'hotfix', 'v1.0.0');
      await app.commit('the fix', { 'program.txt': 'the first program, fixed\n' });
      await tag('v1.0.1');
      await app.git('checkout', '-q', 'main');
      await ci.untilVersion('hotfix/release', { ref: 'v1.0.1' });
      expect(await ci.builds('hotfix/verify')).toHaveLength(2);
      await pin('v1.0.1');
      await deployed(4);
      expect(await inProduction()).toBe('v1.0.1');

      const next = await app.commit('all is well', { 'program.txt': 'the next program\n' });
      await tag('v1.2.0');
      await ci.untilVersion('hotfix/release', { ref: 'v1.2.0' });
      await ci.trigger('hotfix/deploy');
      await deployed(5);
      expect(await inProduction()).toBe('v1.0.1');
      await ci.untilBuilds('hotfix/unit', OK, OK, OK);
      expect(await ci.server.inputsOf((await ci.builds('hotfix/unit'))[0]!)).toEqual({ app: { ref: next } });

      await ci.weir('unpin-resource', '-r', 'hotfix/release');
      await deployed(6);
      expect(await inProduction()).toBe('v1.2.0');
      expect(await contentOf(production, 'program.txt')).toBe('the next program');
      await ci.pause('hotfix');
    },
    MINUTES,
  );

  it(
    'multi-team: what one team releases reaches the other, and only that',
    async () => {
      const base = await ci.repositoryOf('multi-team/base');
      const app = await ci.repositoryOf('multi-team/app');
      const production = await ci.emptyRepository('multi-team/production');
      const owner = { auth: { owner: { users: ['local:admin'] } } };
      for (const team of ['platform', 'shop']) await ci.server.put(`/api/v1/teams/${team}`, owner);
      const shop = { base: base.path, app: app.path, production: production.path };
      await ci.setPipeline('base', 'multi-team/platform.yml', { base: base.path }, 'platform');
      await ci.setPipeline('shop', 'multi-team/shop.yml', shop, 'shop');
      await ci.untilBuilds('platform:base/release', OK);
      const hidden = (): Promise<unknown> => ci.weir('--team', 'shop', 'check-resource', '-r', 'shop/base-released');
      await expect(hidden()).rejects.toThrow(/expose/);
      expect(await ci.builds('shop:shop/deploy')).toEqual([]);

      await ci.weir('--team', 'platform', 'expose-pipeline', '-p', 'base');
      await ci.weir('--team', 'shop', 'check-resource', '-r', 'shop/base-released');
      await ci.untilBuilds('shop:shop/deploy', OK);
      expect(await contentOf(production, 'shop.txt')).toBe('good base\nthe shop');

      await base.commit('bad', { 'base.txt': 'a bad base\n' });
      await ci.untilBuilds('platform:base/test', BAD, OK);
      const better = await base.commit('better', { 'base.txt': 'good and better base\n' });
      await ci.untilBuilds('shop:shop/deploy', OK, OK);
      expect(await contentOf(production, 'base')).toBe(better);
      expect(await contentOf(production, 'shop.txt')).toBe('good and better base\nthe shop');
      await ci.pause('base', 'platform');
      await ci.pause('shop', 'shop');
    },
    MINUTES,
  );
});
