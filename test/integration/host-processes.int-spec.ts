import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { PLAIN } from '../../src/runtime/process/isolation.js';
import { bootId, startTimeOf } from '../../src/runtime/process/processes.js';
import { prepareStep } from '../../src/runtime/process/step-folder.js';
import {
  countProcesses,
  eventually,
  openHostMachine,
  startElsewhere,
  type HostMachine,
} from '../support/host-machine.js';
import { readLogs, until } from '../support/runtime-contract.js';

let m: HostMachine;
beforeAll(async () => {
  m = await openHostMachine();
});
afterAll(() => m.close());

/** A sleep that no other test on this machine has. */
const ownSleep = (): string => `6${randomInt(1e9)}.5`;
const onLinux = process.platform === 'linux' ? it : it.skip;
if (process.platform !== 'linux') console.warn('SKIPPED: tests of process trees look into /proc, which is Linux only');

describe('the process tree of a step', () => {
  onLinux('is killed with children, grandchildren, and those that left the group and the session', async () => {
    const nap = ownSleep();
    const script = `
      sleep ${nap} &
      (sh -c 'sleep ${nap} & sleep ${nap}' &)
      setsid sleep ${nap} &
      (setsid sh -c 'trap "" TERM INT; sleep ${nap} & sleep ${nap}' &)
      env -i /usr/bin/setsid /bin/sleep ${nap} &
      echo ready; wait`;
    const handle = await m.start(script);
    await until(m.runtime, handle, 'ready');
    await eventually('seven sleep', async () => (await countProcesses(nap)) === 7);
    await m.restarted().signal(handle, 'KILL');
    expect(await countProcesses(nap)).toBe(0);
    expect((await m.wait(handle)).exit).toEqual({ code: 137, signal: 'KILL' });
  });

  onLinux('is told to stop as a whole', async () => {
    const nap = ownSleep();
    const handle = await m.start(`sleep ${nap} & setsid sleep ${nap} & echo ready; wait`);
    await until(m.runtime, handle, 'ready');
    await eventually('two sleep', async () => (await countProcesses(nap)) === 2);
    await m.runtime.signal(handle, 'TERM');
    await eventually('none is left', async () => (await countProcesses(nap)) === 0);
    await m.wait(handle);
  });

  onLinux('is gone when the command has ended by itself, so that nobody writes to the log any more', async () => {
    const nap = ownSleep();
    const handle = await m.start(`sleep ${nap} & setsid sleep ${nap} & (trap '' TERM; sleep ${nap}) & exit 0`);
    expect(await m.wait(handle)).toMatchObject({ phase: 'exited', exit: { code: 0 } });
    await eventually('none is left', async () => (await countProcesses(nap)) === 0);
  });

  onLinux('of one step is not touched by the end of another', async () => {
    const nap = ownSleep();
    const other = await m.start(`sleep ${nap}`);
    const handle = await m.start('sleep 600');
    await eventually('it sleeps', async () => (await countProcesses(nap)) === 1);
    await m.runtime.signal(handle, 'KILL');
    await m.wait(handle);
    expect((await m.runtime.inspect(other)).phase).toBe('running');
    await m.runtime.remove(other);
    expect(await countProcesses(nap)).toBe(0);
  });
});

