import { describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { DirectoryArtifactStore, DummyRuntime, DummyWorld, type DummyProgram } from '../../src/runtime/index.js';
import { describeRuntimeContract, never, until, type ProgramName } from '../support/runtime-contract.js';

const forever = (): Promise<number> => new Promise(() => undefined);
const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

const programs: Record<ProgramName, DummyProgram> = {
  hello: (step) => (step.write('hello\n'), 0),
  exit7: () => 7,
  lines: async (step) => {
    for (let i = 0; i < 100_000; i++) {
      step.write(`line ${i}\n`);
      if (i % 10_000 === 0) await soon();
    }
    return 0;
  },
  big: (step) => {
    const line = `${'x'.repeat(99)}\n`;
    const whole = Math.floor(41_943_040 / 99);
    for (let i = 0; i < whole; i += 1000) step.write(line.repeat(Math.min(1000, whole - i)));
    step.write('x'.repeat(41_943_040 - whole * 99));
    return 0;
  },
  binary: (step) => {
    step.write(Buffer.from([0xff, 0xfe, 0, 1, 0x61, 0x62, 0xc3, 0x28, 0x63, 0x0a, 0xe2, 0x82]));
    step.write(Buffer.alloc(300_000, 0x80));
    return 0;
  },
  sleep: (step) => (step.write('ready\n'), forever()),
  ignoreTerm: (step) => {
    step.onSignal(() => undefined);
    step.write('ready\n');
    return forever();
  },
  saysGoodbye: (step) =>
    new Promise((resolve) => {
      step.onSignal(() => {
        step.write('goodbye\n');
        resolve(3);
      });
      step.write('ready\n');
    }),
  cat: (step) => (step.write(step.spec.stdin ?? ''), 0),
  result: (step) => (step.write('{"a":1}\n'), step.writeError('logged\n'), 0),
  tooMuch: (step) => (step.write(Buffer.alloc(5_000_000)), 0),
  endlessResult: (step) => (step.write(Buffer.alloc(5_000_000)), forever()),
  failWithOutput: (step) => (step.writeFile('out/file', 'kept\n'), 1),
  changeInput: async (step) => {
    step.write(await step.readFile('in/file'));
    step.writeFile('in/file', 'changed\n');
    step.write(await step.readFile('in/file'));
    return 0;
  },
  mergeOutput: (step) => (step.writeFile('repo/new', 'added\n'), 0),
  readFile: async (step) => (step.write(await step.readFile('config/answer')), 0),
  slowLines: async (step) => {
    for (let i = 1; i <= 10; i++) {
      step.write(`line ${i}\n`);
      await soon();
    }
    return 0;
  },
};

describeRuntimeContract('dummy', async () => {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'weir-dummy-'));
  const artifacts = new DirectoryArtifactStore(dir);
  const world = new DummyWorld(programs);
  return {
    artifacts,
    runtime: () => new DummyRuntime(world, artifacts),
    argv: (program) => [program],
    close: () => rm(dir, { recursive: true }),
  };
});

describe('a dummy world', () => {
  it('can lose a step', async () => {
    const world = new DummyWorld(programs);
    const runtime = new DummyRuntime(world, new DirectoryArtifactStore(os.tmpdir()));
    await runtime.start({ handle: 'b1-s1', labels: {}, argv: ['sleep'], env: {}, mounts: [], stdoutTo: 'log' });
    await until(runtime, 'b1-s1', 'ready');
    world.lose('b1-s1', 'power cut');
    expect(await runtime.wait('b1-s1', never)).toEqual({ handle: 'b1-s1', phase: 'lost', reason: 'power cut' });
  });

  it('ends a step whose program throws with the message in its log', async () => {
    const world = new DummyWorld({
      broken: () => {
        throw new Error('out of luck');
      },
    });
    const runtime = new DummyRuntime(world, new DirectoryArtifactStore(os.tmpdir()));
    await runtime.start({ handle: 'b1-s1', labels: {}, argv: ['broken'], env: {}, mounts: [], stdoutTo: 'log' });
    await until(runtime, 'b1-s1', 'out of luck');
    expect((await runtime.wait('b1-s1', never)).exit).toEqual({ code: 1 });
  });
});
