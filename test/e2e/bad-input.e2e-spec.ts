import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BAD_CONFIGS, GOOD_CONFIG } from '../support/bad-configs.js';
import { GitRepository } from '../support/git-repository.js';
import { freePort, ServerProcess } from '../support/server-process.js';
import { pipelinePath, TeamServer, until } from '../support/team-server.js';

/** Acceptance A8: each bad input has its clear error, and nothing is changed by it. */
let server: TeamServer;
let hanging: Server;
beforeAll(async () => {
  server = await TeamServer.start();
  hanging = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(hanging, 'listening');
}, 60_000);
afterAll(async () => {
  hanging.close();
  await server.stop();
});

describe('a pipeline that cannot be', () => {
  it.each(BAD_CONFIGS)('%s', async (_title, yaml, line, column, words) => {
    await server.setPipeline('config', GOOD_CONFIG);
    const before = await server.get(`${pipelinePath('config')}/config`);
    const answer = await server.process.fetch('PUT', `${pipelinePath('config')}/config`, yaml, 'application/x-yaml');
    const { errors } = (await answer.json()) as { errors: string[] };
    expect(answer.status).toBe(400);
    const told = errors.find((error) => words.test(error));
    expect(told ?? errors).toEqual(expect.stringMatching(words));
    const [, atLine, atColumn] = /(\d+):(\d+)/.exec(told ?? '') ?? [];
    if (column > 0) expect([Number(atLine), Number(atColumn)]).toEqual([line, column]);
    else expect(Number(atLine)).toBeGreaterThan(0);
    expect(await server.get(`${pipelinePath('config')}/config`)).toEqual(before);
  });
});

describe('a build that cannot succeed', () => {
  it('names artifact and path of a missing task file', async () => {
    await server.setPipeline(
      'missing-file',
      `{resources: [{name: repo, type: mock, source: {}}], jobs: [{name: build, plan: [{get: repo, trigger: true}, {task: t, file: repo/ci/none.yml}]}]}`,
    );
    const build = await server.untilNewestEnds('missing-file', 'build');
    expect(build.status).toBe('errored');
    expect(await server.logOf(build)).toMatch(/ci\/none\.yml.*repo|repo.*ci\/none\.yml/s);
  }, 60_000);

  it('kills a task that ignores TERM', async () => {
    await server.setPipeline(
      'stubborn',
      `{resources: [{name: repo, type: mock, source: {}}], jobs: [{name: build, plan: [{get: repo, trigger: true},
        {task: t, config: {platform: linux, run: {path: sh, args: [-c, 'trap "" TERM INT; echo up; while :; do sleep 0.1; done']}}}]}]}`,
    );
    const [build] = await server.untilBuilds('stubborn', 'build', ([b]) => b?.status === 'started');
    await until(
      () => server.logOf(build!),
      (log) => log.includes('up'),
      'the task',
    );
    await server.put(`/api/v1/builds/${build!.id}/abort`);
    expect((await server.untilNewestEnds('stubborn', 'build')).status).toBe('aborted');
    await until(
      () => Promise.resolve(stepProcesses(server.folder)),
      (left) => left.length === 0,
      'processes of the step',
      5_000,
    );
  }, 60_000);
});

describe('a check that cannot succeed', () => {
  const errorOf = (name: string): Promise<string> =>
    until(
      async () => {
        const [row] = await server.database.db.query<{ error: string | null }>(
          `select h.check_error as error from resources r join histories h on h.id = r.history_id join pipelines p on p.id = r.pipeline_id where p.name = $1`,
          [name],
        );
        return row?.error ?? '';
      },
      (error) => error !== '',
      `the check error of ${name}`,
    );
  const watching = (source: string, more = ''): string =>
    `{resources: [{name: app, type: git, source: ${source}${more}}], jobs: [{name: build, plan: [{get: app, trigger: true}]}]}`;

  it('says that the repository is gone, keeps the versions, and recovers with the repository', async () => {
    const repository = await GitRepository.create(path.join(server.folder, 'gone'));
    await repository.commit('one');
    await server.setPipeline('gone', watching(`{uri: "${repository.path}", branch: main}`));
    await server.untilNewestEnds('gone', 'build');
    await rename(repository.path, `${repository.path}.away`);
    expect(await errorOf('gone')).toMatch(/repository|not (found|exist)|does not/i);
    expect(await server.get<unknown[]>(`${pipelinePath('gone')}/resources/app/versions`)).toHaveLength(1);
    await rename(`${repository.path}.away`, repository.path);
    await repository.commit('two');
    await server.put(`${pipelinePath('gone')}/resources/app/pause`, {});
    await server.put(`${pipelinePath('gone')}/resources/app/unpause`);
    await server.untilBuilds('gone', 'build', (builds) => builds.length === 2);
  }, 60_000);

  it('ends a check that hangs at its deadline, and says so', async () => {
    const { port } = hanging.address() as { port: number };
    await server.setPipeline(
      'hangs',
      watching(`{uri: "git://127.0.0.1:${port}/x.git", branch: main}`, ', check_timeout: 2s'),
    );
    expect(await errorOf('hangs')).toMatch(/timed out after 2s/);
  }, 60_000);

  it('refuses a check that prints more than 100 MB, in bounded memory', async () => {
    const flood = await floodingRemote(160 * 1024 * 1024);
    try {
      await server.setPipeline('floods', watching(`{uri: "${flood.uri}", tag_filter: "*"}`));
      expect(await errorOf('floods')).toMatch(/printed too much|more than \d+/);
    } finally {
      flood.server.close();
    }
    const status = existsSync('/proc/self') ? await readFile(`/proc/${server.process.pid}/status`, 'utf8') : '';
    const peakKb = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0);
    expect(peakKb).toBeLessThan(700_000);
  }, 120_000);
});

