import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse, stringify } from 'yaml';
import { ApiServer } from '../support/api-server.js';
import { CliRunner } from '../support/cli-runner.js';
import { eventually } from '../support/eventually.js';

interface Told {
  runs: boolean;
  summary: string;
  builds: { id: number | null; name: string | null; blockers: { kind: string; text: string }[] }[];
  when_nothing_waits: string | null;
  inputs: {
    name: string;
    chosen?: Record<string, string>;
    error?: string;
    check: { state: string; text: string };
    candidates: { version: Record<string, string>; verdict: { kind: string }; text: string }[];
    more: number;
  }[];
  fixes: { text: string; fix: { changes: Change[] } }[];
}
interface Change {
  do: string;
  job?: string;
  jobId?: number;
  resourceId?: number;
  by?: string;
  row?: { version: Record<string, string> };
  versions?: { resourceId: number; version: Record<string, string> }[];
}
interface BuildView {
  id: number;
  name: string;
  status: string;
}

let server: ApiServer;
const folder = mkdtempSync(path.join(os.tmpdir(), 'weir-explain-'));
let count = 0;
beforeAll(async () => {
  server = await ApiServer.start();
});
afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A pipeline of its own, and what people do to it, all over the API. */
class World {
  readonly name = `p${++count}`;
  readonly gate = path.join(folder, `gate-${count}`);
  config: { resources?: { name: string; version?: unknown; source: object }[]; jobs: object[] } = { jobs: [] };
  private readonly path = `/api/v1/teams/main/pipelines/${this.name}`;

  async set(yaml: string): Promise<void> {
    this.config = parse(yaml) as World['config'];
    await this.save();
    await this.put('unpause');
  }

  save(): Promise<unknown> {
    return this.put('config', stringify(this.config));
  }

  put(route: string, body?: unknown): Promise<unknown> {
    return server.ask('PUT', `${this.path}/${route}`, body);
  }

  get<Body>(route: string): Promise<Body> {
    return server.ask<Body>('GET', `${this.path}/${route}`);
  }

  /** A check finds the version. */
  async find(resource: string, version: string): Promise<void> {
    await server.ask('POST', `${this.path}/resources/${resource}/check`, { from: { version } });
    await eventually(`${resource} finds ${version}`, () => this.versionId(resource, version));
  }

  async versionId(resource: string, version: string): Promise<number | undefined> {
    const versions = await this.get<{ id: number; version: { version: string } }[]>(`resources/${resource}/versions`);
    return versions.find((each) => each.version.version === version)?.id;
  }

  /** `disable`, `enable` or `pin`. */
  async mark(resource: string, version: string, verb: string, body?: unknown): Promise<void> {
    await this.put(`resources/${resource}/versions/${await this.versionId(resource, version)}/${verb}`, body);
  }

  async trigger(job: string): Promise<BuildView> {
    return server.ask('POST', `${this.path}/jobs/${job}/builds`);
  }

  /** Triggers the job and waits until it has succeeded. */
  async pass(job: string): Promise<void> {
    const { id } = await this.trigger(job);
    await eventually(`${job} succeeds`, async () => (await this.status(job, id)) === 'succeeded');
  }

  async status(job: string, id: number): Promise<string | undefined> {
    return (await this.builds(job)).find((build) => build.id === id)?.status;
  }

  builds(job: string): Promise<BuildView[]> {
    return this.get(`jobs/${job}/builds`);
  }

  explain(job = 'deploy'): Promise<Told> {
    return this.get(`jobs/${job}/explain`);
  }

  /** Asks until the answer is as wanted: the loops need a moment. */
  async until(wanted: (told: Told) => boolean, job = 'deploy'): Promise<Told> {
    let last: Told | undefined;
    return eventually(`explanation of ${job}`, async () => {
      last = await this.explain(job);
      return wanted(last) && last;
    }).catch((error: Error) => {
      throw new Error(`${error.message}; last: ${JSON.stringify(last)}`);
    });
  }

  /** Does what a fix asks for, as people would. */
  async apply({ changes }: { changes: Change[] }): Promise<void> {
    for (const change of changes) await this.applyOne(change);
  }

