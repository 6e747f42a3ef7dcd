import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { lstat, mkdir, mkdtemp, readdir, readlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { removeTree } from '../../src/runtime/files.js';
import {
  DirectoryArtifactStore,
  DockerRuntime,
  type ArtifactRef,
  type Mount,
  type StepSpec,
} from '../../src/runtime/index.js';
import { BUSYBOX, makeBusyboxRoot, TestDocker } from '../support/docker-daemon.js';
import { never, readLogs, shellPrograms, until } from '../support/runtime-contract.js';

const docker = await TestDocker.start();
const suite = docker === undefined ? describe.skip : describe;

afterAll(() => docker?.stop());
suite.each([
  ['shared with Docker', 'weir-docker-files-'],
  ['sent to Docker', 'weir-docker,files-'], // the options of mounts know no comma
])('a step in a container, with files that are %s', (how, prefix) => {
  const daemon = docker!;
  const isShared = how.startsWith('shared');
  const namespace = isShared ? 'shared' : 'sent';
  let dir: string;
  let artifacts: DirectoryArtifactStore;
  let runtime: DockerRuntime;
  let count = 0;
  beforeAll(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), prefix));
    artifacts = new DirectoryArtifactStore(dir);
    runtime = new DockerRuntime(daemon.client, artifacts, namespace);
  });
  afterAll(() => removeTree(dir));

  const start = async (script: string, more: Partial<StepSpec> = {}): Promise<string> => {
    const handle = `b${++count}-s1`;
    const argv = ['/bin/sh', '-c', script];
    const image = { ref: BUSYBOX };
    await runtime.start({ handle, labels: {}, argv, env: {}, mounts: [], stdoutTo: 'log', image, ...more });
    return handle;
  };
  const run = async (script: string, more: Partial<StepSpec> = {}) => {
    const handle = await start(script, more);
    const said = Buffer.concat((await readLogs(runtime, handle)).map(({ data }) => data)).toString();
    return { handle, said, state: await runtime.inspect(handle) };
  };
  const artifactOf = (id: string, files: Record<string, string>) =>
    artifacts.create(id, async (tree) => {
      for (const [file, content] of Object.entries(files)) {
        await mkdir(path.dirname(path.join(tree, file)), { recursive: true });
        await writeFile(path.join(tree, file), content);
      }
    });

  it('is refused without an image', async () => {
    await expect(start('true', { image: undefined })).rejects.toMatchObject({ code: 'image-missing' });
  });

  it('works in a folder of its own below /tmp/build, where everything relative is', async () => {
    const { said } = await run('pwd; ls', { mounts: [{ path: 'out', source: { output: 'out' } }] });
    expect(said).toMatch(/^\/tmp\/build\/[0-9a-f]{8}\nout\n$/);
    expect((await run('pwd', { dir: 'in/deep' })).said).toMatch(/^\/tmp\/build\/[0-9a-f]{8}\/in\/deep\n$/);
  });

  it('has the environment it was given and that of the image, and no other', async () => {
    const { said } = await run('env | cut -d= -f1 | sort', { env: { GREETING: 'hi' } });
    expect(said.split('\n')).toEqual(expect.arrayContaining(['GREETING', 'PATH']));
    expect(said).not.toContain('WEIR');
  });

  it('mounts at absolute paths, hiding what is there', async () => {
    const input = await artifactOf('absolute', { f: 'seen\n' });
    const mounts: Mount[] = [
      { path: '/etc', source: { artifact: input } },
      { path: '/opt/out', source: { output: 'out' } },
    ];
    const { handle, said } = await run('ls /etc | grep -v -e resolv -e host; cp /etc/f /opt/out/copy', { mounts });
    expect(said).toBe('f\n');
    const sealed = await runtime.sealOutput(handle, 'out');
    expect((await artifacts.readFile(sealed, 'copy')).toString()).toBe('seen\n');
  });

  it('sees a mount inside of another one, and nothing of what it covers', async () => {
    const [outer, inner] = [
      await artifactOf('outer', { 'sub/old': 'old', top: 'top' }),
      await artifactOf('inner', { fresh: 'new' }),
    ];
    const mounts: Mount[] = [
      { path: 'a/sub', source: { artifact: inner } },
      { path: 'a', source: { artifact: outer } },
    ];
    expect((await run('ls a a/sub', { mounts })).said).toBe('a:\nsub\ntop\n\na/sub:\nfresh\n');
  });

  it('keeps links and modes in outputs, and leaves devices and pipes behind', async () => {
    const script =
      'cd out; ln -s /nowhere link; echo x >f; chmod 750 f; mkdir empty; mkfifo pipe; mknod zero c 1 5; ln f hard';
    const { handle, state } = await run(script, { mounts: [{ path: 'out', source: { output: 'out' } }] });
    expect(state.exit).toEqual({ code: 0 });
    const ref = await runtime.sealOutput(handle, 'out');
    const at = (name: string): string => path.join(dir, 'artifacts', ref.id, 'tree', name);
    expect(await readlink(at('link'))).toBe('/nowhere');
    expect((await lstat(at('f'))).mode & 0o777).toBe(0o750);
    expect((await lstat(at('hard'))).ino).toBe((await lstat(at('f'))).ino);
    expect((await lstat(at('empty'))).isDirectory()).toBe(true);
    await expect(lstat(at('pipe'))).rejects.toThrow('ENOENT');
    await expect(lstat(at('zero'))).rejects.toThrow('ENOENT');
  });

  it('finds its cache again', async () => {
    const mounts: Mount[] = [{ path: 'cache', source: { cache: 'job 1, cache' } }];
    expect((await run('ls cache; echo kept >cache/f', { mounts })).said).toBe('');
    expect((await run('cat cache/f', { mounts })).said).toBe('kept\n');
  });

  it('loses a cache whose key is gone, once nobody uses it', async () => {
    const mounts: Mount[] = [{ path: 'cache', source: { cache: 'swept' } }];
    await run('echo kept >cache/f', { mounts });
    await start('exec sleep 600', { mounts });
    await runtime.sweepCaches(() => Promise.resolve([]));
    expect((await run('cat cache/f', { mounts })).said).toBe('kept\n');
    for (const { handle } of await runtime.list({})) await runtime.remove(handle);
    await runtime.sweepCaches(() => Promise.resolve(['swept']));
    expect((await run('cat cache/f', { mounts })).said).toBe('kept\n');
    for (const { handle } of await runtime.list({})) await runtime.remove(handle);
    await runtime.sweepCaches(() => Promise.resolve([]));
    expect((await run('ls cache', { mounts })).said).toBe('');
  });

  it('is the user it asks for, who may write into its folders', async () => {
    const mounts: Mount[] = [{ path: 'out', source: { output: 'out' } }];
    expect((await run('id -un; touch here out/there && echo written', { user: 'guest', mounts })).said).toBe(
      'guest\nwritten\n',
    );
  });

  it('says that there is no such user', async () => {
    const { state, said } = await run('true', { user: 'nobody-here' });
    expect(state).toMatchObject({ phase: 'exited', reason: expect.stringContaining('nobody-here') });
    expect(said).toContain('nobody-here');
  });

  it('says that it ran out of the memory that it may have', async () => {
    const { state } = await run('head -c 100000000 /dev/zero | tail', { limits: { memoryBytes: 16 * 1024 * 1024 } });
    expect(state).toMatchObject({ phase: 'exited', reason: expect.stringContaining('out of memory') });
  });

  it('has no network but the loopback when it wants none', async () => {
    const { handle, said } = await run('ls /sys/class/net', { network: 'none' });
    expect(said).toBe('lo\n');
    const { HostConfig } = await daemon.client.getContainer(`weir-${namespace}-${handle}`).inspect();
    expect(HostConfig.NetworkMode).toBe('none');
  });

  // Whether it can do more is up to the machine: one that lacks a right itself cannot start it at all.
  it('is privileged when it wants to be', async () => {
    const { handle, state } = await run('true', { privileged: true });
    const { HostConfig } = await daemon.client.getContainer(`weir-${namespace}-${handle}`).inspect();
    expect(HostConfig.Privileged).toBe(true);
    expect(state.reason ?? 'operation not permitted').toContain('operation not permitted');
  });

  it('is killed when its result has no end', async () => {
    const { handle, state } = await run(shellPrograms.endlessResult, { stdoutTo: 'result' });
    expect(state.exit?.signal).toBe('KILL');
    await expect(runtime.result(handle)).rejects.toMatchObject({ code: 'result-too-large' });
  });

  it('says how files get to Docker', async () => {
    expect((await runtime.capabilities()).description).toContain(isShared ? 'shared with it' : 'has a colon, comma');
  });

  const folders = (): Promise<string[]> => readdir(path.join(dir, 'docker')).catch(() => []);

  it('leaves no container, no volume and no folder when it is removed', async () => {
    const volumes = async (): Promise<number> => (await daemon.client.listVolumes()).Volumes.length;
    const before = await volumes();
    const ref = await artifactOf('for-volume', { f: 'x' });
    const { handle } = await run('true', {
      mounts: [
        { path: 'in', source: { artifact: ref } },
        { path: 'out', source: { output: 'out' } },
      ],
    });
    expect(await volumes()).toBe(before + (isShared ? 2 : 3));
    expect((await folders()).includes(`weir-${namespace}-${handle}`)).toBe(isShared);
    await runtime.remove(handle);
    expect(await volumes()).toBe(before);
    expect(await folders()).not.toContain(`weir-${namespace}-${handle}`);
    expect(await runtime.inspect(handle)).toEqual({ handle, phase: 'absent' });
  });

  it('writes only what it changes of its inputs, and what of them it hands on', async () => {
    const ref = await artifacts.create('large', (tree) => writeFile(path.join(tree, 'f'), Buffer.alloc(8 << 20, 1)));
    const mounts: Mount[] = [
      { path: 'repo', source: { artifact: ref } },
      { path: 'repo', source: { output: 'changed' } },
      { path: '.', source: { output: 'all' } },
    ];
    const { handle } = await run('echo new >repo/new; rm repo/f; ls -A repo; echo top >file', { mounts });
    const changed = await runtime.sealOutput(handle, 'changed');
    expect(await readdir(path.join(dir, 'artifacts', changed.id, 'tree'))).toEqual(['new']);
    expect((await artifacts.readFile(ref, 'f')).length).toBe(8 << 20);
    const all = await runtime.sealOutput(handle, 'all');
    expect(await readdir(path.join(dir, 'artifacts', all.id, 'tree'))).toEqual(['file', 'repo']);
    const { stdout } = await promisify(execFile)('du', ['-sm', dir]);
    await artifacts.remove(ref);
    const after = await promisify(execFile)('du', ['-sm', dir]);
    expect(Number.parseInt(stdout) - Number.parseInt(after.stdout)).toBe(8);
  });

  it('keeps the owners of files in outputs', async () => {
    const mounts: Mount[] = [{ path: 'out', source: { output: 'out' } }];
    const { handle } = await run('touch out/f; chmod 600 out/f', { mounts, user: 'guest' });
    const artifact = await runtime.sealOutput(handle, 'out');
    const input: Mount[] = [{ path: 'in', source: { artifact } }];
    expect((await run('cat in/f && echo read', { mounts: input, user: 'guest' })).said).toBe('read\n');
  });

  it('cannot hand on a folder that it has replaced by a link', async () => {
    const mounts: Mount[] = [{ path: 'out', source: { output: 'out' } }];
    const { handle } = await run('rmdir out 2>&1; ln -s /etc out', { mounts });
    const sealed = runtime.sealOutput(handle, 'out');
    if (isShared) return expect(sealed).rejects.toMatchObject({ code: 'output-missing' });
    // The folder is a volume: it stays, and the link is in it.
    expect(await readdir(path.join(dir, 'artifacts', (await sealed).id, 'tree'))).toEqual(['etc']);
  });

  it('shows its outputs to whoever looks around when they were handed on, and keeps what was handed on', async () => {
    const mounts: Mount[] = [
      { path: 'out', source: { output: 'out' } },
      { path: '/opt/out', source: { output: 'absolute' } },
    ];
    const { handle } = await run('echo made | tee out/f >/opt/out/f', { mounts });
    const [ref, absolute] = [await runtime.sealOutput(handle, 'out'), await runtime.sealOutput(handle, 'absolute')];
    const script = 'cat out/f /opt/out/f; echo changed | tee out/f >/opt/out/f';
    for (let round = 0; round < 2; round++) {
      const session = await runtime.exec(handle, { argv: ['sh', '-c', script], env: {} });
      expect(await text(session.stdout)).toBe(round > 0 && !isShared ? 'changed\nchanged\n' : 'made\nmade\n');
      expect(await session.exit).toBe(0);
    }
    for (const each of [ref, absolute]) expect((await artifacts.readFile(each, 'f')).toString()).toBe('made\n');
    const volumes = (await daemon.client.listVolumes()).Volumes.length;
    await runtime.remove(handle);
    expect((await daemon.client.listVolumes()).Volumes.length).toBe(volumes - (isShared ? 1 : 3));
    expect(await folders()).not.toContain(`weir-${namespace}-${handle}`);
  });

  it('keeps apart what somebody writes who looks around while it is handed on', async () => {
    const { handle } = await run('echo made >out/f', { mounts: [{ path: 'out', source: { output: 'out' } }] });
    const session = await runtime.exec(handle, { argv: ['sh', '-c', 'read go; echo changed >out/f'], env: {} });
    const ref = await runtime.sealOutput(handle, 'out');
    session.stdin.write('go\n');
    expect(await session.exit).toBe(0);
    expect((await artifacts.readFile(ref, 'f')).toString()).toBe('made\n');
  });

  it('leaves nothing after a server that died before it was started or while it was removed', async () => {
    const { handle } = await run('true', { mounts: [{ path: 'out', source: { output: 'out' } }] });
    await daemon.client.getContainer(`weir-${namespace}-${handle}`).remove({ v: true });
    await mkdir(path.join(dir, 'docker', '.gone-1', 'work'), { recursive: true });
    const live = await start('exec sleep 600', { mounts: [{ path: 'out', source: { output: 'out' } }] });
    await new DockerRuntime(daemon.client, artifacts, namespace).list({});
    expect(await folders()).not.toContain(`weir-${namespace}-${handle}`);
    expect((await folders()).includes(`weir-${namespace}-${live}`)).toBe(isShared);
    if (isShared) expect(await folders()).not.toContain('.gone-1');
    await runtime.remove(live);
  });

  it('is not the step of the same name of another installation', async () => {
    const { handle } = await run('true');
    const other = new DockerRuntime(daemon.client, artifacts, 'elsewhere');
    expect(await other.inspect(handle)).toEqual({ handle, phase: 'absent' });
    expect(await other.list({})).toEqual([]);
  });

  it('is finished by a start after a crash between its creation and its start', async () => {
    const ref = await artifactOf('half', { f: 'whole\n' });
    const spec: StepSpec = {
      handle: 'b9000-s1',
      labels: {},
      argv: ['cat', 'in/f'],
      env: {},
      mounts: [{ path: 'in', source: { artifact: ref } }],
      stdoutTo: 'log',
      image: { ref: BUSYBOX },
    };
    let asked = 0;
    const broken = new DockerRuntime(
      daemon.client,
      Object.assign(Object.create(artifacts) as DirectoryArtifactStore, {
        read: () => Promise.reject(new Error('the server died')),
        folderOf: async (ref: ArtifactRef) => {
          if (asked++ > 0) throw new Error('the server died'); // first it is asked for the container's options
          return artifacts.folderOf(ref);
        },
      }),
      namespace,
    );
    await expect(broken.start(spec)).rejects.toThrow('the server died');
    expect(await runtime.inspect(spec.handle)).toEqual({ handle: spec.handle, phase: 'pending' });
    await runtime.start(spec);
    expect(Buffer.concat((await readLogs(runtime, spec.handle)).map(({ data }) => data)).toString()).toBe('whole\n');
  });

  describe('with an image from an artifact', () => {
    const imageOf = (id: string) =>
      artifacts.create(id, async (tree) => {
        await mkdir(path.join(tree, 'rootfs'));
        makeBusyboxRoot(path.join(tree, 'rootfs'));
        await writeFile(path.join(tree, 'rootfs/marker'), id);
        await writeFile(path.join(tree, 'metadata.json'), '{"env":["PATH=/bin","FROM_IMAGE=a=b"],"user":"guest"}');
      });
    const imported = async () =>
      (await daemon.client.listImages({ filters: { label: ['weir.artifact', `weir.namespace=${namespace}`] } })).length;

    it('runs in it with its environment and its user, and imports it once', async () => {
      const image = { artifact: await imageOf('image-1') };
      const script = 'cat /marker; echo " $FROM_IMAGE $(id -un)"';
      expect((await run(script, { image })).said).toBe('image-1 a=b guest\n');
      expect((await run(script, { image, user: 'root', env: { FROM_IMAGE: 'own' } })).said).toBe('image-1 own root\n');
      expect(await imported()).toBe(1);
    });

    it('removes the image when its artifact and its steps are gone', async () => {
      const first = { artifact: await imageOf('image-2') };
      await runtime.remove((await run('true', { image: first })).handle);
      const before = await imported();
      await artifacts.remove(first.artifact);
      await run('true', { image: { artifact: await imageOf('image-3') } });
      expect(await imported()).toBe(before);
    });

    it('refuses an artifact that is none', async () => {
      const image = { artifact: await artifactOf('no-image', { f: '' }) };
      await expect(start('true', { image })).rejects.toMatchObject({ code: 'bad-image' });
    });

    it('does not take files of the server through a link', async () => {
      const artifact = await artifacts.create('evil-image', async (tree) => {
        const { symlink } = await import('node:fs/promises');
        await symlink('/', path.join(tree, 'rootfs'));
        await writeFile(path.join(tree, 'metadata.json'), '{}');
      });
      await expect(start('true', { image: { artifact } })).rejects.toMatchObject({ code: 'file-not-found' });
    });
  });

  describe('that somebody else ends', () => {
    it('is told as killed when its container is killed', async () => {
      const handle = await start(shellPrograms.sleep);
      await until(runtime, handle, 'ready');
      await daemon.client.getContainer(`weir-${namespace}-${handle}`).kill();
      expect((await runtime.wait(handle, never)).exit).toEqual({ code: 137, signal: 'KILL' });
      expect((await runtime.inspect(handle)).reason).toContain('from outside');
    });

    it('is no business of anybody when it ends itself by a signal', async () => {
      const { handle, state } = await run('kill -9 $$');
      expect(state).toEqual({ handle, phase: 'exited', exit: { code: 137, signal: 'KILL' } });
    });

    it('is lost when its container is removed', async () => {
      const handle = await start(shellPrograms.sleep);
      await until(runtime, handle, 'ready');
      const waited = runtime.wait(handle, never);
      await daemon.client.getContainer(`weir-${namespace}-${handle}`).remove({ force: true });
      expect(await waited).toEqual({ handle, phase: 'lost', reason: expect.stringContaining('removed') });
    });

    it.each(['SIGTERM', 'SIGKILL'] as const)(
      'says so, and keeps its output, when Docker ends by %s while it runs',
      async (signal) => {
        const handle = await start(shellPrograms.sleep);
        await until(runtime, handle, 'ready');
        const follower = readLogs(runtime, handle);
        const waited = runtime.wait(handle, never);
        await daemon.halt(signal);
        await daemon.launch();
        expect((await waited).reason).toContain('Docker');
        expect(Buffer.concat((await follower).map(({ data }) => data)).toString()).toContain('ready\n');
        const fromNewServer = await new DockerRuntime(daemon.client, artifacts, namespace).inspect(handle);
        expect(fromNewServer.reason).toContain('Docker');
      },
      60_000,
    );

    it('keeps the exit of a step that ended before Docker did', async () => {
      const { handle } = await run('exit 7');
      await daemon.halt();
      await daemon.launch();
      expect(await new DockerRuntime(daemon.client, artifacts, namespace).inspect(handle)).toEqual({
        handle,
        phase: 'exited',
        exit: { code: 7 },
      });
    }, 60_000);
  });
});
