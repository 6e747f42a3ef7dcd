import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { removeTree } from '../../src/runtime/files.js';
import { DirectoryArtifactStore, HostRuntime, type Mount, type StepSpec } from '../../src/runtime/index.js';
import { probeIsolation, type Sandboxing } from '../../src/runtime/process/isolation.js';
import { hasBusybox, makeBusyboxRoot } from '../support/docker-daemon.js';
import { countProcesses, eventually } from '../support/host-machine.js';
import { DEADLINE_MS, readLogs, until } from '../support/runtime-contract.js';

const kinds = ['bubblewrap', 'namespaces'] as const;
const ownSleep = (): string => `6${randomInt(1e9)}.5`;

describe.each(kinds)('a step in a sandbox (%s)', (kind) => {
  let dir: string;
  let isolation: Sandboxing | undefined;
  let artifacts: DirectoryArtifactStore;
  let runtime: HostRuntime;
  let count = 0;

  beforeAll(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), 'weir-sandbox-'));
    const found = await probeIsolation(dir, 'preferred', [], [kind]);
    if (found.kind === 'none') console.warn(`SKIPPED: tests of ${kind}: ${found.reason}`);
    else isolation = found;
    artifacts = new DirectoryArtifactStore(dir);
    runtime = new HostRuntime(dir, artifacts, found);
  });
  afterAll(() => removeTree(dir));

  /** A machine without the sandbox was told of above. */
  const rule = (title: string, check: (sandbox: Sandboxing) => Promise<void>): void =>
    it(title, async () => (isolation === undefined ? undefined : check(isolation)));

  const start = async (script: string, more: Partial<StepSpec> = {}, on = runtime): Promise<string> => {
    const handle = `b${++count}-s1`;
    const argv = ['/bin/sh', '-c', script];
    await on.start({ handle, labels: {}, argv, env: {}, mounts: [], stdoutTo: 'log', ...more });
    return handle;
  };
  const wait = (handle: string) => runtime.wait(handle, AbortSignal.timeout(DEADLINE_MS));
  const logOf = async (handle: string) =>
    Buffer.concat((await readLogs(runtime, handle)).map(({ data }) => data)).toString();
  const say = async (script: string, more: Partial<StepSpec> = {}, on = runtime) =>
    logOf(await start(script, more, on));
  const input = (id: string): Promise<Mount> =>
    artifacts
      .create(id, async (tree) => {
        await mkdir(path.join(tree, 'sub'));
        await writeFile(path.join(tree, 'sub/file'), 'original\n');
        await writeFile(path.join(tree, 'tool'), '#!/bin/sh\necho tool\n', { mode: 0o755 });
      })
      .then((artifact) => ({ path: 'in', source: { artifact } }));

  rule('sees the machine read-only, and nothing of the data of the server or of people', async () => {
    await writeFile(path.join(dir, 'secret'), 'x');
    const said = await say(`
      ls '${dir}' 2>/dev/null; ls /root /home/* 2>/dev/null | grep -v -e '^/home/step:$' -e '^$' -e '^/root:$'
      touch /usr/bin/weir /etc/weir 2>/dev/null && echo written
      cat /etc/shadow 2>/dev/null; ls /run; command -v sh >/dev/null && echo tools`);
    expect(said).toBe('tools\n');
  });

  rule('has its own processes, temporary files and devices, and a home', async () => {
    const said = await say(`
      ls /proc | grep -c '^[0-9][0-9]*$' | tr '0-9' 'n'; ls /tmp; echo x >/tmp/mine
      cd "$HOME" && pwd && echo x >file; echo x >/dev/null; head -c 2 /dev/urandom | wc -c; [ -d /dev/shm ] && ls /dev | grep -c vda`);
    expect(said).toMatch(/^n\nbuild\n\/home\/step\n2\n0\n$/);
  });

  rule('has the given environment, also what would lead programs of the host astray', async () => {
    const env = { LD_PRELOAD: '/nonexistent.so', LC_ALL: 'C', 'we-ird.name': 'a b', SECRET: `it's "so"\n$HOME` };
    const said = await say('', { argv: ['/usr/bin/env', '-0'], env });
    for (const [name, value] of Object.entries(env)) expect(said.split('\0').join('\n')).toContain(`${name}=${value}`);
    expect(said.match(/nonexistent/g)?.length).toBeLessThanOrEqual(2);
  });

  rule('is killed with all that it started, and cannot leave anything behind', async () => {
    const nap = ownSleep();
    const script = `sleep ${nap} & (setsid sh -c 'trap "" TERM INT; sleep ${nap} & sleep ${nap}' &) ; env -i setsid sleep ${nap} & `;
    const handle = await start(`${script} echo ready; wait`);
    await until(runtime, handle, 'ready');
    await eventually('four sleep', async () => (await countProcesses(nap)) === 4);
    await new HostRuntime(dir, artifacts, isolation).signal(handle, 'KILL');
    expect((await wait(handle)).exit).toEqual({ code: 137, signal: 'KILL' });
    expect(await countProcesses(nap)).toBe(0);
    await wait(await start(`${script} exit 0`));
    await eventually('none is left', async () => (await countProcesses(nap)) === 0);
  });

  rule('ends when its supervisor is killed, and is lost', async () => {
    const nap = ownSleep();
    const handle = await start(`echo ready; sleep ${nap}`);
    await until(runtime, handle, 'ready');
    process.kill(Number.parseInt(await readFile(path.join(dir, 'steps', handle, 'pid'), 'utf8'), 10), 'SIGKILL');
    expect((await wait(handle)).phase).toBe('lost');
    expect(await countProcesses(nap)).toBe(0);
  });

  rule('changes a view of its input and not the input, with overlays and with copies', async (sandbox) => {
    const mounts = [await input('seen-input'), { path: 'out', source: { output: 'out' } }];
    const script =
      'cat in/sub/file; echo changed >in/sub/file; rm -r in/tool; mv in/sub in/moved; cat in/moved/file; cp -r in/moved out; pwd';
    for (const hasOverlay of [sandbox.hasOverlay, false]) {
      const on = new HostRuntime(dir, artifacts, { ...sandbox, hasOverlay });
      const handle = await start(script, { mounts }, on);
      expect(await logOf(handle)).toMatch(/^original\nchanged\n\/tmp\/build\/[0-9a-f]{8}\n$/);
      const sealed = await on.sealOutput(handle, 'out');
      expect((await artifacts.readFile(sealed, 'moved/file')).toString()).toBe('changed\n');
      await on.remove(handle);
    }
    expect(await say('in/tool', { mounts })).toBe('tool\n');
    expect(await say('', { argv: ['./tool'], dir: 'in', mounts })).toBe('tool\n');
  });

  rule('gives an output or a cache inside of an input', async () => {
    const mounts: Mount[] = [await input('outer-input'), { path: 'in/sub/new', source: { output: 'new' } }];
    const handle = await start('cat in/sub/file; echo made >in/sub/new/file', { mounts });
    expect(await logOf(handle)).toBe('original\n');
    const sealed = await runtime.sealOutput(handle, 'new');
    expect((await artifacts.readFile(sealed, 'file')).toString()).toBe('made\n');
  });

  rule('makes its working folder when it is missing, but not behind a link', async () => {
    const ref = await artifacts.create('linked', async (tree) => symlink('/tmp', path.join(tree, 'out')));
    const mounts: Mount[] = [await input('for-folder'), { path: 'linked', source: { artifact: ref } }];
    for (const dir of ['no/such', 'in/sub/new', 'in/new'])
      expect(await say('pwd; touch here', { dir, mounts })).toMatch(new RegExp(`^/tmp/build/[0-9a-f]{8}/${dir}\n$`));
    expect(await wait(await start('true', { dir: 'linked/out/weir-made', mounts }))).toMatchObject({
      exit: { code: 127 },
      reason: 'working folder not found: linked/out/weir-made',
    });
    expect(existsSync('/tmp/weir-made')).toBe(false);
  });

  const asRoot =
    process.getuid?.() === 0 ? rule : (title: string): void => it.skip(`${title} (needs root)`, () => undefined);
  asRoot('gives the working folder that it makes to the user of the step', async () => {
    expect(await say('touch here && id -un', { dir: 'no/such', user: 'nobody' })).toBe('nobody\n');
  });

  rule('says that its command is missing', async () => {
    expect(await wait(await start('', { argv: ['./nothing'] }))).toMatchObject({
      exit: { code: 127 },
      reason: 'executable file not found: ./nothing',
    });
  });

  rule('is refused a mount where there is no place for it', async () => {
    const mounts: Mount[] = [{ path: '/opt/out', source: { output: 'out' } }];
    await expect(start('true', { mounts })).rejects.toMatchObject({ code: 'absolute-path' });
    expect(await say('ls -d /tmp/x', { mounts: [{ path: '/tmp/x', source: { output: 'x' } }] })).toBe('/tmp/x\n');
  });

  rule('can be stepped into while it runs and after its end', async () => {
    const handle = await start('echo here >file; echo ready; exec sleep 600');
    await until(runtime, handle, 'ready');
    const look = async (): Promise<string> => {
      const session = await runtime.exec(handle, {
        argv: ['/bin/sh', '-c', 'cat file; pwd; ls -d /root/.ssh 2>/dev/null; ls /home'],
        env: {},
      });
      let said = '';
      for await (const text of session.stdout.setEncoding('utf8')) said += String(text);
      expect(await session.exit).toBe(0);
      return said;
    };
    expect(await look()).toMatch(/^here\n\/tmp\/build\/\w+\nstep\n$/);
    await runtime.signal(handle, 'TERM');
    expect((await wait(handle)).exit?.signal).toBe('TERM');
    expect(await look()).toMatch(/^here\n\/tmp\/build\/\w+\nstep\n$/);
    await runtime.remove(handle);
  });

  rule('cannot be led out of an image by its links', async () => {
    if (!hasBusybox()) return console.warn('SKIPPED: an image needs busybox-static');
    const artifact = await artifacts.create('linked-image', async (tree) => {
      const root = path.join(tree, 'rootfs');
      makeBusyboxRoot(root);
      const { symlink, rm } = await import('node:fs/promises');
      await rm(path.join(root, 'tmp'), { recursive: true });
      await symlink('/var/tmp', path.join(root, 'tmp'));
      await symlink('../../../../../etc', path.join(root, 'opt'));
      await writeFile(path.join(tree, 'metadata.json'), '{}');
    });
    const mounts: Mount[] = [{ path: '/opt/weir-test-place', source: { output: 'out' } }];
    const said = await say('pwd; ls /etc; echo x >/opt/weir-test-place/f', {
      image: { artifact },
      mounts,
      env: { PATH: '/bin' },
    });
    expect(said).toMatch(/^\/var\/tmp\/build\/\w+\n|^\/tmp\/build\/\w+\n/);
    expect(said).toContain('weir-test-place\n');
    await expect(readFile('/etc/weir-test-place/f')).rejects.toThrow('ENOENT');
  });
});

