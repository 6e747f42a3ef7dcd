/**
 * How long one artifact takes from one task to the next, over `cp -a` of the same files:
 * `npm run bench:artifact [-- --runtime docker] [--mb 1024] [--rounds 3]`. On Docker a daemon of its own is started;
 * `--sent` keeps the files of the server from it, as if it were elsewhere.
 */
import { execFile } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { Settings } from '../../src/platform/index.js';
import { removeTree } from '../../src/runtime/files.js';
import { chooseRuntime, DirectoryArtifactStore, type StepSpec } from '../../src/runtime/index.js';
import { BUSYBOX, TestDocker } from '../support/docker-daemon.js';

const run = promisify(execFile);
const { values } = parseArgs({
  options: {
    runtime: { type: 'string', default: 'host' },
    mb: { type: 'string', default: '1024' },
    rounds: { type: 'string', default: '3' },
    sent: { type: 'boolean', default: false },
  },
});
const mb = Number(values.mb);
// The options of mounts know no comma, so there is nothing but to send the files.
const dataDir = await mkdtemp(path.join(os.tmpdir(), values.sent ? 'weir,bench-' : 'weir-bench-'));
const artifacts = new DirectoryArtifactStore(dataDir);
const docker = values.runtime === 'docker' ? await TestDocker.start() : undefined;
if (values.runtime === 'docker' && !docker) process.exit(1);
if (docker) process.env['DOCKER_HOST'] = `unix://${docker.socketPath}`;
const runtime = await chooseRuntime(new Settings({ dataDir, runtime: values.runtime, instanceId: 'bench' }), artifacts);
const never = new AbortController().signal;

async function step(handle: string, script: string, more: Partial<StepSpec>): Promise<void> {
  const image = docker ? { image: { ref: BUSYBOX } } : {};
  const argv = ['/bin/sh', '-ec', script];
  await runtime.start({ handle, labels: {}, argv, env: {}, mounts: [], stdoutTo: 'log', ...image, ...more });
  const { exit, reason } = await runtime.wait(handle, never);
  if (exit?.code !== 0) throw new Error(`${handle} ended with ${exit?.code ?? 'nothing'}: ${reason ?? ''}`);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

/** Median of some numbers. */
const middle = (times: number[]): number => times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? NaN;
const files = 64;
const write = `i=0; while [ $i -lt ${files} ]; do head -c ${Math.round((mb * 1024 * 1024) / files)} /dev/urandom > out/f$i; i=$((i+1)); done`;
const handOver: number[] = [];
const copies: number[] = [];
try {
  for (let round = 0; round < Number(values.rounds); round++) {
    const [maker, user] = [`b${round}-s1`, `b${round}-s2`];
    await step(maker, write, { mounts: [{ path: 'out', source: { output: 'out' } }] });
    handOver.push(
      await timed(async () => {
        const artifact = await runtime.sealOutput(maker, 'out');
        await step(user, 'test -s in/f0', { mounts: [{ path: 'in', source: { artifact } }] });
      }),
    );
    const from = path.join(dataDir, 'artifacts');
    copies.push(await timed(() => run('cp', ['-a', '--reflink=never', from, path.join(dataDir, 'copy')])));
    await removeTree(path.join(dataDir, 'copy'));
    for (const handle of [maker, user]) await runtime.remove(handle);
    for (const { ref } of await artifacts.list()) await artifacts.remove(ref);
  }
  const [took, copied] = [middle(handOver), middle(copies)];
  const way = values.sent ? `${values.runtime}, files are sent` : values.runtime;
  console.log(`${mb} MB in ${files} files between two steps (${way}): ${took.toFixed(0)} ms`);
  console.log(`cp -a of the same: ${copied.toFixed(0)} ms; ratio ${(took / copied).toFixed(2)}`);
  console.log(`load ${os.loadavg()[0]?.toFixed(1)}`);
} finally {
  await docker?.stop();
  await removeTree(dataDir);
}