describe('what a step gets', () => {
  const MARKER = /^WEIR_STEP=[0-9a-f-]{36}\n/m;

  onLinux(
    'is exactly the given environment, with a path, a home and a folder for temporary files of its own',
    async () => {
      const env = {
        GREETING: `it's "so"\n$HOME \`x\` \\ü`,
        'we-ird.name': 'a b',
        PPID: '7',
        LC_ALL: 'C',
        EMPTY: '',
        IFS: 'x',
      };
      const said = await m.say('', { handle: 'b1-env', argv: ['/usr/bin/env', '-0'], env });
      const got = Object.fromEntries(
        said
          .split('\0')
          .filter(Boolean)
          .map((line) => [line.split('=')[0], line.slice(line.indexOf('=') + 1)]),
      );
      expect(got).toEqual({
        ...env,
        PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        HOME: m.stepFile('b1-env', 'home'),
        TMPDIR: m.stepFile('b1-env', 'tmp'),
        WEIR_STEP: expect.any(String),
      });
    },
  );

  it('may replace the path, the home and the folder for temporary files', async () => {
    const said = await m.say('echo "$HOME $TMPDIR"; PATH=/bin:/usr/bin; env', {
      env: { HOME: '/h', TMPDIR: '/t', PATH: '/nowhere' },
    });
    expect(said).toContain('/h /t\n');
    expect(said).toMatch(MARKER);
  });

  onLinux('never stands on a command line', async () => {
    const secret = `s3cret-${ownSleep()}`;
    const handle = await m.start('echo ready; sleep 600', { env: { SECRET: secret } });
    await until(m.runtime, handle, 'ready');
    expect(await countProcesses(`SECRET=${secret}`)).toBe(0);
    await m.runtime.remove(handle);
  });

  onLinux('are no open files of the server', async () => {
    const secret = path.join(m.dataDir, 'open-in-the-server');
    const file = await open(secret, 'w');
    try {
      const said = await m.say('ls -l /proc/self/fd');
      expect(said).toContain(' 0 -> /dev/null\n');
      expect(said).not.toContain(secret);
    } finally {
      await file.close();
    }
  });

  it('is a working folder of its own, and a folder in it when asked', async () => {
    const handle = await m.start('pwd; cd "$HOME" && cd "$TMPDIR" && echo both');
    expect(await m.logOf(handle)).toBe(`${m.stepFile(handle, 'work')}\nboth\n`);
    const deeper = await m.start('pwd', {
      dir: 'repo/../repo/./sub',
      mounts: [{ path: 'repo/sub', source: { output: 'o' } }],
    });
    expect(await m.logOf(deeper)).toBe(`${m.stepFile(deeper, 'work')}/repo/sub\n`);
  });

  it('never is a folder above its working folder', async () => {
    const handle = await m.start('pwd', { dir: '../../..' });
    expect(await m.logOf(handle)).toBe(`${m.stepFile(handle, 'work')}\n`);
  });

  it('is a working folder that is made when it is missing', async () => {
    const dir = "no/such folder/it's *";
    const handle = await m.start('pwd; touch here', { dir });
    expect(await m.logOf(handle)).toBe(`${m.stepFile(handle, 'work')}/${dir}\n`);
  });

  it('is a clear reason when its working folder is a file, or would have to be made behind a link', async () => {
    const mounts = [
      {
        path: 'repo',
        source: { artifact: await m.artifact('links', 'mkdir real; ln -s real in; ln -s /tmp out; touch f') },
      },
    ];
    for (const dir of ['repo/f', 'repo/f/x', 'repo/out/weir-made', 'repo/in/made']) {
      const handle = await m.start('pwd', { dir, mounts });
      expect(await m.wait(handle)).toMatchObject({ exit: { code: 127 }, reason: `working folder not found: ${dir}` });
      expect(await m.logOf(handle)).toBe(`weir: working folder not found: ${dir}\n`);
    }
    expect(existsSync('/tmp/weir-made')).toBe(false);
    expect(await m.say('pwd -P', { dir: 'repo/in', mounts })).toMatch(/repo\/real\n$/);
  });

  it('is a file of the working folder as command', async () => {
    const ref = await m.artifact('tool', `printf '#!/bin/sh\\necho "tool $1"\\n' >run.sh; chmod 755 run.sh`);
    const mounts = [{ path: 'repo', source: { artifact: ref } }];
    expect(await m.say('', { argv: ['repo/run.sh', "it's"], mounts })).toBe("tool it's\n");
    expect(await m.say('', { argv: ['./run.sh', 'x'], dir: 'repo', mounts })).toBe('tool x\n');
  });

  it.each([
    [{ user: 'somebody-else' }, 'user-not-supported', 'somebody-else'],
    [{ dir: '/etc' }, 'absolute-path', '/etc'],
    [{ mounts: [{ path: '/opt/x', source: { output: 'x' } }] }, 'absolute-path', '/opt/x'],
    [{ argv: [] }, 'bad-command', 'empty'],
    [{ argv: ['sh', 'a\0b'] }, 'bad-command', 'NUL'],
    [{ env: { 'A=B': 'x' } }, 'bad-command', 'A=B'],
    [{ handle: '../x' }, 'invalid-handle', '../x'],
  ])('is refused when this runtime cannot give it: %j', async (more, code, word) => {
    const before = await readdir(path.join(m.dataDir, 'steps'));
    await expect(m.runtime.start(m.spec('true', more))).rejects.toMatchObject({
      code,
      message: expect.stringContaining(word),
    });
    expect(await readdir(path.join(m.dataDir, 'steps'))).toEqual(before);
  });

  it('ends an answer that grows without end, and says why', async () => {
    const handle = await m.start('cat /dev/zero', { stdoutTo: 'result' });
    expect(await m.wait(handle)).toMatchObject({
      exit: { signal: 'KILL' },
      reason: 'the result of the step is larger than 4 MiB',
    });
    await expect(m.runtime.result(handle)).rejects.toMatchObject({ code: 'result-too-large' });
    await m.runtime.remove(handle);
  });

  it('keeps the order of both outputs', async () => {
    const said = await m.say('i=0; while [ $i -lt 500 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done');
    expect(said).toBe(Array.from({ length: 500 }, (_, i) => `out ${i}\nerr ${i}\n`).join(''));
  });
});