  private async applyOne(change: Change): Promise<void> {
    const all = await this.get<{ id: number; name: string }[]>('resources').catch(() => []);
    const ids = await server.database.db.query<{ id: number; name: string }>(`select id, name from resources`);
    const resource = ids.find(({ id }) => id === change.resourceId)?.name ?? '';
    const [declared] = this.config.resources?.filter(({ name }) => name === resource) ?? [];
    expect(resource === '' || all.some(({ name }) => name === resource)).toBe(true);
    switch (change.do) {
      case 'unpause-pipeline':
        return void (await this.put('unpause'));
      case 'unpause-job':
        return void (await this.put(`jobs/${change.job}/unpause`));
      case 'enable':
        return this.mark(resource, change.row!.version.version!, 'enable');
      case 'unpin':
        if (change.by === 'api') return void (await this.put(`resources/${resource}/unpin`));
        delete declared!.version;
        return void (await this.save());
      case 'find-version':
        declared!.source = {};
        await this.save();
        return this.find(resource, 'v1');
      case 'pass': {
        const [job] = await server.database.db.query<{ name: string }>(`select name from jobs where id = $1`, [
          change.jobId,
        ]);
        return this.pass(job!.name);
      }
      default:
        throw new Error(`no such fix: ${change.do}`);
    }
  }
}

const APP = `{name: app, type: mock, check_every: never, source: {}}`;
const DEPLOY = `{name: deploy, plan: [{get: app, trigger: true}]}`;
const AFTER_UNIT = `
resources: [${APP}]
jobs:
- {name: unit, plan: [{get: app}]}
- {name: deploy, plan: [{get: app, passed: [unit], trigger: true}]}`;
const TIME = String.raw`20\d\d-\d\d-\d\d \d\d:\d\d UTC`;
const verdicts = ({ inputs }: Told): string[] =>
  inputs.flatMap(({ name, candidates }) =>
    candidates.map(({ version, text }) => `${name} ${version.version}: ${text}`),
  );
const blockers = ({ builds }: Told): string[] => builds.flatMap((build) => build.blockers.map(({ text }) => text));
/** A task that goes on until the world's gate is opened. */
const gated = (world: World): string =>
  `{task: wait, config: {platform: linux, run: {path: sh, args: [-c, 'while [ ! -e ${world.gate} ]; do sleep 0.05; done']}}}`;

interface Situation {
  readonly title: string;
  readonly arrange: (world: World) => Promise<void>;
  /** Is it as arranged? */
  readonly when: (told: Told) => boolean;
  readonly says: string | RegExp;
  readonly verdicts?: readonly (string | RegExp)[];
  /** Texts of the fixes; each is applied in a world of its own, and the job must then have a build that succeeds. */
  readonly fixes: readonly string[];
}

