import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { hasBusybox, makeBusyboxRoot } from './docker-daemon.js';
import type { ArtifactRef, ArtifactStore, LogChunk, Mount, Runtime, StepSpec } from '../../src/runtime/index.js';

/** Commands that every runtime can run, by what they do. A runtime with a shell takes {@link shellPrograms}. */
export type ProgramName = keyof typeof shellPrograms;

/** One runtime under test. */
export interface ContractSubject {
  readonly artifacts: ArtifactStore;
  /** A new object that knows nothing, over the same steps. */
  runtime(): Runtime;
  /** The command of a program. */
  argv(program: ProgramName): readonly string[];
  /** What every step of this runtime needs besides. */
  readonly common?: Partial<StepSpec>;
  close(): Promise<void>;
}

/** Beyond this a condition will never come. */
export const DEADLINE_MS = 15_000;
export const never = new AbortController().signal;

export const shellPrograms = {
  hello: 'echo hello',
  exit7: 'exit 7',
  lines: 'i=0; while [ $i -lt 100000 ]; do echo "line $i"; i=$((i+1)); done',
  big: `head -c 41943040 /dev/zero | tr '\\0' 'x' | fold -w 99`,
  binary: `printf '\\377\\376\\000\\001ab\\303\\050c\\n\\342\\202'; head -c 300000 /dev/zero | tr '\\0' '\\200'`,
  sleep: 'echo ready; exec sleep 600',
  ignoreTerm: `trap '' TERM; echo ready; while :; do sleep 0.2; done`,
  saysGoodbye: `trap 'echo goodbye; exit 3' INT TERM; echo ready; while :; do sleep 0.02; done`,
  cat: 'cat',
  result: `echo '{"a":1}'; echo logged >&2`,
  tooMuch: 'head -c 5000000 /dev/zero',
  endlessResult: 'exec cat /dev/zero',
  failWithOutput: 'echo kept >out/file; exit 1',
  changeInput: 'cat in/file; echo changed >in/file; cat in/file',
  mergeOutput: 'echo added >repo/new',
  readFile: 'cat config/answer',
  slowLines: 'for i in 1 2 3 4 5 6 7 8 9 10; do echo "line $i"; sleep 0.02; done',
} as const;

const text = (chunks: readonly LogChunk[]): string => Buffer.concat(chunks.map(({ data }) => data)).toString('utf8');

/** Everything a step says from a cursor on. */
export async function readLogs(runtime: Runtime, handle: string, from: string | null = null): Promise<LogChunk[]> {
  const chunks: LogChunk[] = [];
  for await (const chunk of runtime.logs(handle, from, AbortSignal.timeout(DEADLINE_MS))) chunks.push(chunk);
  return chunks;
}

/** Reads until the step has said `word`, and no further. */
export async function until(runtime: Runtime, handle: string, word: string): Promise<void> {
  let said = '';
  for await (const { data } of runtime.logs(handle, null, AbortSignal.timeout(DEADLINE_MS))) {
    said += Buffer.from(data).toString();
    if (said.includes(word)) return;
  }
  throw new Error(`step ${handle} ended without saying "${word}": ${said}`);
}

/** What a runtime can do beyond what all can. */
export interface Abilities {
  /** Runs images that are artifacts, as other users too, and cuts the network off. */
  readonly images?: boolean;
  readonly limits?: boolean;
}