describe('a machine without sandboxes', () => {
  it('is refused when they are required, and used with a reason when they are preferred', async () => {
    const dir = await mkdtemp(path.join(os.tmpdir(), 'weir-none-'));
    try {
      await expect(probeIsolation(dir, 'required', [], [])).rejects.toMatchObject({ code: 'isolation-unavailable' });
      expect(await probeIsolation(dir, 'preferred', [], [])).toMatchObject({
        kind: 'none',
        reason: expect.any(String),
      });
      expect((await probeIsolation(dir, 'none')).kind).toBe('none');
    } finally {
      await removeTree(dir);
    }
  });

  it('finds a command with an absolute path in the image', async () => {
    const dir = await mkdtemp(path.join(os.tmpdir(), 'weir-none-'));
    const artifacts = new DirectoryArtifactStore(dir);
    const runtime = new HostRuntime(dir, artifacts);
    try {
      const artifact = await artifacts.create('type', async (tree) => {
        const script = path.join(tree, 'rootfs/opt/resource/check');
        await mkdir(path.dirname(script), { recursive: true });
        await writeFile(script, '#!/bin/sh\necho "checked $1"\n');
        await chmod(script, 0o755);
        await writeFile(path.join(tree, 'metadata.json'), '{}');
      });
      const spec = { handle: 'b1-s1', labels: {}, env: {}, mounts: [], stdoutTo: 'log', image: { artifact } } as const;
      await runtime.start({ ...spec, argv: ['/opt/resource/check', 'x'] });
      const said = Buffer.concat((await readLogs(runtime, 'b1-s1')).map(({ data }) => data)).toString();
      expect(said).toBe('checked x\n');
    } finally {
      await removeTree(dir);
    }
  });
});