const SITUATIONS: readonly Situation[] = [
  {
    title: 'the newest and only version is disabled',
    arrange: async (world) => {
      await world.set(`resources: [${APP}]\njobs: [{name: deploy, plan: [{get: app, trigger: true}]}]`);
      await world.put('jobs/deploy/pause', {});
      await world.find('app', 'v1');
      await world.mark('app', 'v1', 'disable', { reason: 'it loses data' });
      await world.until(({ builds }) => builds.length > 0);
      await world.put('jobs/deploy/unpause');
    },
    when: ({ builds }) => builds[0]?.blockers[0]?.kind === 'inputs',
    says: 'build #1 waits: input app: latest version of resource not found',
    verdicts: [new RegExp(`^app v1: disabled by admin on ${TIME}: it loses data$`)],
    fixes: ['enable v1 of app'],
  },
  {
    title: 'the upstream job never passed the version',
    arrange: async (world) => {
      await world.set(AFTER_UNIT);
      await world.find('app', 'v1');
    },
    when: ({ inputs }) => inputs[0]?.candidates.length === 1,
    says: 'input app: no satisfiable builds from passed jobs found for set of inputs',
    verdicts: ['app v1: has not passed unit'],
    fixes: ['job unit must pass on app v1'],
  },
  {
    title: 'versions passed, but never together',
    arrange: async (world) => {
      await world.set(`
resources: [${APP}, {name: conf, type: mock, check_every: never, source: {}}]
jobs:
- {name: unit, plan: [{get: app}, {get: conf}]}
- name: deploy
  plan: [{get: app, passed: [unit], trigger: true}, {get: conf, passed: [unit], trigger: true}]`);
      await world.put('jobs/deploy/pause', {});
      for (const version of ['v1', 'v2']) {
        await world.find('app', version);
        await world.find('conf', version);
        await world.pass('unit');
      }
      await world.mark('app', 'v1', 'pin');
      await world.mark('conf', 'v2', 'pin');
      await world.put('jobs/deploy/unpause');
    },
    when: ({ builds }) => builds[0]?.blockers[0]?.kind === 'inputs',
    says: /^build #1 waits: input app: no satisfiable builds from passed jobs found for set of inputs; input conf/,
    verdicts: [
      'app v2: not the pinned version v1',
      'app v1: passed unit in unit #1, which holds no usable version for input conf',
      'conf v2: passed unit in unit #2, which holds no usable version for input app',
      'conf v1: not the pinned version v2',
    ],
    fixes: ['unpin app', 'unpin conf', 'job unit must pass on app v1 and conf v2'],
  },
  {
    title: 'the pinned version does not exist',
    arrange: async (world) => {
      await world.set(
        `resources: [{name: app, type: mock, check_every: never, source: {}, version: {version: v9}}]\njobs: [${DEPLOY}]`,
      );
      await world.find('app', 'v1');
    },
    when: ({ inputs }) => inputs[0]?.candidates.length === 1,
    says: 'input app: pinned version version:v9 not found',
    verdicts: ['app v1: not the pinned version v9'],
    fixes: ['unpin app'],
  },
  {
    title: 'a pin excludes what has passed',
    arrange: async (world) => {
      await world.set(AFTER_UNIT);
      await world.put('jobs/deploy/pause', {});
      await world.find('app', 'v1');
      await world.find('app', 'v2');
      await world.pass('unit');
      await world.until(({ builds }) => builds.length > 0);
      await world.mark('app', 'v1', 'pin');
      await world.put('jobs/deploy/unpause');
    },
    when: ({ builds }) => builds[0]?.blockers[0]?.kind === 'inputs',
    says: /^build #1 waits: input app: no satisfiable builds/,
    verdicts: ['app v2: not the pinned version v1', 'app v1: has not passed unit'],
    fixes: ['unpin app', 'job unit must pass on app v1'],
  },
  {
    title: 'the upstream job has not passed the newer version',
    arrange: async (world) => {
      await world.set(AFTER_UNIT);
      await world.find('app', 'v1');
      await world.pass('unit');
      await eventually('deploy succeeds', async () => (await world.builds('deploy'))[0]?.status === 'succeeded');
      await world.find('app', 'v2');
    },
    when: ({ inputs, runs }) => inputs[0]?.candidates.length === 2 && !runs,
    says: 'nothing new since build #1',
    verdicts: ['app v2: has not passed unit', 'app v1: chosen, passed unit #1'],
    fixes: ['job unit must pass on app v2'],
  },
  {
    title: 'the newest version is disabled, and the one before was built',
    arrange: async (world) => {
      await world.set(`resources: [${APP}]\njobs: [${DEPLOY}]`);
      await world.find('app', 'v1');
      await eventually('deploy succeeds', async () => (await world.builds('deploy'))[0]?.status === 'succeeded');
      await world.put('jobs/deploy/pause', {});
      await world.find('app', 'v2');
      await world.until(({ builds }) => builds[0]?.name === '2');
      await world.mark('app', 'v2', 'disable', { reason: 'too slow' });
      const [{ id }] = (await world.builds('deploy')) as [BuildView];
      await server.ask('PUT', `/api/v1/builds/${id}/abort`);
      await eventually('build #2 is aborted', async () => (await world.status('deploy', id)) === 'aborted');
      await world.put('jobs/deploy/unpause');
    },
    when: ({ builds, runs, summary }) => builds.length === 0 && !runs && !summary.includes('paused'),
    says: 'nothing new since build #1',
    verdicts: [new RegExp(`^app v2: disabled by admin on ${TIME}: too slow$`), 'app v1: chosen'],
    fixes: ['enable v2 of app'],
  },
  {
    title: 'the job is paused',
    arrange: async (world) => {
      await world.set(`resources: [${APP}]\njobs: [${DEPLOY}]`);
      await world.put('jobs/deploy/pause', { reason: 'release week' });
      await world.find('app', 'v1');
    },
    when: ({ builds }) => builds.length > 0,
    says: new RegExp(`^(build #1|a new build) waits: the job is paused by admin since ${TIME}: release week$`),
    verdicts: ['app v1: chosen'],
    fixes: ['unpause job deploy'],
  },
  {
    title: 'the pipeline is paused',
    arrange: async (world) => {
      await world.set(`resources: [${APP}]\njobs: [{name: deploy, plan: [{get: app}]}]`);
      await world.find('app', 'v1');
      await world.put('pause', { reason: 'the cluster moves' });
      await world.trigger('deploy');
    },
    when: ({ builds }) => builds.length > 0,
    says: new RegExp(`^build #1 waits: the pipeline is paused by admin since ${TIME}: the cluster moves$`),
    fixes: ['unpause the pipeline'], // and then a fresh check, which comes by itself
  },
  {
    title: 'everything at once: paused twice, and the only version is disabled',
    arrange: async (world) => {
      await world.set(`resources: [${APP}]\njobs: [${DEPLOY}]`);
      await world.put('jobs/deploy/pause', {});
      await world.find('app', 'v1');
      await world.until(({ builds }) => builds[0]?.name === '1');
      await world.mark('app', 'v1', 'disable', {});
      await world.put('pause', {});
    },
    when: ({ builds, fixes }) => builds[0]?.blockers.length === 2 && fixes.length > 0,
    says: /^build #1 waits: the pipeline is paused by admin since .*; the job is paused by admin since /,
    fixes: ['unpause the pipeline and unpause job deploy and enable v1 of app'],
  },
  {
    title: 'the resource was never checked',
    arrange: (world) => world.set(`resources: [${APP}]\njobs: [${DEPLOY}]`),
    when: () => true,
    says: 'input app: latest version of resource not found (resource app was never checked)',
    fixes: ['app must find a version'],
  },
  {
    title: 'the check fails',
    arrange: (world) =>
      world.set(
        `resources: [{name: app, type: mock, source: {check_failure: 'no such host: git.example'}}]\njobs: [${DEPLOY}]`,
      ),
    when: ({ inputs }) => inputs[0]?.check.state === 'failed',
    says: new RegExp(
      `^input app: latest version of resource not found \\(the check of resource app failed at ${TIME}: .*no such host: git.example`,
    ),
    fixes: ['app must find a version'],
  },
];

