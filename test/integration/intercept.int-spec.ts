import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { WebSocket } from 'ws';
import { BuildTracker } from '../../src/builds/index.js';
import { ApiServer } from '../support/api-server.js';
import { eventually } from '../support/eventually.js';
import { until } from '../support/team-server.js';

let server: ApiServer;
beforeAll(async () => {
  server = await ApiServer.start({ runtime: 'host' });
  await server.ask('PUT', '/api/v1/teams/other', { auth: { owner: { users: ['local:somebody'], groups: [] } } });
});
afterAll(() => server.stop());

const CONTAINERS = '/api/v1/teams/main/containers';
const hasScript = process.platform === 'linux' && existsSync('/usr/bin/script');
if (!hasScript) console.warn('skipped: terminals on the host need `script` of util-linux');

interface ContainerView {
  readonly id: string;
  readonly build_id: number;
  readonly [field: string]: unknown;
}

const task = (id: string, script: string, more: Record<string, unknown> = {}): Record<string, unknown> => ({
  id,
  task: {
    name: 'look',
    privileged: false,
    config: {
      platform: process.platform,
      params: { GREETING: 'hello' },
      run: { path: 'sh', args: ['-ec', script] },
      ...more,
    },
  },
});

async function started(plan: unknown): Promise<number> {
  return (await server.ask<{ id: number }>('POST', '/api/v1/teams/main/builds', plan)).id;
}

async function ended(id: number): Promise<string> {
  const read = (): Promise<{ status: string }> => server.ask('GET', `/api/v1/builds/${id}`);
  const { status } = await until(read, (b) => !['pending', 'started'].includes(b.status), `the end of build ${id}`);
  return status;
}

async function containerOf(build: number): Promise<ContainerView> {
  return eventually(`a container of build ${build}`, async () => {
    const [found] = await server.ask<ContainerView[]>('GET', `${CONTAINERS}?build_id=${build}`);
    return found;
  });
}

/** Speaks to a container as `fly intercept` does. */
class Hijack {
  readonly messages: Record<string, unknown>[] = [];
  output = '';
  closeCode: number | undefined;
  private constructor(readonly socket: WebSocket) {
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as Record<string, unknown>;
      this.messages.push(message);
      const bytes = (message['stdout'] ?? message['stderr']) as string | undefined;
      if (bytes !== undefined) this.output += Buffer.from(bytes, 'base64').toString();
    });
    socket.on('close', (code) => (this.closeCode = code));
  }

  static async into(handle: string, first: unknown, team = 'main'): Promise<Hijack> {
    const url = `${server.url.replace('http', 'ws')}/api/v1/teams/${team}/containers/${handle}/hijack`;
    const socket = new WebSocket(url, { headers: { authorization: `Bearer ${server.token}` } });
    const hijack = new Hijack(socket);
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    socket.send(typeof first === 'string' ? first : JSON.stringify(first));
    return hijack;
  }

  type(text: string): void {
    this.socket.send(JSON.stringify({ stdin: Buffer.from(text).toString('base64') }));
  }

  send(message: unknown): void {
    this.socket.send(JSON.stringify(message));
  }

  said(text: string): Promise<true> {
    return eventually(`"${text}" in ${JSON.stringify(this.output)}`, async () => this.output.includes(text));
  }

  /** The last message, when the server has closed the connection. */
  async end(): Promise<Record<string, unknown> | undefined> {
    await eventually('the end of the connection', async () => this.closeCode !== undefined);
    return this.messages.at(-1);
  }
}