describe('the death of the server', () => {
  it('does not end its steps: a new server reads all output and the exit', async () => {
    const spec = m.spec('i=0; while [ $i -lt 300 ]; do echo "line $i"; i=$((i+1)); sleep 0.003; done; exit 5');
    const server = await startElsewhere(m, spec, 'started');
    await until(m.runtime, spec.handle, 'line 20\n');
    server.kill('SIGKILL');
    await once(server, 'close');
    expect((await m.runtime.inspect(spec.handle)).phase).toBe('running');
    expect(await m.logOf(spec.handle)).toBe(Array.from({ length: 300 }, (_, i) => `line ${i}\n`).join(''));
    expect((await m.wait(spec.handle)).exit).toEqual({ code: 5 });
  });

  it('at any moment of a start makes the next start run the step exactly once', async () => {
    const ref = await m.artifact('crash-input', 'mkdir a; echo x >a/b');
    for (let delayMs = 0; delayMs <= 21; delayMs += 3) {
      const ran = path.join(m.dataDir, `ran-${delayMs}`);
      const spec = m.spec(`echo ran >>'${ran}'; cat in/a/b`, { mounts: [{ path: 'in', source: { artifact: ref } }] });
      const server = await startElsewhere(m, spec, 'go');
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      server.kill('SIGKILL');
      await once(server, 'close');
      await m.restarted().start(spec);
      expect((await m.wait(spec.handle)).exit).toEqual({ code: 0 });
      expect(await readFile(ran, 'utf8')).toBe('ran\n');
      await m.runtime.remove(spec.handle);
    }
    await m.runtime.list({});
    expect((await readdir(path.join(m.dataDir, 'steps'))).filter((name) => name.startsWith('.'))).toEqual([]);
  }, 60_000);

  it('between preparing and starting makes the next start begin what is prepared', async () => {
    const spec = m.spec('echo once');
    const stores = { artifacts: m.artifacts, caches: path.join(m.dataDir, 'caches') };
    await mkdir(path.join(m.dataDir, 'steps'), { recursive: true });
    await prepareStep(path.join(m.dataDir, 'steps'), spec, stores, PLAIN);
    expect((await m.runtime.inspect(spec.handle)).phase).toBe('pending');
    await Promise.all(Array.from({ length: 5 }, () => m.restarted().start(spec)));
    expect(await m.logOf(spec.handle)).toBe('once\n');
  });
});

describe('a lost step', () => {
  const supervisorOf = async (handle: string): Promise<number> =>
    Number.parseInt(await readFile(m.stepFile(handle, 'pid'), 'utf8'), 10);
  const pretend = async (handle: string, pid: number, start: string, boot: string): Promise<void> => {
    await rm(m.stepFile(handle, 'exit'));
    await writeFile(m.stepFile(handle, 'pid'), `${pid}\n${start}\n${boot}\n`);
  };
  const ended = async (): Promise<string> => {
    const handle = await m.start('echo said');
    await m.wait(handle);
    return handle;
  };

  onLinux('is one whose supervisor was killed; its command is ended, its log can be read', async () => {
    const nap = ownSleep();
    const handle = await m.start(`echo said; sleep ${nap}`);
    await until(m.runtime, handle, 'said');
    process.kill(await supervisorOf(handle), 'SIGKILL');
    expect(await m.wait(handle)).toEqual({
      handle,
      phase: 'lost',
      reason: expect.stringContaining('died before it could record the exit'),
    });
    expect(await m.logOf(handle)).toBe('said\n');
    expect(await countProcesses(nap)).toBe(0);
    await m.runtime.start(m.spec('echo again', { handle }));
    expect((await m.runtime.inspect(handle)).phase).toBe('lost');
    await m.runtime.remove(handle);
    expect((await m.runtime.inspect(handle)).phase).toBe('absent');
  });

  it('ends the reading of its log', async () => {
    const handle = await m.start('echo said; exec sleep 600');
    const reading = readLogs(m.runtime, handle);
    await until(m.runtime, handle, 'said');
    process.kill(await supervisorOf(handle), 'SIGKILL');
    expect(Buffer.concat((await reading).map(({ data }) => data)).toString()).toBe('said\n');
  });

  it('is one whose process number belongs to another process now', async () => {
    const handle = await ended();
    await pretend(handle, process.pid, '1', await bootId());
    expect((await m.runtime.inspect(handle)).phase).toBe('lost');
  });

  onLinux('is one whose dead supervisor still stands in the process table', async () => {
    const parent = spawn('/bin/sh', ['-c', 'sleep 0.3 & echo $!; exec sleep 600'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    try {
      const [said] = (await once(parent.stdout, 'data')) as [Buffer];
      const pid = Number.parseInt(said.toString(), 10);
      await eventually('it is a zombie', async () => (await readFile(`/proc/${pid}/stat`, 'utf8')).includes(') Z '));
      const handle = await ended();
      await pretend(handle, pid, (await startTimeOf(pid))!, await bootId());
      expect((await m.runtime.inspect(handle)).phase).toBe('lost');
    } finally {
      parent.kill('SIGKILL');
    }
  });

  it('is one from before the restart of the machine', async () => {
    const handle = await ended();
    await pretend(handle, process.pid, (await startTimeOf(process.pid))!, 'another-boot');
    expect(await m.runtime.inspect(handle)).toMatchObject({
      phase: 'lost',
      reason: 'the machine was restarted while the step ran',
    });
  });
});