describe.each(SITUATIONS)('$title', (situation) => {
  const arranged = async (): Promise<[World, Told]> => {
    const world = new World();
    await situation.arrange(world);
    return [world, await world.until(situation.when)];
  };

  it('is told, with what would help', async () => {
    const [, told] = await arranged();
    expect(told.runs).toBe(false);
    if (typeof situation.says === 'string') expect(told.summary).toBe(situation.says);
    else expect(told.summary).toMatch(situation.says);
    const seen = verdicts(told);
    situation.verdicts?.forEach((text, i) =>
      typeof text === 'string' ? expect(seen[i]).toBe(text) : expect(seen[i]).toMatch(text),
    );
    expect(told.fixes.map(({ text }) => text)).toEqual(situation.fixes);
  });

  it.each(situation.fixes)('%s: lets it run', async (text) => {
    const [world, told] = await arranged();
    const succeeded = async (): Promise<number> =>
      (await world.builds('deploy')).filter(({ status }) => status === 'succeeded').length;
    const before = await succeeded();
    await world.apply(told.fixes.find((each) => each.text === text)!.fix);
    await eventually('a build succeeds', async () => (await succeeded()) > before);
  });
});

describe('what passes by itself is told without a fix', () => {
  it('max in flight: which builds fill it, and the place in the queue', async () => {
    const world = new World();
    await world.set(`jobs: [{name: deploy, max_in_flight: 1, plan: [${gated(world)}]}]`);
    await world.trigger('deploy');
    await world.until(({ runs }) => runs);
    await world.trigger('deploy');
    await world.trigger('deploy');
    const told = await world.until(({ builds }) => builds.length === 2);
    expect(told.summary).toBe(
      'build #1 running; build #2 waits: the job runs at most 1 at once; running: deploy #1; place 1 in the queue (and 1 behind it)',
    );
    expect(blockers(told)[1]).toBe('the older build deploy #2 waits, and builds of a job start in order');
    expect(told.fixes).toEqual([]);
    writeFileSync(world.gate, '');
    await eventually('all succeed', async () =>
      (await world.builds('deploy')).every(({ status }) => status === 'succeeded'),
    );
  });

  it('a serial group: who holds it, and the place in it', async () => {
    const world = new World();
    const job = (name: string): string => `{name: ${name}, serial_groups: [db], plan: [${gated(world)}]}`;
    await world.set(`jobs: [${job('migrate')}, ${job('backup')}, ${job('deploy')}]`);
    for (const name of ['migrate', 'backup', 'deploy']) await world.trigger(name);
    await world.until(({ runs }) => runs, 'migrate');
    const told = await world.until(({ builds }) => builds.length === 1);
    expect(blockers(told)).toEqual([
      'serial group db runs one build at a time; running: migrate #1; place 2 in the queue',
    ]);
    expect(told.fixes).toEqual([]);
    writeFileSync(world.gate, '');
    await eventually('it succeeds', async () => (await world.builds('deploy'))[0]?.status === 'succeeded');
  });

  it('a check that must end first: of which resource, since when', async () => {
    const world = new World();
    await world.set(`
resources: [{name: app, type: mock, check_every: never, source: {check_delay: 1500ms}}]
jobs: [{name: deploy, plan: [{get: app}]}]`);
    await world.trigger('deploy');
    const told = await world.until(({ inputs }) => inputs[0]?.check.state === 'running');
    expect(told.summary).toMatch(
      new RegExp(`^build #1 waits: input app waits for a check of resource app that is newer than ${TIME}$`),
    );
    expect(told.inputs[0]?.check.text).toMatch(new RegExp(`^a check of resource app runs since ${TIME}$`));
    await eventually('it succeeds', async () => (await world.builds('deploy'))[0]?.status === 'succeeded');
  });

  it('nothing new: since which build', async () => {
    const world = new World();
    await world.set(`
resources: [${APP}, {name: image, type: mock, check_every: never, source: {}}]
jobs: [{name: deploy, plan: [{get: app, trigger: true}, {get: image}]}]`);
    await world.find('image', 'i1');
    await world.find('app', 'v1');
    await eventually('it succeeds', async () => (await world.builds('deploy'))[0]?.status === 'succeeded');
    const told = await world.until(({ running }: Told & { running?: unknown[] }) => running?.length === 0);
    expect(told).toMatchObject({ runs: false, builds: [], when_nothing_waits: 'nothing new since build #1' });
    await world.find('image', 'i2');
    const later = await world.until(({ inputs }) => inputs[1]?.chosen?.version === 'i2');
    expect(later.summary).toBe('nothing new since build #1; input image has a new version, but does not trigger');
    expect(verdicts(later)).toEqual(['app v1: chosen', 'image i2: chosen', 'image i1: a newer version is used']);
    await world.find('app', 'v2');
    await eventually('build #2 succeeds', async () => {
      const [newest] = await world.builds('deploy');
      return newest?.name === '2' && newest.status === 'succeeded';
    });
  });

  it('a job that nothing triggers', async () => {
    const world = new World();
    await world.set(`resources: [${APP}]\njobs: [{name: deploy, plan: [{get: app}]}, {name: alone, plan: []}]`);
    await world.find('app', 'v1');
    const told = await world.until(({ inputs }) => inputs[0]?.chosen !== undefined);
    expect(told.summary).toBe('no input triggers, so only people start the job');
    expect((await world.explain('alone')).summary).toBe('the job has no inputs, so only people start it');
  });
});