describe('a step of the host', () => {
  it('is found by what it is while it runs, and a command in it sees its files and environment', async () => {
    const build = await started(task('1', 'echo made > file; until [ -e done ]; do sleep 0.05; done'));
    const container = await containerOf(build);
    expect(container).toEqual({
      id: `b${build}-s1`,
      worker_name: 'host',
      state: 'created',
      type: 'task',
      step_name: 'look',
      build_id: build,
      build_name: String(build),
    });
    expect(await server.ask('GET', `${CONTAINERS}/${container.id}`)).toEqual(container);
    await eventually('the file', async () => {
      const look = await Hijack.into(container.id, { path: 'cat', args: ['file'] });
      await look.end();
      return look.output === 'made\n';
    });
    const shell = await Hijack.into(container.id, {
      path: 'sh',
      args: [],
      env: ['TERM=xterm'],
      privileged: true,
      tty: null,
    });
    shell.type('echo $GREETING $TERM; echo oops >&2\n');
    await shell.said('hello xterm\n');
    await shell.said('oops\n');
    shell.type('touch done; exit 7\n');
    expect(await shell.end()).toEqual({ exit_status: 7 });
    expect(await ended(build)).toBe('succeeded');
  });

  it('finds the container of a one-off build that has succeeded', async () => {
    const build = await started(task('1', 'echo made >file'));
    expect(await ended(build)).toBe('succeeded');
    await sweep();
    const look = await Hijack.into((await containerOf(build)).id, { path: 'cat', args: ['file'] });
    expect(await look.end()).toEqual({ exit_status: 0 });
    expect(look.output).toBe('made\n');
  });

  it('ends a command at the end of its input, and leaves nothing running when the client goes', async () => {
    const build = await started(task('1', 'exec sleep 60'));
    const { id } = await containerOf(build);
    const cat = await Hijack.into(id, { path: 'cat', args: null });
    cat.type('x'.repeat(20_000));
    cat.send({ closed: true });
    expect(await cat.end()).toEqual({ exit_status: 0 });
    expect(cat.output.length).toBe(20_000);
    // Numbers of processes mean nothing outside of a sandbox, so a strange duration is how they are known.
    const script = 'sleep 600.4711 & sleep 600.4711 & echo both; wait';
    const left = await Hijack.into(id, { path: 'sh', args: ['-c', script] });
    await left.said('both\n');
    await eventually('two processes', async () => commandLines().filter(isStrange).length === 2);
    left.socket.terminate();
    await eventually('the end of what it ran', async () => !commandLines().some(isStrange));
    await server.ask('PUT', `/api/v1/builds/${build}/abort`);
    expect(await ended(build)).toBe('aborted');
  });

  (hasScript ? it : it.skip)('gives a terminal of the size that the client has, also later', async () => {
    const build = await started(task('1', 'exec sleep 60'));
    const { id } = await containerOf(build);
    const size = (columns: number, rows: number): unknown => ({ window_size: { columns, rows } });
    const shell = await Hijack.into(id, { path: 'sh', args: [], env: ['TERM=dumb', 'PS1=>'], tty: size(101, 33) });
    shell.type('stty size; [ -t 1 ] && echo "a ter"minal\n');
    await shell.said('33 101\r\n');
    await shell.said('a terminal\r\n');
    shell.send({ tty: size(0, 0) }); // of a terminal that does not know
    shell.send({ tty: size(77, 22) });
    shell.type('sleep 0.2; echo "now $(stty size)"\n');
    await shell.said('now 22 77\r\n');
    shell.type('exit 3\n');
    expect(await shell.end()).toEqual({ exit_status: 3 });
    const unsized = await Hijack.into(id, { path: 'stty', args: ['size'], env: ['TERM=dumb'], tty: size(0, 0) });
    await unsized.said('24 80\r\n');
    expect(await unsized.end()).toEqual({ exit_status: 0 });
    await server.ask('PUT', `/api/v1/builds/${build}/abort`);
    await ended(build);
  });

  it('stays after a failure with all its files, outputs too, until its time is over', async () => {
    const plan = task('1', 'echo kept > out/f; echo top > top; exit 4', { outputs: [{ name: 'out' }] });
    const build = await started(plan);
    expect(await ended(build)).toBe('failed');
    const { id } = await containerOf(build);
    const look = await Hijack.into(id, { path: 'sh', args: ['-c', 'cat out/f top; echo $GREETING'] });
    expect(await look.end()).toEqual({ exit_status: 0 });
    expect(look.output).toBe('kept\ntop\nhello\n');
    await sweep();
    expect(await server.ask('GET', `${CONTAINERS}?build_id=${build}`)).toHaveLength(1);
    await server.database.db.query(`update builds set ended_at = now() - interval '6 minutes' where id = $1`, [build]);
    await sweep();
    // Somebody was there a moment ago.
    expect(await server.ask('GET', `${CONTAINERS}?build_id=${build}`)).toHaveLength(1);
    await server.database.db.query(`delete from interceptions`);
    await sweep();
    expect(await server.ask('GET', `${CONTAINERS}?build_id=${build}`)).toEqual([]);
    expect((await server.fetch('GET', `${CONTAINERS}/${id}`)).status).toBe(404);
  });

  it('of a failed build goes when a later build of its job is over, and that of a good build at once', async () => {
    const pipeline = '/api/v1/teams/main/pipelines/p';
    const config = (script: string): unknown => ({
      jobs: [
        {
          name: 'j',
          plan: [{ task: 't', attempts: 2, config: (task('1', script)['task'] as { config: unknown }).config }],
        },
      ],
    });
    await server.ask('PUT', `${pipeline}/config`, JSON.parse(JSON.stringify(config('exit 1'))) as never);
    await server.ask('PUT', `${pipeline}/unpause`);
    const first = await server.ask<{ id: number }>('POST', `${pipeline}/jobs/j/builds`);
    expect(await ended(first.id)).toBe('failed');
    const filters = 'pipeline_name=p&job_name=j&build_name=1&type=task&step_name=t';
    const found = await server.ask<ContainerView[]>('GET', `${CONTAINERS}?${filters}`);
    expect(found.map(({ attempt, job_name: job, pipeline_name: of }) => [attempt, job, of])).toEqual([
      ['1', 'j', 'p'],
      ['2', 'j', 'p'],
    ]);
    expect(await server.ask('GET', `${CONTAINERS}?${filters}&attempt=2`)).toEqual([found[1]]);
    for (const other of ['build_name=2', 'step_name=x', 'job_name=x', 'type=get', 'pipeline_id=999', 'vars.a=1']) {
      expect(await server.ask('GET', `${CONTAINERS}?pipeline_name=p&${other}`)).toEqual([]);
    }
    await server.ask('PUT', `${pipeline}/config`, JSON.parse(JSON.stringify(config('true'))) as never);
    const second = await server.ask<{ id: number }>('POST', `${pipeline}/jobs/j/builds`);
    expect(await ended(second.id)).toBe('succeeded');
    await sweep();
    await eventually('no container', async () => {
      return (await server.ask<ContainerView[]>('GET', `${CONTAINERS}?pipeline_name=p`)).length === 0;
    });
  });
});

