/**
 * What a step on the host runtime costs over the bare process, alternating so that both see the same machine:
 * `SWC_NODE_PROJECT=src/tsconfig.json node --import @swc-node/register/esm-register test/bench/step-overhead.ts [rounds]`
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { removeTree } from '../../src/runtime/files.js';
import { DirectoryArtifactStore, HostRuntime } from '../../src/runtime/index.js';

const rounds = Number(process.argv[2] ?? 200);
const dataDir = await mkdtemp(path.join(os.tmpdir(), 'weir-bench-'));
const runtime = new HostRuntime(dataDir, new DirectoryArtifactStore(dataDir));
const never = new AbortController().signal;
const times: Record<string, number[]> = {};

async function measure(name: string, work: () => Promise<unknown>): Promise<void> {
  const begin = performance.now();
  await work();
  (times[name] ??= []).push(performance.now() - begin);
}

for (let i = 0; i < rounds; i++) {
  const handle = `b${i}-s1`;
  await measure('bare process', () => once(spawn('/bin/true'), 'close'));
  await measure('step, start to exit', async () => {
    await runtime.start({ handle, labels: {}, argv: ['/bin/true'], env: {}, mounts: [], stdoutTo: 'log' });
    await runtime.wait(handle, never);
  });
  await measure('removal', () => runtime.remove(handle));
}
for (const [name, values] of Object.entries(times)) {
  values.sort((a, b) => a - b);
  const at = (share: number): string => (values[Math.floor(values.length * share)] ?? 0).toFixed(1);
  console.log(`${name}: p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, best ${at(0)} ms (${os.loadavg()[0]?.toFixed(1)} load)`);
}
await removeTree(dataDir);