describe('a build', () => {
  const world = new World();
  const explain = (id: number): Promise<{ summary: string; cause: object; inputs: object[]; blockers: object[] }> =>
    server.ask('GET', `/api/v1/builds/${id}/explain`);
  beforeAll(async () => {
    await world.set(AFTER_UNIT);
    await world.find('app', 'v1');
    await world.pass('unit');
    await eventually('deploy succeeds', async () => (await world.builds('deploy'))[0]?.status === 'succeeded');
  });

  it('that was made by itself says which input was new, and which builds vouch for it', async () => {
    const [build] = await world.builds('deploy');
    const [unit] = await world.builds('unit');
    expect(await explain(build!.id)).toMatchObject({
      summary: 'build #1 was made because input app had the new version v1',
      cause: { kind: 'automatic', inputs: ['app'] },
      inputs: [
        {
          name: 'app',
          version: { version: 'v1' },
          first_occurrence: true,
          vouched_by: [{ id: unit!.id, name: 'unit #1' }],
          text: 'v1, new to the job, passed unit #1',
        },
      ],
      blockers: [],
    });
  });

  it('that somebody triggered says who', async () => {
    const [unit] = await world.builds('unit');
    expect(await explain(unit!.id)).toMatchObject({
      summary: 'build #1 was triggered by admin',
      cause: { kind: 'manual', by: 'admin' },
    });
  });

  it('that was run again says which one, by whom', async () => {
    const path = `/api/v1/teams/main/pipelines/${world.name}/jobs/unit/builds/1`;
    const { id } = await server.ask<BuildView>('POST', path);
    await eventually('it succeeds', async () => (await world.status('unit', id)) === 'succeeded');
    expect(await explain(id)).toMatchObject({
      summary: 'build #1.1 runs build #1 again, asked for by admin',
      cause: { kind: 'rerun', of: { name: '1' }, by: 'admin' },
      inputs: [{ text: 'v1, used before' }],
    });
  });

  it('that waits says for what, and what would help', async () => {
    await world.put('jobs/unit/pause', { reason: 'holidays' });
    const { id } = await world.trigger('unit');
    expect(await explain(id)).toMatchObject({
      summary: expect.stringMatching(
        /^build #2 was triggered by admin; it waits: the job is paused by admin since .*: holidays$/,
      ),
      blockers: [{ kind: 'job-paused', by: 'admin', reason: 'holidays' }],
      inputs: [],
    });
  });

  it('of a check says whose', async () => {
    const [check] = await server.database.db.query<{ id: number }>(
      `select b.id from builds b join pipelines p on p.id = b.pipeline_id where p.name = $1 and b.resource_id is not null`,
      [world.name],
    );
    expect(await explain(check!.id)).toMatchObject({ summary: 'build #check checks resource app, asked for by admin' });
  });
});