describe('the way into a container', () => {
  it('says that a command is not there, and why one cannot be run', async () => {
    const build = await started(task('1', 'exec sleep 60'));
    const { id } = await containerOf(build);
    expect(await (await Hijack.into(id, { path: 'no-such-shell', args: [] })).end()).toEqual({
      executable_not_found: true,
    });
    const lost = await (await Hijack.into(id, { path: 'ls', dir: 'not/there' })).end();
    expect(lost).toEqual({ error: expect.stringContaining('not/there') });
    for (const bad of ['{', '[]', '{"path":""}', { path: 'sh', args: 'x' }, { path: 'sh', env: ['=x'] }]) {
      const refused = await Hijack.into(id, bad);
      await refused.end();
      expect([refused.closeCode, refused.messages]).toEqual([1003, []]);
    }
    await server.ask('PUT', `/api/v1/builds/${build}/abort`);
    await ended(build);
  });

  it('is closed to other teams, to strangers, to pages of others, and to those who want no web socket', async () => {
    const build = await started(task('1', 'exec sleep 60'));
    const { id } = await containerOf(build);
    expect(await server.ask('GET', '/api/v1/teams/other/containers')).toEqual([]);
    expect((await server.fetch('GET', `/api/v1/teams/other/containers/${id}`)).status).toBe(404);
    await expect(Hijack.into(id, { path: 'sh' }, 'other')).rejects.toThrow('404');
    await expect(Hijack.into('b999999-s1', { path: 'sh' })).rejects.toThrow('404');
    await expect(Hijack.into('..%2F..', { path: 'sh' })).rejects.toThrow('404');
    const url = `${server.url.replace('http', 'ws')}${CONTAINERS}/${id}/hijack`;
    const refusal = (headers: Record<string, string>): Promise<string> =>
      new Promise((resolve) => new WebSocket(url, { headers }).once('error', ({ message }) => resolve(message)));
    expect(await refusal({})).toContain('401');
    const authorization = `Bearer ${server.token}`;
    expect(await refusal({ authorization, origin: 'https://evil.example' })).toContain('403');
    expect((await server.fetch('GET', `${CONTAINERS}/${id}/hijack`)).status).toBe(426);
    expect((await server.fetch('GET', `${CONTAINERS}?build_id=x`)).status).toBe(400);
    expect((await server.fetch('GET', `${CONTAINERS}?type=pod`)).status).toBe(400);
    const other = new WebSocket(`${server.url.replace('http', 'ws')}/api/v1/info`);
    expect(await new Promise((resolve) => other.once('error', ({ message }) => resolve(message)))).toContain('200');
    await server.ask('PUT', `/api/v1/builds/${build}/abort`);
    await ended(build);
  });
});

const isStrange = (line: string): boolean => line.startsWith('sleep 600.4711');

function commandLines(): string[] {
  return execFileSync('ps', ['-axo', 'args=']).toString().split('\n');
}

/** As the engine does from time to time. */
function sweep(): Promise<void> {
  return server.app.get<{ sweep(): Promise<void> }>(BuildTracker).sweep();
}