/** What every runtime keeps, as the port promises; of images and limits, what those keep that have them. */
export function describeRuntimeContract(
  name: string,
  open: () => Promise<ContractSubject>,
  abilities: Abilities = {},
): void {
  describe(`contract of the ${name} runtime`, () => {
    let subject: ContractSubject;
    let runtime: Runtime;
    let count = 0;
    beforeAll(async () => {
      subject = await open();
      runtime = subject.runtime();
    });
    afterAll(() => subject.close());

    const specOf = (program: ProgramName, more: Partial<StepSpec> = {}): StepSpec => ({
      handle: `b${++count}-s1`,
      labels: {},
      argv: subject.argv(program),
      env: {},
      mounts: [],
      stdoutTo: 'log',
      ...subject.common,
      ...more,
    });
    const start = async (program: ProgramName, more: Partial<StepSpec> = {}): Promise<string> => {
      const spec = specOf(program, more);
      await runtime.start(spec);
      return spec.handle;
    };
    const finish = (handle: string): ReturnType<Runtime['wait']> =>
      runtime.wait(handle, AbortSignal.timeout(DEADLINE_MS));
    const artifactOf = (id: string, files: Record<string, string>): Promise<ArtifactRef> =>
      subject.artifacts.create(id, async (dir) => {
        for (const [file, content] of Object.entries(files)) {
          await mkdir(path.dirname(path.join(dir, file)), { recursive: true });
          await writeFile(path.join(dir, file), content);
        }
      });
    const output = (mountPath: string): Mount => ({ path: mountPath, source: { output: mountPath } });

    describe('start and end', () => {
      it('runs a step once however often it is started', async () => {
        const spec = specOf('hello');
        await runtime.start(spec);
        await runtime.start(spec);
        await finish(spec.handle);
        await subject.runtime().start(spec);
        expect(text(await readLogs(runtime, spec.handle))).toBe('hello\n');
      });

      it('runs a step once when many start it at the same time', async () => {
        const spec = specOf('hello');
        await Promise.all(Array.from({ length: 8 }, () => subject.runtime().start(spec)));
        await finish(spec.handle);
        expect(text(await readLogs(runtime, spec.handle))).toBe('hello\n');
      });

      it('tells the exit code', async () => {
        const handle = await start('exit7');
        expect(await finish(handle)).toEqual({ handle, phase: 'exited', exit: { code: 7 } });
      });

      it('says in the log and in the reason that the executable is missing', async () => {
        const handle = await start('hello', { argv: ['no-such-program'] });
        const state = await finish(handle);
        expect(state).toMatchObject({ phase: 'exited', exit: { code: 127 } });
        expect(state.reason).toBe('executable file not found: no-such-program');
        expect(text(await readLogs(runtime, handle))).toContain('executable file not found: no-such-program');
      });

      it('knows nothing of a handle that was never started', async () => {
        const handle = 'b999999-s9';
        expect(await runtime.inspect(handle)).toEqual({ handle, phase: 'absent' });
        expect(await finish(handle)).toEqual({ handle, phase: 'absent' });
        expect(await readLogs(runtime, handle)).toEqual([]);
        await runtime.signal(handle, 'KILL');
        await runtime.remove(handle);
        await expect(runtime.sealOutput(handle, 'out')).rejects.toThrow('there is no step');
      });

      it('gives standard input', async () => {
        const request = JSON.stringify({ source: { uri: 'ünïcode "quoted"\n' } });
        const handle = await start('cat', { stdin: Buffer.from(request) });
        expect(text(await readLogs(runtime, handle))).toBe(request);
      });

      it('gives an empty standard input when there is none', async () => {
        const handle = await start('cat');
        expect(await finish(handle)).toMatchObject({ phase: 'exited', exit: { code: 0 } });
      });

      it('stops waiting when it is told to', async () => {
        const handle = await start('sleep');
        await expect(runtime.wait(handle, AbortSignal.timeout(50))).rejects.toThrow();
        await runtime.signal(handle, 'KILL');
        await finish(handle);
      });
    });

    describe('signals', () => {
      it.each(['TERM', 'INT', 'KILL'] as const)('tells that %s ended the step', async (signal) => {
        const handle = await start('sleep');
        await until(runtime, handle, 'ready');
        await runtime.signal(handle, signal);
        expect((await finish(handle)).exit).toEqual({ code: 128 + { TERM: 15, INT: 2, KILL: 9 }[signal], signal });
      });

      it('does not lose a signal that comes right after the start', async () => {
        for (let i = 0; i < 10; i++) {
          const handle = await start('sleep');
          await runtime.signal(handle, 'TERM');
          expect((await finish(handle)).exit?.signal).toBe('TERM');
        }
      });

      it.each(['TERM', 'INT'] as const)('lets a step that handles %s end in its own way', async (signal) => {
        const handle = await start('saysGoodbye');
        await until(runtime, handle, 'ready');
        await subject.runtime().signal(handle, signal);
        expect((await finish(handle)).exit).toEqual({ code: 3 });
        expect(text(await readLogs(runtime, handle))).toContain('goodbye');
      });

      it('ends a step that ignores TERM by KILL only', async () => {
        const handle = await start('ignoreTerm');
        await until(runtime, handle, 'ready');
        await runtime.signal(handle, 'TERM');
        await expect(runtime.wait(handle, AbortSignal.timeout(300))).rejects.toThrow();
        await runtime.signal(handle, 'KILL');
        expect((await finish(handle)).exit?.signal).toBe('KILL');
      });

      it('minds no signal to a step that is over', async () => {
        const handle = await start('exit7');
        await finish(handle);
        await runtime.signal(handle, 'KILL');
        expect((await runtime.inspect(handle)).exit).toEqual({ code: 7 });
      });
    });

    describe('logs', () => {
      it('gives 100,000 lines in order, none lost, none twice', async () => {
        const handle = await start('lines');
        const said = text(await readLogs(runtime, handle));
        expect(said === Array.from({ length: 100_000 }, (_, i) => `line ${i}\n`).join('')).toBe(true);
      });

      it('gives 40 MB in pieces of at most 64 KiB that end with a line', async () => {
        const handle = await start('big');
        let bytes = 0;
        for await (const { data, cursor } of runtime.logs(handle, null, never)) {
          bytes += data.length;
          expect(data.length).toBeLessThanOrEqual(65_536);
          expect(Number(cursor)).toBe(bytes);
        }
        expect(bytes).toBe(41_943_040 + Math.ceil(41_943_040 / 99) - 1);
      }, 60_000);

      it('gives what is no text byte by byte', async () => {
        const handle = await start('binary');
        const bytes = Buffer.concat((await readLogs(runtime, handle)).map(({ data }) => data));
        const head = Buffer.from([0xff, 0xfe, 0, 1, 0x61, 0x62, 0xc3, 0x28, 0x63, 0x0a, 0xe2, 0x82]);
        expect(bytes.equals(Buffer.concat([head, Buffer.alloc(300_000, 0x80)]))).toBe(true);
      });

      it('goes on after any cursor with the next byte', async () => {
        const handle = await start('slowLines');
        const live = await readLogs(runtime, handle);
        const whole = text(live);
        expect(whole.split('\n')).toHaveLength(11);
        let before = '';
        for (const chunk of live) {
          before += text([chunk]);
          expect(before + text(await readLogs(subject.runtime(), handle, chunk.cursor))).toBe(whole);
        }
      });

      it('gives output before the step is over', async () => {
        const handle = await start('sleep');
        await until(runtime, handle, 'ready');
        expect((await runtime.inspect(handle)).phase).toBe('running');
        await runtime.signal(handle, 'KILL');
        await finish(handle);
      });

      it('stops when it is told to', async () => {
        const handle = await start('sleep');
        const reading = async (): Promise<void> => {
          for await (const _ of runtime.logs(handle, null, AbortSignal.timeout(100)));
        };
        await expect(reading()).rejects.toThrow();
        await runtime.signal(handle, 'KILL');
        await finish(handle);
      });
    });

    describe('results', () => {
      it('keeps the result apart from the log', async () => {
        const handle = await start('result', { stdoutTo: 'result' });
        const logs = await readLogs(runtime, handle);
        expect(text(logs)).toBe('logged\n');
        expect(logs.every(({ stream }) => stream === 'stderr')).toBe(true);
        expect(Buffer.from(await subject.runtime().result(handle)).toString()).toBe('{"a":1}\n');
      });

      it('refuses a result above 4 MiB', async () => {
        const handle = await start('tooMuch', { stdoutTo: 'result' });
        await finish(handle);
        await expect(runtime.result(handle)).rejects.toMatchObject({ code: 'result-too-large' });
      });

      it('has no result when standard output is the log', async () => {
        const handle = await start('hello');
        await finish(handle);
        await expect(runtime.result(handle)).rejects.toThrow('has no result');
      });
    });

    describe('artifacts', () => {
      it('keeps the outputs of a step that failed, and gives the same artifact again', async () => {
        const handle = await start('failWithOutput', { mounts: [output('out')] });
        expect((await finish(handle)).exit).toEqual({ code: 1 });
        const ref = await runtime.sealOutput(handle, 'out');
        expect(await subject.runtime().sealOutput(handle, 'out')).toEqual(ref);
        expect((await subject.artifacts.readFile(ref, 'file')).toString()).toBe('kept\n');
      });

      it('makes an artifact of an output into which nothing was written', async () => {
        const handle = await start('hello', { mounts: [output('out')] });
        await finish(handle);
        expect(await subject.artifacts.exists(await runtime.sealOutput(handle, 'out'))).toBe(true);
      });

      it('does not seal the output of a running step', async () => {
        const handle = await start('sleep', { mounts: [output('out')] });
        await expect(runtime.sealOutput(handle, 'out')).rejects.toThrow('still runs');
        await runtime.signal(handle, 'KILL');
        await finish(handle);
      });

      it('refuses an output that the step does not have', async () => {
        const handle = await start('hello', { mounts: [output('out')] });
        await finish(handle);
        await expect(runtime.sealOutput(handle, 'outt')).rejects.toMatchObject({ code: 'not-found' });
      });

      it('gives each step its own copy of an input', async () => {
        const ref = await artifactOf('shared-input', { file: 'original\n' });
        const mounts: Mount[] = [{ path: 'in', source: { artifact: ref } }];
        const [first, second] = [await start('changeInput', { mounts }), await start('changeInput', { mounts })];
        expect(text(await readLogs(runtime, first))).toBe('original\nchanged\n');
        expect(text(await readLogs(runtime, second))).toBe('original\nchanged\n');
        expect((await subject.artifacts.readFile(ref, 'file')).toString()).toBe('original\n');
      });

      it('lets an output share the folder of an input with the same path', async () => {
        const ref = await artifactOf('merged-input', { old: 'old\n' });
        const handle = await start('mergeOutput', {
          mounts: [output('repo'), { path: 'repo', source: { artifact: ref } }],
        });
        await finish(handle);
        const sealed = await runtime.sealOutput(handle, 'repo');
        expect((await subject.artifacts.readFile(sealed, 'old')).toString()).toBe('old\n');
        expect((await subject.artifacts.readFile(sealed, 'new')).toString()).toBe('added\n');
        await expect(subject.artifacts.readFile(ref, 'new')).rejects.toMatchObject({ code: 'file-not-found' });
      });

      it('gives files', async () => {
        const handle = await start('readFile', {
          mounts: [{ path: 'config/answer', source: { file: Buffer.from('42') } }],
        });
        expect(text(await readLogs(runtime, handle))).toBe('42');
      });
    });

    describe('list and remove', () => {
      it('lists the steps that have all of the labels', async () => {
        const [one, two] = [
          await start('exit7', { labels: { team: 'main', build: '77001' } }),
          await start('exit7', { labels: { team: 'main', build: '77002' } }),
        ];
        await Promise.all([finish(one), finish(two)]);
        const listed = await subject.runtime().list({ team: 'main', build: '77001' });
        expect(listed).toEqual([
          {
            handle: one,
            phase: 'exited',
            exit: { code: 7 },
            labels: { team: 'main', build: '77001' },
            createdAt: expect.any(Date),
          },
        ]);
        expect((await runtime.list({ team: 'main' })).map(({ handle }) => handle).sort()).toEqual([one, two].sort());
        expect(await runtime.list({ team: 'other' })).toEqual([]);
      });

      it('forgets a removed step, and removes it twice', async () => {
        const handle = await start('hello', { labels: { removed: 'yes' } });
        await finish(handle);
        await runtime.remove(handle);
        await runtime.remove(handle);
        expect(await runtime.inspect(handle)).toEqual({ handle, phase: 'absent' });
        expect(await runtime.list({ removed: 'yes' })).toEqual([]);
      });

      it('ends a running step when it is removed', async () => {
        const handle = await start('sleep');
        await runtime.remove(handle);
        expect((await runtime.inspect(handle)).phase).toBe('absent');
      });

      it('keeps an artifact when its step is removed', async () => {
        const handle = await start('failWithOutput', { mounts: [output('out')] });
        await finish(handle);
        const ref = await runtime.sealOutput(handle, 'out');
        await runtime.remove(handle);
        expect((await subject.artifacts.readFile(ref, 'file')).toString()).toBe('kept\n');
      });
    });

    const withImages = abilities.images && hasBusybox() ? it : it.skip;
    if (withImages !== it) console.warn(`SKIPPED: the ${name} runtime has no images here, or busybox is missing`);
    const withLimits = abilities.limits ? it : it.skip;
    if (withLimits !== it) console.warn(`SKIPPED: the ${name} runtime cannot limit memory here`);

    describe('an image that is an artifact', () => {
      const imageOf = async (id: string, user = ''): Promise<{ artifact: ArtifactRef }> => ({
        artifact: await subject.artifacts.create(id, async (tree) => {
          makeBusyboxRoot(path.join(tree, 'rootfs'));
          await writeFile(path.join(tree, 'rootfs/marker'), 'of the image\n');
          await writeFile(
            path.join(tree, 'metadata.json'),
            JSON.stringify({ env: ['PATH=/bin', 'FROM_IMAGE=a=b'], user }),
          );
        }),
      });
      const say = async (script: string, more: Partial<StepSpec>): Promise<string> =>
        text(await readLogs(runtime, await start('hello', { argv: ['/bin/sh', '-c', script], ...more })));

      withImages('is what stands around the step, with its environment', async () => {
        const image = await imageOf('image-around');
        expect(await say('cat /marker; echo "$FROM_IMAGE"; ls /usr 2>&1', { image })).toMatch(
          /^of the image\na=b\nls: .*No such file/,
        );
        expect(await say('echo "$FROM_IMAGE"', { image, env: { FROM_IMAGE: 'own' } })).toBe('own\n');
      });

      withImages('can be changed by each step for itself', async () => {
        const image = await imageOf('image-private');
        const script = 'cat /marker; echo changed >/marker; rm -r /bin/ls; mkdir /new; cat /marker';
        expect(await say(script, { image })).toBe('of the image\nchanged\n');
        expect(await say(`${script}; echo >/dev/null`, { image })).toBe('of the image\nchanged\n');
        expect((await subject.artifacts.readFile(image.artifact, 'rootfs/marker')).toString()).toBe('of the image\n');
      });

      withImages('stands around a folder /scratch of the step that is no part of it', async () => {
        const image = await imageOf('image-around');
        const script = 'touch /scratch/file && ls /scratch; grep -c " /scratch " /proc/self/mounts';
        expect(await say(script, { image })).toBe('file\n1\n');
        expect(await say('ls /scratch', { image })).toBe('');
      });

      withImages('says which user the step is, unless the step does', async () => {
        const image = await imageOf('image-user', 'guest');
        const mounts = [output('out')];
        const script = 'id -un; touch here out/there && echo written';
        expect(await say(script, { image, mounts })).toBe('guest\nwritten\n');
        expect(await say('id -un', { image, user: 'root' })).toBe('root\n');
      });

      withImages('is where an executable is looked for', async () => {
        const image = await imageOf('image-around');
        const handle = await start('hello', { image, argv: ['/usr/bin/env', 'true'] });
        expect((await finish(handle)).reason).toBe('executable file not found: /usr/bin/env');
        expect(text(await readLogs(runtime, await start('hello', { image, argv: ['cat', '/marker'] })))).toBe(
          'of the image\n',
        );
      });

      withImages('takes mounts at absolute paths, whose outputs become artifacts', async () => {
        const image = await imageOf('image-around');
        const input = await artifactOf('absolute-input', { f: 'seen\n' });
        const handle = await start('hello', {
          image,
          argv: ['/bin/sh', '-c', 'cp /opt/in/f /opt/out/copy; echo more >>/opt/in/f; pwd'],
          mounts: [
            { path: '/opt/in', source: { artifact: input } },
            { path: '/opt/out', source: { output: 'out' } },
          ],
        });
        expect(text(await readLogs(runtime, handle))).toMatch(/^\/tmp\/build\/[0-9a-f]{8}\n$/);
        const sealed = await runtime.sealOutput(handle, 'out');
        expect((await subject.artifacts.readFile(sealed, 'copy')).toString()).toBe('seen\n');
        expect((await subject.artifacts.readFile(input, 'f')).toString()).toBe('seen\n');
      });

      withImages('is refused when it is none', async () => {
        const artifact = await artifactOf('no-image', { file: 'x' });
        await expect(start('hello', { image: { artifact } })).rejects.toMatchObject({ code: 'bad-image' });
      });

      withImages('has no network but the loopback when the step wants none', async () => {
        const image = await imageOf('image-around');
        expect(await say(`sed -n 's/^ *\\([^ ]*\\):.*/\\1/p' /proc/net/dev`, { image, network: 'none' })).toBe('lo\n');
      });

      (abilities.images && abilities.limits ? withImages : it.skip)('is killed beyond its memory', async () => {
        const image = await imageOf('image-around');
        const handle = await start('hello', {
          image,
          argv: ['/bin/sh', '-c', 'head -c 100000000 /dev/zero | tail'],
          limits: { memoryBytes: 16 * 1024 * 1024, cpuShares: 512 },
        });
        const state = await finish(handle);
        expect(state).toMatchObject({ phase: 'exited', reason: expect.stringContaining('out of memory') });
        await runtime.remove(handle);
      });
    });

    it('is found running by a new server, with all of its output', async () => {
      const handle = await start('slowLines');
      const adopted = subject.runtime();
      const chunks = await readLogs(adopted, handle);
      expect(text(chunks).split('\n')).toHaveLength(11);
      expect((await adopted.wait(handle, never)).exit).toEqual({ code: 0 });
    });

    it('describes itself', async () => {
      const { description, platforms } = await runtime.capabilities();
      expect(description.length).toBeGreaterThan(10);
      expect(platforms.length).toBeGreaterThan(0);
    });
  });
}
