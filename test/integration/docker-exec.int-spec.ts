import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { removeTree } from '../../src/runtime/files.js';
import {
  DirectoryArtifactStore,
  DockerRuntime,
  ExecutableNotFound,
  type ExecSpec,
  type StepSpec,
} from '../../src/runtime/index.js';
import { BUSYBOX, TestDocker } from '../support/docker-daemon.js';
import { eventually } from '../support/eventually.js';
import { never, until } from '../support/runtime-contract.js';

const docker = await TestDocker.start();
const suite = docker === undefined ? describe.skip : describe;

suite('a command in the container of a step', () => {
  const daemon = docker!;
  let dir: string;
  let runtime: DockerRuntime;
  beforeAll(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), 'weir-docker-exec-'));
    runtime = new DockerRuntime(daemon.client, new DirectoryArtifactStore(dir), 'exec');
  });
  afterAll(async () => {
    await daemon.stop();
    await removeTree(dir);
  });

  const step = (handle: string, script: string): StepSpec => ({
    handle,
    labels: {},
    argv: ['/bin/sh', '-c', script],
    env: { GREETING: 'hello' },
    mounts: [{ path: 'out', source: { output: 'out' } }],
    stdoutTo: 'log',
    image: { ref: BUSYBOX },
  });

  async function say(
    handle: string,
    spec: Partial<ExecSpec> & Pick<ExecSpec, 'argv'>,
    typed = '',
  ): Promise<[string, number]> {
    const session = await runtime.exec(handle, { env: {}, ...spec });
    let said = '';
    for (const stream of [session.stdout, session.stderr])
      stream.on('data', (bytes: Buffer) => (said += bytes.toString()));
    session.stdin.end(typed);
    const code = await session.exit;
    return [said, code];
  }

  it('sees its files, environment and processes while it runs, reads input and has an exit code', async () => {
    await runtime.start(step('b1-s1', 'echo made > out/f; echo ready; exec sleep 600'));
    await until(runtime, 'b1-s1', 'ready');
    const script = 'cat out/f; echo $GREETING $TERM; cat; ps | grep -c "[s]leep 600"; exit 7';
    const [said, code] = await say('b1-s1', { argv: ['sh', '-c', script], env: { TERM: 'dumb' } }, 'typed\n');
    expect(said).toMatch(/^made\nhello dumb\ntyped\n[12]\n$/);
    expect(code).toBe(7);
    await expect(runtime.exec('b1-s1', { argv: ['no-such-shell'], env: {} })).rejects.toThrow(ExecutableNotFound);
  });

  it('has a terminal of its own size, and ends when it is closed', async () => {
    const session = await runtime.exec('b1-s1', { argv: ['sh'], env: {}, tty: { columns: 99, rows: 44 } });
    let said = '';
    session.stdout.on('data', (bytes: Buffer) => (said += bytes.toString()));
    session.stdin.write('stty size; sleep 600.25\n');
    await eventually('the size', async () => said.includes('44 99'));
    await session.resize({ columns: 55, rows: 22 });
    await session.close();
    await session.exit;
    const [left] = await say('b1-s1', { argv: ['ps'] });
    expect(left).not.toContain('600.25');
  });

  it('finds everything as it was when the step is over, and leaves nothing', async () => {
    await runtime.start(step('b2-s1', 'echo kept > out/f; echo image > /top; exit 3'));
    expect((await runtime.wait('b2-s1', never)).exit?.code).toBe(3);
    const [said, code] = await say('b2-s1', { argv: ['sh', '-c', 'pwd; cat out/f /top; echo $GREETING; exit 5'] });
    expect(said).toMatch(/^\/tmp\/build\/\w+\nkept\nimage\nhello\n$/);
    expect(code).toBe(5);
    await expect(runtime.exec('b2-s1', { argv: ['no-such-shell'], env: {} })).rejects.toThrow(ExecutableNotFound);
    const left = await runtime.exec('b2-s1', { argv: ['sleep', '600'], env: {} });
    await runtime.remove('b2-s1'); // as a later server does, after a crash
    await left.exit.catch(() => undefined);
    await runtime.remove('b1-s1');
    const filters = { label: ['weir.stands-for'] };
    expect(await daemon.client.listContainers({ all: true, filters })).toEqual([]);
    expect(await daemon.client.listImages({ filters })).toEqual([]);
    const { Volumes } = await daemon.client.listVolumes({ filters: { label: ['weir.namespace=exec'] } });
    expect(Volumes ?? []).toEqual([]);
    await expect(runtime.exec('b2-s1', { argv: ['sh'], env: {} })).rejects.toThrow('gone');
  });
});