describe('a server that cannot start', () => {
  it('names the port that is in use, and leaves nothing running', async () => {
    const folder = temporaryFolder('weir-port-');
    const port = await freePort();
    const occupant = createServer().listen(port, '127.0.0.1');
    await once(occupant, 'listening');
    const second = new ServerProcess({ dataDir: path.join(folder, 'data'), port });
    await expect(second.start()).rejects.toThrow(/ended with 1/);
    expect(second.output).toMatch(new RegExp(`${port}.*in use|in use.*${port}`));
    expect(second.output).not.toMatch(/\n\s+at /);
    occupant.close();
    expect(processesNaming(folder)).toEqual([]);
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  it('refuses the data folder of a newer version and changes nothing in it', async () => {
    const folder = temporaryFolder('weir-newer-');
    const dataDir = path.join(folder, 'data');
    const first = new ServerProcess({ dataDir });
    await first.start();
    expect(await first.stop()).toBe(0);
    const marker = path.join(dataDir, 'weir.json');
    const newer = JSON.stringify({ ...(JSON.parse(await readFile(marker, 'utf8')) as object), format: 99 });
    await writeFile(marker, newer);
    const second = new ServerProcess({ dataDir });
    await expect(second.start()).rejects.toThrow(/ended with 1/);
    expect(second.output).toMatch(/newer|version/i);
    expect(await readFile(marker, 'utf8')).toBe(newer);
    await rm(folder, { recursive: true, force: true });
  }, 90_000);
});

describe('a machine that fails under load', () => {
  const counting = `{resources: [{name: clock, type: time, source: {interval: 1s}}], jobs: [{name: build, plan: [{get: clock, trigger: true},
    {task: t, config: {platform: linux, run: {path: sh, args: [-c, 'for i in 1 2 3 4 5 6 7 8 9 10; do echo line $i; sleep 0.05; done']}}}]}]}`;

  it('goes on by itself after PostgreSQL was stopped and started, with nothing lost', async () => {
    const folder = temporaryFolder('weir-pg-');
    const own = new ServerProcess({ dataDir: path.join(folder, 'data'), env: { WEIR_CHECK_INTERVAL: '300ms' } });
    await own.start();
    try {
      for (const name of ['a', 'b', 'c']) {
        await own.request('PUT', `${pipelinePath(name)}/config`, counting, 'application/x-yaml');
        await own.request('PUT', `${pipelinePath(name)}/unpause`);
      }
      // While PostgreSQL is away the API says so (503); what counts is that it comes back by itself.
      const builds = (): Promise<{ id: number; status: string }[]> =>
        own.request<{ id: number; status: string }[]>('GET', '/api/v1/builds?limit=1000').catch(() => []);
      await until(builds, (list) => list.length >= 3, 'first builds');
      for (let stop = 0; stop < 3; stop++) {
        const [postmaster] = processesNaming(folder).filter(({ command }) => /postgres\0?.*-D/.test(command));
        expect(postmaster).toBeDefined();
        process.kill(postmaster!.pid, stop === 1 ? 'SIGKILL' : 'SIGINT');
        const list = await until(builds, (found) => found.length > 0, 'recovery');
        const newest = Math.max(...list.map((b) => b.id));
        await until(
          builds,
          (found) => found.some((b) => b.id > newest && b.status === 'succeeded'),
          'a build after the stop',
          60_000,
        );
      }
      for (const name of ['a', 'b', 'c']) {
        const pause = (): Promise<boolean> => own.fetch('PUT', `${pipelinePath(name)}/pause`, {}).then(({ ok }) => ok);
        await until(pause, (ok) => ok, `the pause of ${name}`);
      }
      const all = await until(
        builds,
        (found) => found.length > 0 && found.every((b) => b.status !== 'started'),
        'the end of all builds',
      );
      expect(all.filter((b) => b.status !== 'succeeded' && b.status !== 'pending')).toEqual([]);
    } finally {
      await own.stop();
    }
    expect(processesNaming(folder)).toEqual([]);
    await rm(folder, { recursive: true, force: true });
  }, 180_000);

  const canMount = process.getuid?.() === 0 && tryMount();
  if (!canMount)
    console.warn('SKIPPED: full disk for logs (mounting a small file system needs root and the right to mount)');
  (canMount ? it : it.skip)(
    'says that the disk is full, and works again when it is not',
    async () => {
      const folder = temporaryFolder('weir-full-');
      const steps = path.join(folder, 'data', 'steps');
      const own = new ServerProcess({ dataDir: path.join(folder, 'data') });
      await own.start();
      await own.login(); // the password is printed once
      await own.stop();
      await mkdir(steps, { recursive: true });
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m,mode=0755', 'tmpfs', steps]);
      try {
        await own.start();
        const job = (name: string, script: string): string =>
          `{name: ${name}, plan: [{task: t, config: {platform: linux, run: {path: sh, args: [-c, "${script}"]}}}]}`;
        const yaml = `{jobs: [${job('flood', 'yes 0123456789 | head -c 8000000')}, ${job('quiet', 'echo hello')}]}`;
        await own.request('PUT', `${pipelinePath('full')}/config`, yaml, 'application/x-yaml');
        await own.request('PUT', `${pipelinePath('full')}/unpause`);
        const run = async (name: string): Promise<{ status: string; events: string }> => {
          const { id } = await own.request<{ id: number }>('POST', `${pipelinePath('full')}/jobs/${name}/builds`);
          const { status } = await until(
            () => own.request<{ status: string }>('GET', `/api/v1/builds/${id}`),
            (build) => build.status !== 'pending' && build.status !== 'started',
            `the end of ${name}`,
          );
          return { status, events: await eventsOf(own, id) };
        };
        const flood = await run('flood');
        expect(flood.status).toBe('errored');
        expect(flood.events).toMatch(/disk is full|no space left/i);
        expect(await run('quiet')).toMatchObject({ status: 'succeeded', events: expect.stringContaining('hello') });
      } finally {
        await own.stop();
        execFileSync('umount', ['-l', steps]);
      }
      await rm(folder, { recursive: true, force: true });
    },
    90_000,
  );
});

/** A git remote that advertises tags until it has sent `bytes`. */
async function floodingRemote(bytes: number): Promise<{ server: Server; uri: string }> {
  const line = (text: string): string => (text.length + 4).toString(16).padStart(4, '0') + text;
  function* advertisement(): Generator<string> {
    yield line(`${'1'.repeat(40)} HEAD\0agent=flood\n`);
    for (let sent = 0, n = 0; sent < bytes; sent += 64 * 1024) {
      let chunk = '';
      while (chunk.length < 64 * 1024) chunk += line(`${'1'.repeat(40)} refs/tags/v${String(n++).padStart(9, '0')}\n`);
      yield chunk;
    }
    yield '0000';
  }
  const remote = createServer((socket) => {
    socket.on('error', () => undefined); // the client had enough
    socket.once('data', () => Readable.from(advertisement()).pipe(socket));
  }).listen(0, '127.0.0.1');
  await once(remote, 'listening');
  return { server: remote, uri: `git://127.0.0.1:${(remote.address() as { port: number }).port}/x.git` };
}

/** The build's event stream up to its end, as text. */
async function eventsOf(own: ServerProcess, id: number): Promise<string> {
  const answer = await own.fetch('GET', `/api/v1/builds/${id}/events`);
  let text = '';
  for await (const chunk of answer.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.includes('event: end')) break;
  }
  return text;
}

/** Open to the user that PostgreSQL runs as when we are root. */
function temporaryFolder(prefix: string): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), prefix));
  chmodSync(folder, 0o755);
  return folder;
}

function tryMount(): boolean {
  const dir = temporaryFolder('weir-mount-');
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', dir], { stdio: 'ignore' });
    execFileSync('umount', [dir], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Live processes whose command line names the folder (Linux). */
function processesNaming(folder: string): { pid: number; command: string }[] {
  if (!existsSync('/proc/self')) return [];
  return execFileSync('sh', ['-c', `grep -lsaF -- "${folder}" /proc/[0-9]*/cmdline || true`], { encoding: 'utf8' })
    .split('\n')
    .filter((file) => file !== '' && !file.includes('self'))
    .flatMap((file) => {
      const pid = Number(file.split('/')[2]);
      try {
        return [{ pid, command: readFileSync(file, 'utf8').replaceAll('\0', ' ') }];
      } catch {
        return []; // it was the look itself
      }
    })
    .filter(({ command }) => !command.startsWith('sh -c') && !command.startsWith('grep'));
}

const stepProcesses = (folder: string): unknown[] => processesNaming(path.join(folder, 'data', 'steps'));