describe('weir explain', () => {
  const cli = new CliRunner();
  beforeAll(() => {
    cli.env.WEIR_TARGET_URL = server.url;
    cli.env.WEIR_TOKEN = server.token;
  });

  it('draws a tree for people', async () => {
    const world = new World();
    await world.set(AFTER_UNIT);
    await world.find('app', 'v1');
    const { out, code } = await cli.run('explain', `${world.name}/deploy`);
    expect(code).toBe(0);
    expect(out).toBe(
      [
        `${world.name}/deploy: input app: no satisfiable builds from passed jobs found for set of inputs`,
        '├─ input app (triggers; passed unit): no satisfiable builds from passed jobs found for set of inputs',
        '│  └─ version:v1  has not passed unit',
        '└─ what would help',
        '   └─ job unit must pass on app v1',
        '',
      ].join('\n'),
    );
    await world.pass('unit');
    await eventually('deploy succeeds', async () => (await world.builds('deploy'))[0]?.status === 'succeeded');
    expect((await cli.run('explain', `${world.name}/deploy`, '--build', '1')).out).toBe(
      `${world.name}/deploy: build #1 was made because input app had the new version v1\n└─ input app: v1, new to the job, passed unit #1\n`,
    );
    expect(JSON.parse((await cli.run('explain', `${world.name}/deploy`, '--json')).out)).toMatchObject({
      summary: 'nothing new since build #1',
    });
  });

  it('names a near name for an unknown job', async () => {
    const world = new World();
    await world.set(AFTER_UNIT);
    const { code, err } = await cli.run('explain', `${world.name}/deply`);
    expect([code, err]).toEqual([1, expect.stringContaining('did you mean "deploy"?')]);
  });
});

describe('metrics', () => {
  it('count rounds, checks and builds, and show no pending build without a reason', async () => {
    const answer = await server.fetch('GET', '/metrics');
    const text = await answer.text();
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, expect.stringMatching(/^text\/plain/)]);
    const value = (line: string): number =>
      Number(
        text
          .split('\n')
          .find((each) => each.startsWith(`${line} `))
          ?.split(' ')[1],
      );
    expect(value('weir_pending_builds_without_reason_total')).toBe(0);
    expect(value('weir_builds_finished_total{kind="job",status="succeeded"}')).toBeGreaterThan(5);
    expect(value('weir_scheduling_rounds_total{outcome="done"}')).toBeGreaterThan(10);
    expect(value('weir_scheduling_round_seconds_count')).toBeGreaterThan(10);
    expect(value('weir_checks_total{outcome="succeeded"}')).toBeGreaterThan(5);
    expect(value('weir_checks_total{outcome="failed"}')).toBeGreaterThan(0);
    expect(value('weir_loop_failures_total{loop="scheduling"}')).toBe(0);
    expect(value('process_resident_memory_bytes')).toBeGreaterThan(1e6);
    expect(await server.ask('GET', '/api/v1/health')).toMatchObject({ watchdog: { pending_without_reason: 0 } });
  });

  it('are closed without a token', async () => {
    expect((await fetch(`${server.url}/metrics`)).status).toBe(401);
  });
});
