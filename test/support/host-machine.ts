import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import {
  DirectoryArtifactStore,
  HostRuntime,
  type ArtifactRef,
  type StepSpec,
  type StepState,
} from '../../src/runtime/index.js';
import { removeTree } from '../../src/runtime/files.js';
import { DEADLINE_MS, readLogs } from './runtime-contract.js';

/** A data folder of its own, with short ways to run steps in it. */
export interface HostMachine {
  readonly dataDir: string;
  readonly artifacts: DirectoryArtifactStore;
  readonly runtime: HostRuntime;
  /** As a restarted server: a new object over the same folder. */
  restarted(): HostRuntime;
  spec(script: string, more?: Partial<StepSpec>): StepSpec;
  /** Starts a shell script and returns its handle. */
  start(script: string, more?: Partial<StepSpec>): Promise<string>;
  wait(handle: string): Promise<StepState>;
  /** Everything it said, to its end. */
  logOf(handle: string): Promise<string>;
  /** Runs a shell script to its end and returns everything it said. */
  say(script: string, more?: Partial<StepSpec>): Promise<string>;
  stepFile(handle: string, name: string): string;
  /** An artifact made by a shell script that runs in its empty folder. */
  artifact(id: string, script: string): Promise<ArtifactRef>;
  close(): Promise<void>;
}

export async function openHostMachine(inside = os.tmpdir()): Promise<HostMachine> {
  const dataDir = await mkdtemp(path.join(inside, 'weir-host-'));
  const artifacts = new DirectoryArtifactStore(dataDir);
  const runtime = new HostRuntime(dataDir, artifacts);
  let count = 0;
  const machine: HostMachine = {
    dataDir,
    artifacts,
    runtime,
    restarted: () => new HostRuntime(dataDir, new DirectoryArtifactStore(dataDir)),
    spec: (script, more = {}) => ({
      handle: `b${++count}-s1`,
      labels: {},
      argv: ['/bin/sh', '-c', script],
      env: {},
      mounts: [],
      stdoutTo: 'log',
      ...more,
    }),
    start: async (script, more) => {
      const spec = machine.spec(script, more);
      await runtime.start(spec);
      return spec.handle;
    },
    wait: (handle) => runtime.wait(handle, AbortSignal.timeout(DEADLINE_MS)),
    logOf: async (handle) => Buffer.concat((await readLogs(runtime, handle)).map(({ data }) => data)).toString(),
    say: async (script, more) => machine.logOf(await machine.start(script, more)),
    stepFile: (handle, name) => path.join(dataDir, 'steps', handle, name),
    artifact: (id, script) => artifacts.create(id, (dir) => sh(script, dir)),
    close: async () => {
      for (const { handle } of await runtime.list({})) await runtime.remove(handle);
      await removeTree(dataDir);
    },
  };
  return machine;
}

/** Runs a shell script in a folder, without any runtime. */
export async function sh(script: string, cwd: string): Promise<void> {
  const child = spawn('/bin/sh', ['-ec', script], { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
  const code = await new Promise((resolve) => child.on('close', resolve));
  if (code !== 0) throw new Error(`"${script}" ended with ${String(code)}`);
}

/** A process that starts a step, for killing it. Resolves when it has said `word`. */
export async function startElsewhere(
  machine: HostMachine,
  spec: StepSpec,
  word: 'go' | 'started',
): Promise<ChildProcess> {
  const script = new URL('./host-step-starter.ts', import.meta.url).pathname;
  const child = spawn(
    process.execPath,
    ['--import', '@swc-node/register/esm-register', script, machine.dataDir, JSON.stringify(spec)],
    {
      env: { ...process.env, SWC_NODE_PROJECT: new URL('../../src/tsconfig.json', import.meta.url).pathname },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  let said = '';
  for await (const text of child.stdout.setEncoding('utf8')) {
    said += String(text);
    if (said.includes(`${word}\n`)) return child;
  }
  throw new Error(`the starter ended without saying "${word}"`);
}

/** How many living processes have `word` on their command line. Linux only. */
export async function countProcesses(word: string): Promise<number> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')));
  return lines.filter((line) => line.split('\0').includes(word)).length;
}

/** Waits until `claim` holds. @throws when it does not within the deadline */
export async function eventually(what: string, claim: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!(await claim())) {
    if (performance.now() > deadline) throw new Error(`never came true: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
